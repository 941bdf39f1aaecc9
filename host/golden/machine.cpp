#include "host/golden/machine.hpp"

#include <cstring>

#include "host/command/error.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::golden {

Machine::Machine(const ChipConfig& config, std::size_t host_memory_bytes)
    : config_(config),
      tiles_(std::size_t{config.num_cols} * config.num_rows),
      host_memory_(host_memory_bytes) {
  for (unsigned y = 0; y < config.num_rows; ++y) {
    for (unsigned x = 1; x < config.num_cols; ++x) {
      tiles_[index({x, y})].scratchpad.resize(spec::ScratchpadBytes);
    }
  }
}

std::size_t Machine::index(Node node) const {
  return std::size_t{node.y} * config_.num_cols + node.x;
}

bool Machine::is_tile(Node node) const {
  return node.x >= 1 && node.x < config_.num_cols && node.y < config_.num_rows;
}

TileMemory& Machine::tile(Node node) {
  return const_cast<TileMemory&>(std::as_const(*this).tile(node));
}

const TileMemory& Machine::tile(Node node) const {
  if (!is_tile(node)) {
    throw Error("no such compute tile",
                "tile (" + std::to_string(node.x) + ", " + std::to_string(node.y) + ")");
  }
  return tiles_[index(node)];
}

const uint8_t* Machine::scratchpad_at(Address address, std::size_t bytes) const {
  if (address < spec::TileBase || address >= 2 * spec::TileBase) return nullptr;
  const Address local = address - spec::TileBase;
  const Node node{static_cast<unsigned>(local >> spec::TileColShift & 0xff),
                  static_cast<unsigned>(local >> spec::TileRowShift)};
  const Address offset = local & ((Address{1} << spec::TileColShift) - 1);
  if (!is_tile(node) || offset + bytes > spec::ScratchpadBytes) return nullptr;
  return tiles_[index(node)].scratchpad.data() + offset;
}

std::optional<uint64_t> Machine::dram_offset(Address address, std::size_t bytes) const {
  const Address end = spec::DramBase + config_.channels() * spec::DramChannelBytes;
  if (address < spec::DramBase || address + bytes > end) return std::nullopt;
  return address - spec::DramBase;
}

std::optional<uint64_t> Machine::host_offset(Address address, std::size_t bytes) const {
  if (address < spec::HostMemBase) return std::nullopt;
  const Address offset = address - spec::HostMemBase;
  if (offset + bytes > host_memory_.size()) return std::nullopt;
  return offset;
}

bool Machine::is_memory(Address address, std::size_t bytes) const {
  return scratchpad_at(address, bytes) != nullptr || dram_offset(address, bytes) ||
         host_offset(address, bytes);
}

bool Machine::read(Address address, void* data, std::size_t bytes) const {
  if (const uint8_t* from = scratchpad_at(address, bytes)) {
    std::memcpy(data, from, bytes);
  } else if (const auto dram = dram_offset(address, bytes)) {
    dram_.read(*dram, data, bytes);
  } else if (const auto host = host_offset(address, bytes)) {
    std::memcpy(data, host_memory_.data() + *host, bytes);
  } else {
    return false;
  }
  return true;
}

bool Machine::write(Address address, const void* data, std::size_t bytes) {
  if (const uint8_t* to = scratchpad_at(address, bytes)) {
    std::memcpy(const_cast<uint8_t*>(to), data, bytes);
  } else if (const auto dram = dram_offset(address, bytes)) {
    dram_.write(*dram, data, bytes);
  } else if (const auto host = host_offset(address, bytes)) {
    std::memcpy(host_memory_.data() + *host, data, bytes);
  } else {
    return false;
  }
  return true;
}

Address scratchpad_address(Node node, uint32_t offset) {
  return spec::TileBase | Address{node.y} << spec::TileRowShift |
         Address{node.x} << spec::TileColShift | offset;
}

}  // namespace systole::golden
