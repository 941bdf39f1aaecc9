#include "host/report/tile_audit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "host/command/disassemble.hpp"
#include "host/command/local_accesses.hpp"

namespace systole::report {
namespace {

using golden::Node;

std::string name_of(const SpadPortName& port) {
  return fmt::format("{}, {}", port.name, port.owner);
}

std::string text(Node node) { return fmt::format("({}, {})", node.x, node.y); }

std::string hex(const std::vector<uint8_t>& bytes) {
  std::string result;
  for (const uint8_t byte : bytes)
    result += fmt::format("{}{:02x}", result.empty() ? "" : " ", byte);
  return result;
}

// -------------------------------------------------------------------------------- the scratchpad

/// Goes through the accesses, with what is known of the memory's content: what the waves' writes
/// left, and where none was, what lies there in the end.
class ScratchpadAudit {
 public:
  ScratchpadAudit(Node node, const std::vector<uint8_t>& content, uint64_t until)
      : node_(node), content_(content), until_(until) {}

  std::optional<Finding> run(const ScratchpadPorts& ports) {
    for (const PortAccess& access : ports.accesses()) {
      for (std::size_t i = 0; access.write && i < access.bytes.size(); ++i)
        if (access.enabled[i]) ever_written_.insert(at(access, i));
    }
    // A read of a cycle is told behind it: writes of its cycle come before it, and meet other
    // banks.
    for (const PortAccess& access : ports.accesses()) {
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

  static uint32_t at(const PortAccess& access, std::size_t i) {
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

  std::optional<Finding> look(const PortAccess& read) const {
    std::vector<uint8_t> right = read.bytes;
    for (std::size_t i = 0; i < right.size(); ++i)
      right[i] = held(at(read, i), read.cycle).value_or(right[i]);
    if (right == read.bytes) return std::nullopt;
    return Finding{
        fmt::format("wrong read: tile {} scratchpad, port {}, cycle {}", text(node_),
                    name_of(read.port), read.cycle),
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

// ---------------------------------------------------------------------------------- the addresses

/// Holds what the ports of a unit touched against what its command says that it touches.
class OperandAudit {
 public:
  OperandAudit(const ScratchpadPorts& ports, uint64_t issued, uint64_t until)
      : issued_(issued), before_(issued) {
    for (const PortAccess& access : ports.accesses()) {
      if (access.cycle < issued || access.cycle > until) continue;
      for (unsigned p = 0; p < kSpadPorts; ++p) {
        if (to_string(static_cast<SpadPort>(p)) == std::string_view(access.port.name))
          add(access, touched_[p]);
      }
    }
  }

  std::optional<Finding> run(const UnitId& unit, uint32_t pc, const spec::CommandWords& words) {
    for_each_access(words, [&](const LocalAccess& access) {
      look(access);
      return all_ <= kMost;
    });
    if (!first_ || all_ > kMost) return std::nullopt;
    const std::string where =
        fmt::format("tile {} {} unit", text(unit.node), spec::to_string(unit.unit));
    if (missing_ == all_) {
      return Finding{fmt::format("command not carried out: {}, cycle {}", where, issued_),
                     fmt::format("it was given command {}, and touched none of the {} bytes that "
                                 "it is to read and write",
                                 pc, all_),
                     unit.node, issued_};
    }
    const bool write = writes(first_->port);
    return Finding{
        fmt::format("{}: {}, port {}, behind cycle {}",
                    write ? "result not written" : "operand not read", where,
                    to_string(first_->port), before_),
        fmt::format("command {} is to {} 0x{:05x} ({}, byte {} of {}), and never did: so with {} "
                    "of the {} bytes that it is to read and write",
                    pc, write ? "write" : "read",
                    (first_->address + offset_) % spec::ScratchpadBytes, first_->iteration(),
                    offset_, first_->bytes, missing_, all_),
        unit.node, before_};
  }

 private:
  using Touched = std::unordered_map<uint32_t, uint64_t>;  // byte, first cycle
  static constexpr uint64_t kMost = 2'000'000;             // bytes that a command touches

  static void add(const PortAccess& access, Touched& touched) {
    for (std::size_t i = 0; i < access.bytes.size(); ++i) {
      if (access.write && !access.enabled[i]) continue;
      touched.emplace((access.address + static_cast<uint32_t>(i)) % spec::ScratchpadBytes,
                      access.cycle);
    }
  }

  void look(const LocalAccess& access) {
    const Touched& touched = touched_[static_cast<unsigned>(access.port)];
    for (uint32_t i = 0; i < access.bytes; ++i) {
      const auto found = touched.find((access.address + i) % spec::ScratchpadBytes);
      ++all_;
      missing_ += found == touched.end() ? 1 : 0;
      if (first_) continue;
      if (found == touched.end()) {
        first_ = access;
        offset_ = i;
      } else {
        before_ = found->second;
      }
    }
  }

  uint64_t issued_;
  std::array<Touched, kSpadPorts> touched_;
  uint64_t all_ = 0, missing_ = 0;    // bytes
  std::optional<LocalAccess> first_;  // with a byte that was not touched, and which
  uint32_t offset_ = 0;
  uint64_t before_;  // when the byte before that was
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

std::optional<Finding> audit_scratchpad(const ScratchpadPorts& ports, Node node,
                                        const std::vector<uint8_t>& content, uint64_t until) {
  return ScratchpadAudit(node, content, until).run(ports);
}

std::optional<Issue> last_issue(const Waves& waves, const UnitId& unit, uint32_t pc,
                                uint64_t until) {
  const std::string scope = tile_scope(unit.node) + fmt::format("gen_sequencer[{}].u_sequencer.",
                                                                static_cast<unsigned>(unit.unit));
  std::optional<Issue> last;
  waves.read({scope + "issue", scope + "next_pc_q", scope + "cmd_o"},
             [&](uint64_t cycle, const WaveValues& values) {
               if (cycle > until || number(values[0]) == 0 || number(values[1]) != pc) return;
               last = Issue{cycle, {}};
               for (std::size_t w = 0; w < last->words.size(); ++w) {
                 for (std::size_t b = 4; b-- > 0;)
                   last->words[w] = last->words[w] << 8 | byte_at(values[2], 4 * w + b);
               }
             });
  return last;
}

std::optional<Finding> audit_command(const UnitId& unit, uint32_t pc, const Issue& issue,
                                     const spec::CommandWords& words) {
  if (issue.words == words) return std::nullopt;
  return Finding{
      fmt::format("wrong command: tile {} {} sequencer, cycle {}", text(unit.node),
                  spec::to_string(unit.unit), issue.cycle),
      fmt::format("it gave its unit command {} with {}, and the program and its parameters make {}",
                  pc, fields_beside(issue.words, words), fields_beside(words, issue.words)),
      unit.node, issue.cycle};
}

std::optional<Finding> audit_operands(const ScratchpadPorts& ports, const UnitId& unit, uint32_t pc,
                                      const spec::CommandWords& words, uint64_t issued,
                                      uint64_t until) {
  return OperandAudit(ports, issued, until).run(unit, pc, words);
}

std::optional<uint64_t> last_scratchpad_write(const Waves& waves, Node node, uint32_t offset,
                                              uint64_t from, uint64_t to) {
  const ScratchpadPorts ports(waves, node);
  std::optional<uint64_t> last;
  for (const PortAccess& access : ports.accesses()) {
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
  const ScratchpadPorts ports(waves, node);
  if (!ports.known() || cycle < waves.from() || cycle >= waves.to()) return "";
  std::string others;
  for (const PortAccess& access : ports.accesses()) {
    if (!access.write || access.cycle != cycle) continue;
    const std::string who = fmt::format("the {} ({} bytes from 0x{:05x})",
                                        access.port.name[0] == 'l'   ? "Load unit"
                                        : access.port.name[0] == 'v' ? "Vector unit"
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
