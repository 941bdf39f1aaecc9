#include "host/report/scratchpad_ports.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::report {
namespace {

constexpr SpadPortName kAct{"act", "the Matrix unit's"};
constexpr SpadPortName kWgt{"wgt", "the Matrix unit's"};
constexpr SpadPortName kVd{"vd", "the Vector unit's"};
constexpr SpadPortName kNi{"ni", "the network interface's"};
constexpr SpadPortName kLd{"ld", "the Load unit's"};
constexpr std::array<SpadPortName, 4> kReaders = {{{"va", "the Vector unit's"},
                                                   {"vb", "the Vector unit's"},
                                                   {"st", "the Store unit's"},
                                                   {"seq", "the sequencers'"}}};

// Places of the signals in what is read of the waves, in this order.
constexpr std::size_t kWindows = 4, kChunks = 8;
constexpr std::size_t kLoad = 0, kVector = 4;  // each: grant, address, length, data
constexpr std::size_t kNiGrant = 8, kNiWrite = 9, kNiAddress = 10, kNiEnable = 11, kNiData = 12,
                      kNiRead = 13;
constexpr std::size_t kActMode = 14, kActAddress = 15, kWgtAddress = kActAddress + kWindows;
constexpr std::size_t kActData = kWgtAddress + kChunks, kWgtData = kActData + 1;
constexpr std::size_t kRead =
    kWgtData + kChunks;  // of kReaders, each: grant, address, length, data
constexpr std::size_t kActGrants = kRead + 4 * kReaders.size(), kWgtGrants = kActGrants + 1;

std::vector<std::string> signals() {
  std::vector<std::string> names = {"ld_gnt_o",  "ld_i.addr", "ld_i.len",   "ld_i.data", "vd_gnt_o",
                                    "vd_i.addr", "vd_i.len",  "vd_i.data",  "ni_gnt_o",  "ni_we_i",
                                    "ni_addr_i", "ni_be_i",   "ni_wdata_i", "ni_rdata_o"};
  const auto add = [&](const char* name, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) names.push_back(fmt::format("{}[{}]", name, i));
  };
  names.emplace_back("act_mode_i");
  add("act_addr_i", kWindows);
  add("wgt_addr_i", kChunks);
  names.emplace_back("act_rdata_o");
  add("wgt_rdata_o", kChunks);
  for (const SpadPortName& reader : kReaders) {
    for (const char* part : {"_gnt_o", "_i.addr", "_i.len", "_rdata_o"})
      names.push_back(std::string(reader.name) + part);
  }
  names.emplace_back("act_gnt_o");
  names.emplace_back("wgt_gnt_o");
  return names;
}

std::size_t window_bytes(spec::RowMode mode) {
  return mode == spec::RowMode::Run16x2 ? 16 : mode == spec::RowMode::Run8x4 ? 8 : 32;
}

}  // namespace

std::string tile_scope(golden::Node node) {
  return fmt::format("TOP.systole_chip.gen_row[{}].gen_col[{}].gen_tile.u_tile.", node.y, node.x);
}

uint8_t byte_at(const std::string& bits, std::size_t i) {
  uint8_t byte = 0;
  for (std::size_t b = 8; b-- > 0;) {
    const std::size_t bit = 8 * i + b;
    byte =
        static_cast<uint8_t>(byte << 1 | (bit < bits.size() && bits[bits.size() - 1 - bit] == '1'));
  }
  return byte;
}

ScratchpadPorts::ScratchpadPorts(const Waves& waves, golden::Node node) {
  const std::string scope = tile_scope(node) + "u_scratchpad.";
  std::vector<std::string> names;
  for (const std::string& name : signals()) names.push_back(scope + name);
  known_ = std::all_of(names.begin(), names.end(),
                       [&](const std::string& name) { return waves.has(name); });
  if (!known_) return;
  waves.read(names, [&](uint64_t cycle, const WaveValues& values) { see(cycle, values); });
}

void ScratchpadPorts::see(uint64_t cycle, const WaveValues& values) {
  const auto value = [&](std::size_t i) { return number(values[i]); };
  const auto address = [&](std::size_t i) { return static_cast<uint32_t>(value(i)); };
  for (auto& [access, signal, lane] : reads_) {
    for (std::size_t i = 0; i < access.bytes.size(); ++i)
      access.bytes[i] = byte_at(values[signal], lane + i);
    accesses_.push_back(std::move(access));
  }
  reads_.clear();
  if (value(kLoad) != 0) window_write(cycle, kLd, values, kLoad + 1);
  if (value(kVector) != 0) window_write(cycle, kVd, values, kVector + 1);
  const uint32_t beat = address(kNiAddress) / spec::FlitBytes * spec::FlitBytes;
  if (value(kNiGrant) != 0 && value(kNiWrite) != 0) beat_write(cycle, values, beat);
  if (value(kNiGrant) != 0 && value(kNiWrite) == 0)
    expect(cycle, kNi, beat, spec::FlitBytes, kNiRead, 0);
  for (std::size_t r = 0; r < kReaders.size(); ++r) {
    const std::size_t at = kRead + 4 * r;
    if (value(at) != 0) expect(cycle, kReaders[r], address(at + 1), value(at + 2), at + 3, 0);
  }
  const std::size_t length = window_bytes(static_cast<spec::RowMode>(value(kActMode)));
  for (std::size_t i = 0; i < kWindows; ++i) {
    if (value(kActGrants) >> i & 1)
      expect(cycle, kAct, address(kActAddress + i), length, kActData, length * i);
  }
  for (std::size_t i = 0; i < kChunks; ++i) {
    if (value(kWgtGrants) >> i & 1)
      expect(cycle, kWgt, address(kWgtAddress + i) & ~15u, spec::BankBytes, kWgtData + i, 0);
  }
}

void ScratchpadPorts::window_write(uint64_t cycle, SpadPortName port, const WaveValues& values,
                                   std::size_t at) {
  PortAccess access{cycle, port, true, static_cast<uint32_t>(number(values[at])), {}, {}};
  for (std::size_t i = 0; i < number(values[at + 1]); ++i)
    access.bytes.push_back(byte_at(values[at + 2], i));
  access.enabled.assign(access.bytes.size(), true);
  accesses_.push_back(std::move(access));
}

void ScratchpadPorts::beat_write(uint64_t cycle, const WaveValues& values, uint32_t beat) {
  PortAccess access{cycle, kNi, true, beat, {}, {}};
  for (std::size_t i = 0; i < spec::FlitBytes; ++i) {
    access.bytes.push_back(byte_at(values[kNiData], i));
    access.enabled.push_back((number(values[kNiEnable]) >> i & 1) != 0);
  }
  accesses_.push_back(std::move(access));
}

void ScratchpadPorts::expect(uint64_t cycle, SpadPortName port, uint32_t address, std::size_t bytes,
                             std::size_t signal, std::size_t lane) {
  reads_.push_back({{cycle, port, false, address, std::vector<uint8_t>(bytes), {}}, signal, lane});
}

}  // namespace systole::report
