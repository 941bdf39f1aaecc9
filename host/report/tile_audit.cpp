#include "host/report/tile_audit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "host/command/disassemble.hpp"

namespace systole::report {
namespace {

using golden::Node;

std::string tile_scope(Node node) {
  return fmt::format("TOP.systole_chip.gen_row[{}].gen_col[{}].gen_tile.u_tile.", node.y, node.x);
}

std::string text(Node node) { return fmt::format("({}, {})", node.x, node.y); }

/// Byte `i` of a value, whose highest bit comes first.
uint8_t byte_at(const std::string& bits, std::size_t i) {
  uint8_t byte = 0;
  for (std::size_t b = 8; b-- > 0;) {
    const std::size_t bit = 8 * i + b;
    byte =
        static_cast<uint8_t>(byte << 1 | (bit < bits.size() && bits[bits.size() - 1 - bit] == '1'));
  }
  return byte;
}

std::string hex(const std::vector<uint8_t>& bytes) {
  std::string result;
  for (const uint8_t byte : bytes)
    result += fmt::format("{}{:02x}", result.empty() ? "" : " ", byte);
  return result;
}

// -------------------------------------------------------------------------------- the scratchpad

/// Bytes that a port of the scratchpad wrote, or was given.
struct Access {
  uint64_t cycle = 0;  // of the grant
  const char* port = "";
  bool write = false;
  uint32_t address = 0;
  std::vector<uint8_t> bytes;
  std::vector<bool> enabled;  // of a write
};

/// What goes over the ports of one scratchpad. Data of a read come in the cycle after its grant.
class Ports {
 public:
  Ports(const Waves& waves, Node node) {
    const std::string scope = tile_scope(node) + "u_scratchpad.";
    std::vector<std::string> names;
    for (const std::string& name : signals()) names.push_back(scope + name);
    known_ = std::all_of(names.begin(), names.end(),
                         [&](const std::string& name) { return waves.has(name); });
    if (!known_) return;
    waves.read(names, [&](uint64_t cycle, const WaveValues& values) { see(cycle, values); });
  }

  bool known() const { return known_; }
  /// In the order of their cycles.
  const std::vector<Access>& accesses() const { return accesses_; }

 private:
  static constexpr std::size_t kWindows = 4, kChunks = 8;
  static constexpr std::size_t kActMode = 14, kAct = 15, kWgt = kAct + kWindows;
  static constexpr std::size_t kActData = kWgt + kChunks, kWgtData = kActData + 1;
  static constexpr std::size_t kRead =
      kWgtData + kChunks;  // va, vb, st, seq: grant, addr, len, data
  static constexpr std::array<const char*, 4> kReaders = {"va", "vb", "st", "seq"};
  static constexpr std::array<const char*, 4> kReaderNames = {
      "va, the Vector unit's", "vb, the Vector unit's", "st, the Store unit's",
      "seq, the sequencers'"};

  static std::vector<std::string> signals() {
    std::vector<std::string> names = {
        "ld_gnt_o",  "ld_i.addr", "ld_i.len", "ld_i.data", "vd_gnt_o", "vd_i.addr",  "vd_i.len",
        "vd_i.data", "ni_gnt_o",  "ni_we_i",  "ni_addr_i", "ni_be_i",  "ni_wdata_i", "ni_rdata_o"};
    names.push_back("act_mode_i");
    for (std::size_t i = 0; i < kWindows; ++i) names.push_back(fmt::format("act_addr_i[{}]", i));
    for (std::size_t i = 0; i < kChunks; ++i) names.push_back(fmt::format("wgt_addr_i[{}]", i));
    names.push_back("act_rdata_o");
    for (std::size_t i = 0; i < kChunks; ++i) names.push_back(fmt::format("wgt_rdata_o[{}]", i));
    for (const char* reader : kReaders) {
      for (const char* part : {"_gnt_o", "_i.addr", "_i.len", "_rdata_o"})
        names.push_back(std::string(reader) + part);
    }
    names.push_back("act_gnt_o");
    names.push_back("wgt_gnt_o");
    return names;
  }

  void see(uint64_t cycle, const WaveValues& values) {
    const auto value = [&](std::size_t i) { return number(values[i]); };
    for (auto& [access, signal, lane] : reads_) {
      for (std::size_t i = 0; i < access.bytes.size(); ++i)
        access.bytes[i] = byte_at(values[signal], lane + i);
      accesses_.push_back(std::move(access));
    }
    reads_.clear();
    if (value(0) != 0) window_write(cycle, "ld, the Load unit's", values, 1);
    if (value(4) != 0) window_write(cycle, "vd, the Vector unit's", values, 5);
    const auto beat = static_cast<uint32_t>(value(10) / spec::FlitBytes * spec::FlitBytes);
    if (value(8) != 0 && value(9) != 0) beat_write(cycle, values, beat);
    if (value(8) != 0 && value(9) == 0)
      expect(cycle, "ni, the network interface's", beat, spec::FlitBytes, 13, 0);
    for (std::size_t r = 0; r < kReaders.size(); ++r) {
      const std::size_t at = kRead + 4 * r;
      if (value(at) != 0)
        expect(cycle, kReaderNames[r], static_cast<uint32_t>(value(at + 1)), value(at + 2), at + 3,
               0);
    }
    const std::size_t grants = kRead + 4 * kReaders.size();
    const uint64_t mode = value(kActMode);
    const auto act = static_cast<spec::RowMode>(mode);
    const std::size_t length = act == spec::RowMode::Run16x2  ? 16
                               : act == spec::RowMode::Run8x4 ? 8
                                                              : 32;
    for (std::size_t i = 0; i < kWindows; ++i) {
      if (value(grants) >> i & 1)
        expect(cycle, "act, the Matrix unit's", static_cast<uint32_t>(value(kAct + i)), length,
               kActData, length * i);
    }
    for (std::size_t i = 0; i < kChunks; ++i) {
      if (value(grants + 1) >> i & 1)
        expect(cycle, "wgt, the Matrix unit's", static_cast<uint32_t>(value(kWgt + i)) & ~15u, 16,
               kWgtData + i, 0);
    }
  }

  void window_write(uint64_t cycle, const char* port, const WaveValues& values, std::size_t at) {
    Access access{cycle, port, true, static_cast<uint32_t>(number(values[at])), {}, {}};
    for (std::size_t i = 0; i < number(values[at + 1]); ++i)
      access.bytes.push_back(byte_at(values[at + 2], i));
    access.enabled.assign(access.bytes.size(), true);
    accesses_.push_back(std::move(access));
  }

  void beat_write(uint64_t cycle, const WaveValues& values, uint32_t beat) {
    Access access{cycle, "ni, the network interface's", true, beat, {}, {}};
    for (std::size_t i = 0; i < spec::FlitBytes; ++i) {
      access.bytes.push_back(byte_at(values[12], i));
      access.enabled.push_back((number(values[11]) >> i & 1) != 0);
    }
    accesses_.push_back(std::move(access));
  }

  void expect(uint64_t cycle, const char* port, uint32_t address, std::size_t bytes,
              std::size_t signal, std::size_t lane) {
    reads_.push_back(
        {{cycle, port, false, address, std::vector<uint8_t>(bytes), {}}, signal, lane});
  }

  struct Read {
    Access access;
    std::size_t signal, lane;
  };
  bool known_ = false;
  std::vector<Read> reads_;  // granted in the cycle before
  std::vector<Access> accesses_;
};

/// Goes through the accesses, with what is known of the memory's content: what the waves' writes
/// left, and where none was, what lies there in the end.
class ScratchpadAudit {
 public:
  ScratchpadAudit(Node node, const std::vector<uint8_t>& content, uint64_t until)
      : node_(node), content_(content), until_(until) {}

  std::optional<Finding> run(const Ports& ports) {
    for (const Access& access : ports.accesses()) {
      for (std::size_t i = 0; access.write && i < access.bytes.size(); ++i)
        if (access.enabled[i]) ever_written_.insert(at(access, i));
    }
    // A read of a cycle is told behind it: writes of its cycle come before it, and meet other
    // banks.
    for (const Access& access : ports.accesses()) {
      if (access.cycle > until_) break;
      if (access.write) {
        for (std::size_t i = 0; i < access.bytes.size(); ++i)
          if (access.enabled[i]) written_[at(access, i)] = {access.bytes[i], access.cycle};
      } else if (auto finding = look(access)) {
        return finding;
      }
    }
    return std::nullopt;
  }

 private:
  struct Written {
    uint8_t value;
    uint64_t cycle;
  };

  static uint32_t at(const Access& access, std::size_t i) {
    return (access.address + static_cast<uint32_t>(i)) % spec::ScratchpadBytes;
  }

  /// What a byte holds, if that is known.
  std::optional<uint8_t> held(uint32_t byte, uint64_t cycle) const {
    const auto found = written_.find(byte);
    if (found == written_.end())
      return ever_written_.count(byte) != 0 ? std::nullopt : std::optional(content_[byte]);
    if (found->second.cycle == cycle) return std::nullopt;
    return found->second.value;
  }

  std::optional<Finding> look(const Access& read) const {
    std::vector<uint8_t> right = read.bytes;
    for (std::size_t i = 0; i < right.size(); ++i)
      right[i] = held(at(read, i), read.cycle).value_or(right[i]);
    if (right == read.bytes) return std::nullopt;
    return Finding{
        fmt::format("wrong read: tile {} scratchpad, port {}, cycle {}", text(node_), read.port,
                    read.cycle),
        fmt::format(
            "of the {} bytes from 0x{:05x} it gave {}, and should {}, by what was written there",
            right.size(), read.address, hex(read.bytes), hex(right)),
        node_, read.cycle};
  }

  Node node_;
  const std::vector<uint8_t>& content_;
  uint64_t until_;
  std::unordered_set<uint32_t> ever_written_;
  std::unordered_map<uint32_t, Written> written_;
};

// ----------------------------------------------------------------------------------- the command

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// The fields of `a` that `b` has otherwise.
std::string fields_beside(const spec::CommandWords& a, const spec::CommandWords& b) {
  const std::vector<std::string> others = words_of(disassemble(b));
  std::string result;
  for (const std::string& word : words_of(disassemble(a))) {
    if (std::find(others.begin(), others.end(), word) == others.end())
      result += (result.empty() ? "" : " ") + word;
  }
  return result.empty() ? "these 0" : result;
}

}  // namespace

std::optional<Finding> audit_scratchpad(const Waves& waves, Node node,
                                        const std::vector<uint8_t>& content, uint64_t until) {
  const Ports ports(waves, node);
  if (!ports.known()) return std::nullopt;
  return ScratchpadAudit(node, content, until).run(ports);
}

std::optional<Finding> audit_command(const Waves& waves, const UnitId& unit, uint32_t pc,
                                     const spec::CommandWords& words, uint64_t until) {
  const std::string scope = tile_scope(unit.node) + fmt::format("gen_sequencer[{}].u_sequencer.",
                                                                static_cast<unsigned>(unit.unit));
  spec::CommandWords given{};
  std::optional<uint64_t> issued;
  waves.read({scope + "issue", scope + "next_pc_q", scope + "cmd_o"},
             [&](uint64_t cycle, const WaveValues& values) {
               if (cycle > until || number(values[0]) == 0 || number(values[1]) != pc) return;
               issued = cycle;
               for (std::size_t w = 0; w < given.size(); ++w) {
                 given[w] = 0;
                 for (std::size_t b = 4; b-- > 0;)
                   given[w] = given[w] << 8 | byte_at(values[2], 4 * w + b);
               }
             });
  if (!issued || given == words) return std::nullopt;
  return Finding{
      fmt::format("wrong command: tile {} {} sequencer, cycle {}", text(unit.node),
                  spec::to_string(unit.unit), *issued),
      fmt::format("it gave its unit command {} with {}, and the program and its parameters make {}",
                  pc, fields_beside(given, words), fields_beside(words, given)),
      unit.node, *issued};
}

std::optional<uint64_t> last_scratchpad_write(const Waves& waves, Node node, uint32_t offset,
                                              uint64_t from, uint64_t to) {
  const Ports ports(waves, node);
  std::optional<uint64_t> last;
  for (const Access& access : ports.accesses()) {
    const uint32_t i = (offset - access.address) % spec::ScratchpadBytes;
    if (!access.write || access.cycle < from || access.cycle > to) continue;
    if (i < access.bytes.size() && access.enabled[i]) last = access.cycle;
  }
  return last;
}

std::optional<uint64_t> last_accumulator_write(const Waves& waves, Node node, unsigned row,
                                               uint64_t from, uint64_t to) {
  const std::string scope = tile_scope(node) + "u_matrix.u_accumulators.";
  std::optional<uint64_t> last;
  waves.read({scope + "valid_q", scope + "row_q"}, [&](uint64_t cycle, const WaveValues& values) {
    if (cycle < from || cycle > to || number(values[0]) == 0) return;
    if (number(values[1]) == row) last = cycle;
  });
  return last;
}

std::string scratchpad_writer(const Waves& waves, Node node, uint32_t offset, uint64_t cycle) {
  const Ports ports(waves, node);
  if (!ports.known() || cycle < waves.from() || cycle >= waves.to()) return "";
  std::string others;
  for (const Access& access : ports.accesses()) {
    if (!access.write || access.cycle != cycle) continue;
    const std::string who = fmt::format("the {} ({} bytes from 0x{:05x})",
                                        access.port[0] == 'l'   ? "Load unit"
                                        : access.port[0] == 'v' ? "Vector unit"
                                                                : "network interface",
                                        access.bytes.size(), access.address);
    const uint32_t i = (offset - access.address) % spec::ScratchpadBytes;
    if (i < access.bytes.size() && access.enabled[i]) return who;
    others += (others.empty() ? "" : " and ") + who;
  }
  return "none of its ports: the scratchpad changed it itself, when " +
         (others.empty() ? "nobody" : others) + " wrote";
}

}  // namespace systole::report
