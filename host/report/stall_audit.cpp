#include "host/report/stall_audit.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::report {
namespace {

using golden::Node;

// A port goes first behind 63 refusals (docs/architecture.md, "Scratchpad"); two may.
constexpr uint64_t kPatience = 128;

std::string scope_of(Node node) {
  return fmt::format("TOP.systole_chip.gen_row[{}].gen_col[{}].gen_tile.u_tile.", node.y, node.x);
}

std::string tile_text(Node node) { return fmt::format("tile ({}, {})", node.x, node.y); }

// ---------------------------------------------------------------------------------- the Load unit

class LoadAudit {
 public:
  explicit LoadAudit(Node node) : node_(node), scope_(scope_of(node) + "u_load.") {}

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const char* name : {"busy_o", "cmd_valid_i", "cmd_ready_o", "cmd_i", "req_valid_o",
                             "req_ready_i", "req_addr_o", "req_len_o", "req_slot_o", "rsp_valid_i",
                             "rsp_ready_o", "rsp_i.tag", "rsp_i.last", "slot_busy_q"})
      names.push_back(scope_ + name);
    return names;
  }

  void see(uint64_t cycle, const WaveValues& values, std::size_t at) {
    const auto value = [&](std::size_t i) { return number(values[at + i]); };
    if (ended_ && (value(13) >> *ended_ & 1) != 0) {
      find(
          cycle, "reply not taken for the end",
          fmt::format("all data of the read in slot {} have come, and the unit goes on waiting for "
                      "them",
                      *ended_));
    }
    ended_.reset();
    if (value(9) != 0 && value(10) != 0 && value(12) != 0)
      ended_ = static_cast<unsigned>(value(11) % kSlots);
    // What it has under way when the waves begin is not known.
    if (value(0) == 0) counts_ = true, named_ = asked_ = 0;
    if (!counts_) return;
    if (value(4) != 0 && value(5) != 0) ask(cycle, value(6), value(7));
    if (value(1) != 0 && value(2) != 0) name(values[at + 3], cycle);
  }

  void finish(uint64_t, std::vector<Finding>& findings) {
    findings.insert(findings.end(), findings_.begin(), findings_.end());
  }

 private:
  static constexpr unsigned kSlots = 16;

  void name(const std::string& bits, uint64_t cycle) {
    const auto word = [&](std::size_t i) {
      const std::size_t end = bits.size() - std::min(bits.size(), 32 * i);
      return number(
          bits.substr(end - std::min<std::size_t>(end, 32), std::min<std::size_t>(end, 32)));
    };
    spec::CommandWords words{};
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = static_cast<uint32_t>(word(i));
    if ((words[0] & 0xff) != static_cast<uint32_t>(spec::Opcode::Load)) return;
    const auto load = spec::LoadCommand::decode(words);
    named_ += uint64_t{load.run} * load.count0 * load.count1;
    taken_in_ = cycle;
  }

  void ask(uint64_t cycle, uint64_t address, uint64_t bytes) {
    asked_ += bytes;
    if (asked_ <= named_) return;
    find(cycle, "read without end",
         fmt::format(
             "its commands since it was idle, the last taken in cycle {}, name {} bytes, and "
             "with the read of 0x{:012x} it has asked for {}",
             taken_in_, named_, address, asked_));
  }

  void find(uint64_t cycle, const char* what, std::string evidence) {
    if (!findings_.empty()) return;
    findings_.push_back({fmt::format("{}: {} Load unit, cycle {}", what, tile_text(node_), cycle),
                         std::move(evidence), node_, cycle});
  }

  Node node_;
  std::string scope_;
  bool counts_ = false;
  uint64_t named_ = 0, asked_ = 0;  // bytes, since the unit was idle
  uint64_t taken_in_ = 0;
  std::optional<unsigned> ended_;  // the slot whose last data came in the cycle before
  std::vector<Finding> findings_;
};

// --------------------------------------------------------------------------------- the scratchpad

class GrantAudit {
 public:
  explicit GrantAudit(Node node) : node_(node) {}

  std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const Port& port : kPorts) {
      for (const char* part : {"_req_i", "_gnt_o"})
        names.push_back(scope_of(node_) + "u_scratchpad." + port.name + part);
    }
    return names;
  }

  /// Ports of several windows ask with a bit for each.
  void see(uint64_t cycle, const WaveValues& values, std::size_t at) {
    for (std::size_t p = 0; p < kPorts.size(); ++p) {
      const uint64_t refused = number(values[at + 2 * p]) & ~number(values[at + 2 * p + 1]);
      if (refused == 0) {
        since_[p].reset();
      } else if (!since_[p]) {
        since_[p] = cycle;
      }
    }
  }

  void finish(uint64_t last, std::vector<Finding>& findings) {
    for (std::size_t p = 0; p < kPorts.size(); ++p) {
      if (!since_[p] || *since_[p] + kPatience > last) continue;
      findings.push_back(
          {fmt::format("port not granted: {} scratchpad, port {}, {}, cycle {}", tile_text(node_),
                       kPorts[p].name, kPorts[p].whose, *since_[p]),
           fmt::format(
               "it has asked since then, and for {} cycles the scratchpad has not granted it",
               last - *since_[p]),
           node_, *since_[p]});
    }
  }

 private:
  struct Port {
    const char* name;
    const char* whose;
  };
  static constexpr std::array<Port, 9> kPorts = {{{"act", "the Matrix unit's"},
                                                  {"wgt", "the Matrix unit's"},
                                                  {"va", "the Vector unit's"},
                                                  {"vb", "the Vector unit's"},
                                                  {"vd", "the Vector unit's"},
                                                  {"ni", "the network interface's"},
                                                  {"ld", "the Load unit's"},
                                                  {"st", "the Store unit's"},
                                                  {"seq", "the sequencers'"}}};

  Node node_;
  std::array<std::optional<uint64_t>, kPorts.size()> since_;
};

template <class Audit>
void run(const ChipConfig& config, const Waves& waves, std::vector<Finding>& findings) {
  std::vector<Audit> audits;
  std::vector<std::string> names;
  std::vector<std::size_t> at;
  for (unsigned y = 0; y < config.num_rows; ++y) {
    for (unsigned x = 1; x < config.num_cols; ++x) {
      Audit audit(Node{x, y});
      const auto own = audit.names();
      // What the waves do not hold reads as 0.
      if (!std::all_of(own.begin(), own.end(), [&](const auto& name) { return waves.has(name); }))
        continue;
      at.push_back(names.size());
      names.insert(names.end(), own.begin(), own.end());
      audits.push_back(std::move(audit));
    }
  }
  uint64_t last = 0;
  waves.read(names, [&](uint64_t cycle, const WaveValues& values) {
    last = cycle;
    for (std::size_t i = 0; i < audits.size(); ++i) audits[i].see(cycle, values, at[i]);
  });
  for (Audit& audit : audits) audit.finish(last, findings);
}

}  // namespace

std::vector<Finding> audit_stall(const ChipConfig& config, const Waves& waves) {
  std::vector<Finding> findings;
  run<LoadAudit>(config, waves, findings);
  run<GrantAudit>(config, waves, findings);
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return a.cycle < b.cycle; });
  return findings;
}

}  // namespace systole::report
