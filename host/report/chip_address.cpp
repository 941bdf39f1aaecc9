#include "host/report/chip_address.hpp"

#include <fmt/format.h>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::report {
namespace {

constexpr unsigned kLargest = 15;  // column or row of a node

}  // namespace

golden::Node home_of(Address address) {
  if (address >= spec::TileBase) {
    const Address local = address - spec::TileBase;
    return {static_cast<unsigned>(local >> spec::TileColShift & 0xff),
            static_cast<unsigned>(local >> spec::TileRowShift)};
  }
  if (address < spec::DramBase) return {0, 0};
  return {0, static_cast<unsigned>((address - spec::DramBase) / spec::DramChannelBytes) + 1};
}

std::optional<uint32_t> scratchpad_offset(Address address) {
  if (address < spec::TileBase) return std::nullopt;
  const Address offset = address & ((Address{1} << spec::TileColShift) - 1);
  if (offset >= spec::ScratchpadBytes) return std::nullopt;
  return static_cast<uint32_t>(offset);
}

std::string memory_name(Address address) {
  const golden::Node home = home_of(address);
  if (home.x > kLargest || home.y > kLargest) return "no memory";
  if (address >= spec::TileBase) return fmt::format("tile ({}, {})", home.x, home.y);
  if (address >= spec::DramBase) return fmt::format("DRAM {}", home.y - 1);
  return address >= spec::HostMemBase ? "host memory" : "the control core's space";
}

std::string address_text(Address address) {
  const std::string name = memory_name(address);
  std::string text = fmt::format("0x{:012x}: {}", address, name);
  const golden::Node home = home_of(address);
  if (home.x > kLargest || home.y > kLargest) return text;
  if (const auto offset = scratchpad_offset(address))
    return text + fmt::format(", scratchpad 0x{:05x}", *offset);
  if (address < spec::DramBase || address >= spec::TileBase) return text;
  return text + fmt::format(", memory node (0, {})", home.y);
}

}  // namespace systole::report
