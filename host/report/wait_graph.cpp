#include "host/report/wait_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace systole::report {
namespace {

using golden::Node;
using spec::Unit;

constexpr const char* kFirmware = "firmware";
constexpr uint32_t kFirmwarePanic = 2;

std::string node_text(Node node) { return fmt::format("({}, {})", node.x, node.y); }

std::string unit_text(Node node, Unit unit) {
  return fmt::format("tile {} {}", node_text(node), spec::to_string(unit));
}

const char* opcode_text(const spec::CommandWords& words) {
  const char* name = spec::to_string(static_cast<spec::Opcode>(words[0] & 0xff));
  return name == nullptr ? "none" : name;
}

const char* port_text(LinkCounters::Port port) {
  constexpr const char* kNames[] = {"North", "East", "South", "West", "Local"};
  return kNames[static_cast<std::size_t>(port)];
}

/// Whether a command of `of` posts semaphore `semaphore` of tile `tile`.
bool posts(const spec::CommandWords& words, Node of, Node tile, unsigned semaphore) {
  const auto header = spec::CommandHeader::decode(words);
  if (of == tile && (header.post_mask >> semaphore & 1) != 0) return true;
  return header.remote_en && header.remote_x == tile.x && header.remote_y == tile.y &&
         header.remote_sem == semaphore;
}

bool takes(const spec::CommandWords& words, unsigned semaphore) {
  return (spec::CommandHeader::decode(words).wait_mask >> semaphore & 1) != 0;
}

class Builder {
 public:
  Builder(const compile::CompiledModel& model, const ChipActivity& activity, const CommandLog& log,
          bool completion_arrived)
      : activity_(activity),
        log_(log),
        paged_(model.phases > 1),
        completion_arrived_(completion_arrived) {
    for (const compile::TileProgram& tile : model.tiles) {
      Program program{{tile.x, tile.y}, {}};
      for (unsigned u = 0; u < spec::NumUnits; ++u)
        program.units[u] = compile::commands_of(tile, static_cast<Unit>(u));
      programs_.push_back(std::move(program));
    }
  }

  WaitGraph build() {
    for (const ChipActivity::Tile& tile : activity_.tiles) {
      for (unsigned u = 0; u < spec::NumUnits; ++u) add_unit(tile, u);
      if (!paged_ && !at_rest(tile)) check_semaphores(tile);
    }
    add_host();
    add_network();
    find_cycle();
    return std::move(graph_);
  }

 private:
  struct Program {
    Node node;
    std::array<std::vector<spec::CommandWords>, spec::NumUnits> units;
  };

  const Program* program_of(Node node) const {
    const auto found = std::find_if(programs_.begin(), programs_.end(),
                                    [&](const Program& p) { return p.node == node; });
    return found == programs_.end() ? nullptr : &*found;
  }

  const ChipActivity::Tile& tile_at(Node node) const {
    return *std::find_if(activity_.tiles.begin(), activity_.tiles.end(),
                         [&](const ChipActivity::Tile& t) { return t.node == node; });
  }

  void wait(std::string who, std::string what, std::string owed_by, std::string detail = "") {
    graph_.waits.push_back(
        {std::move(who), std::move(what), std::move(owed_by), std::move(detail)});
  }

  // ------------------------------------------------------------------------------------ units

  void add_unit(const ChipActivity::Tile& tile, unsigned u) {
    const ChipActivity::Unit& unit = tile.units[u];
    if (unit.ended) return;
    const std::string who = unit_text(tile.node, static_cast<Unit>(u));
    if (unit.under_way > 0) add_work(tile, u, who);
    for (const unsigned semaphore : missing_semaphores(tile, u)) {
      const std::string what = fmt::format("semaphore {} for command {} ({})", semaphore,
                                           unit.next_pc, opcode_text(unit.next));
      add_debtors(tile.node, semaphore, who, what);
    }
    if (unit.under_way == 0 && !unit.next_valid)
      wait(who, "its next command to be fetched", "its scratchpad");
  }

  /// A unit that has commands under way waits for what these have asked for.
  void add_work(const ChipActivity::Tile& tile, unsigned u, const std::string& who) {
    const ChipActivity::Unit& unit = tile.units[u];
    const uint32_t first = unit.next_pc >= unit.under_way ? unit.next_pc - unit.under_way : 0;
    if (!unit.reads.empty()) {
      wait(who,
           fmt::format("the data of {} read{}, the first of 0x{:012x}", unit.reads.size(),
                       unit.reads.size() == 1 ? "" : "s", unit.reads.front()),
           memory_of(unit.reads.front()));
      check_memory(tile.node, unit.reads.front(), true);
    } else if (unit.writes > 0) {
      const auto address = store_address(tile.node, first);
      wait(who,
           fmt::format("the acknowledgement of {} write{} of command {}", unit.writes,
                       unit.writes == 1 ? "" : "s", first),
           address ? memory_of(*address) : "the memory written");
      if (address) check_memory(tile.node, *address, false);
    } else if (missing_semaphores(tile, u).empty() || u != static_cast<unsigned>(Unit::Load)) {
      wait(who, fmt::format("command {} to end, which is under way", first), "the unit itself");
    }
  }

  std::optional<Address> store_address(Node node, uint32_t pc) const {
    const Program* program = program_of(node);
    if (program == nullptr || paged_) return std::nullopt;
    const auto& commands = program->units[static_cast<std::size_t>(Unit::Store)];
    if (pc >= commands.size()) return std::nullopt;
    return spec::StoreCommand::decode(commands[pc]).addr;
  }

  static std::string memory_of(Address address) {
    if (address >= spec::DramBase)
      return fmt::format("DRAM {}", (address - spec::DramBase) / spec::DramChannelBytes);
    if (address >= spec::HostMemBase) return "host memory";
    return "tile " + node_text(node_of(address));
  }

  /// The node at which requests for an address arrive.
  static Node node_of(Address address) {
    if (address >= spec::DramBase) {
      const Address channel = (address - spec::DramBase) / spec::DramChannelBytes;
      return {0, static_cast<unsigned>(channel) + 1};
    }
    if (address >= spec::HostMemBase) return {0, 0};
    const Address local = address - spec::TileBase;
    return {static_cast<unsigned>(local >> spec::TileColShift & 0xff),
            static_cast<unsigned>(local >> spec::TileRowShift)};
  }

  /// Is what a unit waits for anywhere? Else it was lost on the way.
  void check_memory(Node node, Address address, bool read) {
    const std::string name = memory_of(address);
    for (const ChipActivity::Memory& memory : activity_.memories) {
      if (memory.name == name && memory.read_beats + memory.writes > 0) {
        note(fmt::format("{} still has {} read beats and {} writes under way", name,
                         memory.read_beats, memory.writes));
        return;
      }
    }
    const Node far = node_of(address);
    const bool held = std::any_of(activity_.held.begin(), activity_.held.end(), [&](const auto& h) {
      return (h.from == node && h.to == far) || (h.from == far && h.to == node);
    });
    if (held) return;
    note(
        fmt::format("{} owes nothing and no router holds a packet between it, at node {}, and tile "
                    "{}: the {} or its reply was lost on the way",
                    name, node_text(far), node_text(node), read ? "read" : "write"));
  }

  // ------------------------------------------------------------------------------- semaphores

  /// The commands that would post the semaphore, the next one of each unit that is still to run.
  void add_debtors(Node tile, unsigned semaphore, const std::string& who, const std::string& what) {
    bool any = false;
    for (const Program& program : programs_) {
      for (unsigned u = 0; u < spec::NumUnits; ++u) {
        const auto pc = next_post(program, u, tile, semaphore);
        if (!pc) continue;
        any = true;
        wait(who, what, unit_text(program.node, static_cast<Unit>(u)),
             fmt::format("command {} ({})", *pc, opcode_text(program.units[u][*pc])));
      }
    }
    if (!any) wait(who, what, "nobody", "no command that is still to run posts it");
  }

  std::optional<uint32_t> next_post(const Program& program, unsigned u, Node tile,
                                    unsigned semaphore) const {
    const ChipActivity::Unit& unit = tile_at(program.node).units[u];
    const auto& commands = program.units[u];
    if (unit.ended || paged_) return std::nullopt;
    const uint32_t begin = unit.next_pc >= unit.under_way ? unit.next_pc - unit.under_way : 0;
    for (uint32_t i = 0; i < commands.size(); ++i) {
      // Around the loop: what lies before `begin` comes again with the next input.
      const auto pc = static_cast<uint32_t>((begin + i) % commands.size());
      if (posts(commands[pc], program.node, tile, semaphore)) return pc;
    }
    return std::nullopt;
  }

  /// What the counter should be by what has retired and begun. A difference is a post that got
  /// lost, or came twice.
  void check_semaphores(const ChipActivity::Tile& tile) {
    for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
      int64_t posted = 0, taken = 0;
      std::string last;
      uint64_t last_cycle = 0;
      for (const Program& program : programs_) {
        for (unsigned u = 0; u < spec::NumUnits; ++u) {
          const auto unit = static_cast<Unit>(u);
          for (uint32_t pc = 0; pc < program.units[u].size(); ++pc) {
            const auto count = log_.count(program.node, unit, pc);
            const spec::CommandWords& words = program.units[u][pc];
            if (program.node == tile.node && takes(words, s))
              taken += static_cast<int64_t>(count.retired);
            if (count.retired == 0 || !posts(words, program.node, tile.node, s)) continue;
            posted += static_cast<int64_t>(count.retired);
            if (count.last < last_cycle) continue;
            last_cycle = count.last;
            last = fmt::format("{} command {} ({}) in cycle {}", unit_text(program.node, unit), pc,
                               opcode_text(words), count.last);
          }
        }
      }
      taken += taken_by_unfinished(tile, s);
      const int64_t expected = posted - taken;
      if (expected == tile.semaphores[s]) continue;
      note(fmt::format(
          "semaphore {} of tile {} was posted {} times and taken {} times, so it should "
          "be {}, but it is {}: a post {}; the last one was of {}",
          s, node_text(tile.node), posted, taken, expected, tile.semaphores[s],
          expected > tile.semaphores[s] ? "was lost" : "came twice", last));
    }
  }

  /// Of commands that have begun, or are about to, and have not retired.
  int64_t taken_by_unfinished(const ChipActivity::Tile& tile, unsigned semaphore) const {
    const Program* program = program_of(tile.node);
    if (program == nullptr) return 0;
    int64_t taken = 0;
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      const ChipActivity::Unit& unit = tile.units[u];
      if (unit.next_valid && unit.taken && takes(unit.next, semaphore)) ++taken;
      uint32_t pc = unit.next_pc;
      for (unsigned i = 0; i < unit.under_way; ++i) {
        pc = before(program->units[u], pc);
        if (pc < program->units[u].size() && takes(program->units[u][pc], semaphore)) ++taken;
      }
    }
    return taken;
  }

  /// The command that ran before `pc`: at the head of the loop, its last one.
  static uint32_t before(const std::vector<spec::CommandWords>& commands, uint32_t pc) {
    for (uint32_t at = pc; at < commands.size(); ++at) {
      const auto header = spec::CommandHeader::decode(commands[at]);
      if (header.opcode == spec::Opcode::Loop &&
          spec::LoopCommand::decode(commands[at]).target == pc)
        return at == 0 ? 0 : at - 1;
    }
    const bool behind_loop =
        pc > 0 && spec::CommandHeader::decode(commands[pc - 1]).opcode == spec::Opcode::Loop;
    return pc == 0 ? 0 : pc - (behind_loop ? 2 : 1);
  }

  // --------------------------------------------------------------------- firmware, host, network

  void add_host() {
    const bool rest = std::all_of(activity_.tiles.begin(), activity_.tiles.end(),
                                  [](const ChipActivity::Tile& tile) { return at_rest(tile); });
    if (!activity_.host_port.empty()) {
      wait("host", fmt::format("the answer to its {}", activity_.host_port), "the chip");
    } else if (completion_arrived_) {
      wait("host", "its interrupt", "io node");
      note(
          "the completion lies in host memory, and the interrupt that announces it has not come: "
          "it "
          "was lost in the io node (HOST_IRQ)");
      return;
    } else {
      wait("host", "a completion", kFirmware);
    }
    const ChipActivity::Core& core = activity_.core;
    if (core.firmware_state == kFirmwarePanic) note("the firmware has met a trap (FW_STATE panic)");
    if (core.join > 0) {
      wait(kFirmware,
           fmt::format("the end of {} tile{} (JOIN)", core.join, core.join == 1 ? "" : "s"),
           rest ? "nobody" : "the tiles that run");
    }
    if (!rest) return;
    if (core.join > 0) {
      note(fmt::format("all tiles have ended, yet JOIN still counts {}: a tile event was lost",
                       core.join));
    } else if (core.pending != 0) {
      note(
          fmt::format("no tile runs, and the firmware has not served its interrupts 0x{:x} "
                      "(CORE_IRQ)",
                      core.pending));
    } else {
      note(
          "no tile runs and the firmware has nothing to serve: it owes the completion, and has "
          "forgotten it");
    }
  }

  void add_network() {
    for (const ChipActivity::Held& held : activity_.held) {
      note(fmt::format(
          "router {} of the {} network holds a packet from {} to {} at its {} input: it "
          "is not taken",
          node_text(held.router),
          held.network == LinkCounters::Network::Request ? "request" : "response",
          node_text(held.from), node_text(held.to), port_text(held.input)));
    }
  }

  void note(std::string text) {
    auto& notes = graph_.evidence;
    if (std::find(notes.begin(), notes.end(), text) == notes.end())
      notes.push_back(std::move(text));
  }

  // ------------------------------------------------------------------------------------ cycle

  void find_cycle() {
    for (const Wait& start : graph_.waits) {
      std::vector<std::string> path;
      if (walk(start.who, path)) return;
    }
  }

  /// Depth first; true when `path` has closed.
  bool walk(const std::string& who, std::vector<std::string>& path) {
    const auto seen = std::find(path.begin(), path.end(), who);
    if (seen != path.end()) {
      graph_.cycle.assign(seen, path.end());
      graph_.cycle.push_back(who);
      return true;
    }
    if (std::find(finished_.begin(), finished_.end(), who) != finished_.end()) return false;
    path.push_back(who);
    for (const Wait& wait : graph_.waits) {
      if (wait.who == who && walk(wait.owed_by, path)) return true;
    }
    path.pop_back();
    finished_.push_back(who);
    return false;
  }

  const ChipActivity& activity_;
  const CommandLog& log_;
  bool paged_;
  bool completion_arrived_;
  std::vector<Program> programs_;
  WaitGraph graph_;
  std::vector<std::string> finished_;  // lead to no cycle
};

}  // namespace

WaitGraph wait_graph(const compile::CompiledModel& model, const ChipActivity& activity,
                     const CommandLog& log, bool completion_arrived) {
  return Builder(model, activity, log, completion_arrived).build();
}

std::string to_string(const WaitGraph& graph) {
  std::string text;
  for (const std::string& line : graph.evidence) text += fmt::format("  evidence   {}\n", line);
  text += "  who waits for whom\n";
  for (const Wait& wait : graph.waits) {
    text += fmt::format("    {:<20} waits for {}, owed by {}{}\n", wait.who, wait.what,
                        wait.owed_by, wait.detail.empty() ? "" : ": " + wait.detail);
  }
  if (graph.cycle.empty()) return text;
  text += "  cycle      ";
  for (std::size_t i = 0; i < graph.cycle.size(); ++i)
    text += (i == 0 ? "" : " -> ") + graph.cycle[i];
  return text + "\n";
}

}  // namespace systole::report
