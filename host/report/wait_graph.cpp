#include "host/report/wait_graph.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "host/report/chip_address.hpp"
#include "rtl/spec/gen/systole_spec.h"

namespace systole::report {
namespace {

using golden::Node;
using spec::Unit;

constexpr const char* kFirmware = "firmware";
constexpr uint32_t kFirmwarePanic = 2;
constexpr unsigned kUnlogged = 3;  // commands of a unit that retire in a cycle or two, at most

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
  Builder(const ProgramMap& map, const ChipActivity& activity, const CommandLog& log,
          const WaitFacts& facts)
      : map_(map), activity_(activity), log_(log), facts_(facts) {}

  /// Semaphores that are higher than they should be, of a chip that still runs: posts from
  /// elsewhere may be under way, or here before their command has retired.
  std::vector<std::string> surplus() const {
    std::vector<std::string> texts;
    for (const ChipActivity::Tile& tile : activity_.tiles) {
      for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
        const Account account = account_of(tile, s);
        const int64_t expected = account.posted - account.taken;
        if (expected + just_posted(tile.node, s) >= tile.semaphores[s] || !account.poster ||
            posted_from_elsewhere(tile.node, s))
          continue;
        texts.push_back(fmt::format(
            "semaphore {} of tile {} was posted {} times and taken {} times, so it should be {}, "
            "but it is {}: a post came twice, or what was taken stayed; the last post was of {}",
            s, node_text(tile.node), account.posted, account.taken, expected, tile.semaphores[s],
            account.last));
      }
    }
    return texts;
  }

  WaitGraph build() {
    for (const ChipActivity::Tile& tile : activity_.tiles) {
      for (unsigned u = 0; u < spec::NumUnits; ++u) add_unit(tile, u);
      if (facts_.stands && !at_rest(tile)) check_semaphores(tile);
    }
    add_host();
    add_network();
    if (facts_.stands) find_cycle();
    find_since();
    return std::move(graph_);
  }

 private:
  /// A command of a page.
  struct Position {
    std::size_t phase = 0;
    uint32_t pc = 0;
  };

  const ProgramMap::Program* program_of(Node node, unsigned u) const {
    return map_.find({node, static_cast<Unit>(u)});
  }

  const ChipActivity::Tile& tile_at(Node node) const {
    return *std::find_if(activity_.tiles.begin(), activity_.tiles.end(),
                         [&](const ChipActivity::Tile& t) { return t.node == node; });
  }

  void wait(std::string who, std::string what, std::string owed_by, std::string detail = "") {
    graph_.waits.push_back(
        {unit_, std::move(who), std::move(what), std::move(owed_by), std::move(detail)});
  }

  // ------------------------------------------------------------------------------------ units

  void add_unit(const ChipActivity::Tile& tile, unsigned u) {
    const ChipActivity::Unit& unit = tile.units[u];
    const std::string who = unit_text(tile.node, static_cast<Unit>(u));
    unit_ = UnitId{tile.node, static_cast<Unit>(u)};
    if (unit.ended) return add_rest(unit, who);
    if (unit.under_way > 0) add_work(tile, u, who);
    for (const unsigned semaphore : missing_semaphores(tile, u)) {
      const std::string what = fmt::format("semaphore {} for command {} ({})", semaphore,
                                           unit.next_pc, opcode_text(unit.next));
      add_debtors(tile.node, semaphore, who, what);
    }
    if (unit.under_way == 0 && !unit.next_valid) {
      wait(who, "its next command to be fetched", "its sequencer, or the scratchpad that it asks");
    } else if (unit.under_way == 0 && missing_semaphores(tile, u).empty()) {
      add_untaken(tile, u, who);
    }
    unit_.reset();
  }

  /// The next command could go, and does not.
  void add_untaken(const ChipActivity::Tile& tile, unsigned u, const std::string& who) {
    const ChipActivity::Unit& unit = tile.units[u];
    const std::string command =
        fmt::format("command {} ({})", unit.next_pc, opcode_text(unit.next));
    std::string counts;
    for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
      if (!takes(unit.next, s)) continue;
      counts +=
          fmt::format("{}semaphore {} is {}", counts.empty() ? "" : ", ", s, tile.semaphores[s]);
      note_last_post(tile, s);
    }
    if (unit.taken || counts.empty()) return wait(who, command + " to be taken", "the unit itself");
    wait(who, fmt::format("{} to take its semaphores", command),
         "the semaphores of tile " + node_text(tile.node));
    if (!facts_.stands) return;
    note(
        fmt::format("{} does not take what {} waits for, though {}: the semaphores of the tile are "
                    "at fault, or the sequencer that asks for them",
                    who, command, counts));
    if (!graph_.suspect) graph_.suspect = unit_;
  }

  /// From the last post on, the unit could have gone on.
  void note_last_post(const ChipActivity::Tile& tile, unsigned semaphore) {
    const uint64_t cycle = account_of(tile, semaphore).last_cycle;
    if (cycle > 0 && (!graph_.since || cycle < *graph_.since)) graph_.since = cycle;
  }

  /// A program that has ended, and a unit that still waits for what it has asked for.
  void add_rest(const ChipActivity::Unit& unit, const std::string& who) {
    if (!unit.reads.empty()) {
      wait(who,
           fmt::format("the data of {} reads, though all its commands have retired, the first of "
                       "0x{:012x}",
                       unit.reads.size(), unit.reads.front()),
           memory_name(unit.reads.front()));
    } else if (unit.writes > 0) {
      wait(who,
           fmt::format("the acknowledgement of {} write{}, though all its commands have retired",
                       unit.writes, unit.writes == 1 ? "" : "s"),
           "the unit itself");
    } else {
      return unit_.reset();
    }
    note(fmt::format("{} is busy behind the end of its program, so that its tile does not end",
                     who));
    if (!graph_.suspect) graph_.suspect = unit_;
    unit_.reset();
  }

  /// All programs have ended, and nothing is under way behind them.
  static bool is_quiet(const ChipActivity::Tile& tile) {
    return at_rest(tile) &&
           std::all_of(tile.units.begin(), tile.units.end(), [](const ChipActivity::Unit& unit) {
             return unit.reads.empty() && unit.writes == 0;
           });
  }

  /// The page of the command that a unit issues next: loops that are under way count.
  std::size_t phase_of(const ProgramMap::Program& program, Node node, unsigned u) const {
    const auto unit = static_cast<Unit>(u);
    uint64_t loops = log_.count(node, unit, program.loop).retired;
    const ChipActivity::Unit& activity = tile_at(node).units[u];
    uint32_t pc = activity.next_pc;
    for (unsigned i = 0; i < activity.under_way; ++i) {
      pc = issued_before(program, activity, pc, i);
      if (pc == program.loop) ++loops;
    }
    return program.phase_after(loops);
  }

  /// A unit that has commands under way waits for what these have asked for.
  void add_work(const ChipActivity::Tile& tile, unsigned u, const std::string& who) {
    const ChipActivity::Unit& unit = tile.units[u];
    const auto [first, text] = first_under_way(tile.node, u);
    if (!unit.reads.empty()) {
      wait(who,
           fmt::format("the data of {} read{} of {}, the first of 0x{:012x}", unit.reads.size(),
                       unit.reads.size() == 1 ? "" : "s", text, unit.reads.front()),
           memory_name(unit.reads.front()));
      check_memory(tile.node, unit.reads.front(), true);
    } else if (unit.writes > 0) {
      const auto address = store_address(tile.node, first);
      wait(who,
           fmt::format("the acknowledgement of {} write{} of {}", unit.writes,
                       unit.writes == 1 ? "" : "s", text),
           address ? memory_name(*address) : "the memory written");
      if (address) check_memory(tile.node, *address, false);
    } else if (missing_semaphores(tile, u).empty() || u != static_cast<unsigned>(Unit::Load)) {
      wait(who, text + " to end, which is under way", "the unit itself");
    }
  }

  /// The oldest command that the unit has under way, and its name: "command 7 (Load) of layer 'x'".
  std::pair<uint32_t, std::string> first_under_way(Node node, unsigned u) const {
    const ChipActivity::Unit& unit = tile_at(node).units[u];
    const ProgramMap::Program* program = program_of(node, u);
    if (program == nullptr) {
      const uint32_t pc = unit.next_pc >= unit.under_way ? unit.next_pc - unit.under_way : 0;
      return {pc, fmt::format("command {}", pc)};
    }
    const uint64_t loops = log_.count(node, static_cast<Unit>(u), program->loop).retired;
    Position at{program->phase_after(loops), unit.next_pc};
    for (unsigned i = 0; i < unit.under_way; ++i) at.pc = issued_before(*program, unit, at.pc, i);
    if (at.pc >= program->length) return {at.pc, fmt::format("command {}", at.pc)};
    return {at.pc,
            fmt::format("command {} ({}){}", at.pc, opcode_text(program->words(at.phase, at.pc)),
                        layer_text(*program, at))};
  }

  std::optional<Address> store_address(Node node, uint32_t pc) const {
    const unsigned u = static_cast<unsigned>(Unit::Store);
    const ProgramMap::Program* program = program_of(node, u);
    if (program == nullptr || pc >= program->length) return std::nullopt;
    const spec::CommandWords& words = program->words(phase_of(*program, node, u), pc);
    if (spec::CommandHeader::decode(words).opcode != spec::Opcode::Store) return std::nullopt;
    return spec::StoreCommand::decode(words).addr;
  }

  /// Is what a unit waits for anywhere? Else it was lost on the way.
  void check_memory(Node node, Address address, bool read) {
    if (!facts_.stands) return;
    const std::string name = memory_name(address);
    for (const ChipActivity::Memory& memory : activity_.memories) {
      if (memory.name == name && memory.read_beats + memory.writes > 0) {
        note(fmt::format("{} still has {} read beats and {} writes under way", name,
                         memory.read_beats, memory.writes));
        return;
      }
    }
    const Node far = home_of(address);
    const bool held = std::any_of(activity_.held.begin(), activity_.held.end(), [&](const auto& h) {
      return (h.from == node && h.to == far) || (h.from == far && h.to == node);
    });
    if (held) return;
    note(
        fmt::format("{} owes nothing and no router holds a packet between it, at node {}, and tile "
                    "{}: the {} or its reply was lost on the way, or the unit has not seen its end",
                    name, node_text(far), node_text(node), read ? "read" : "write"));
  }

  // ------------------------------------------------------------------------------- semaphores

  /// The commands that would post the semaphore, the next one of each unit that is still to run.
  void add_debtors(Node tile, unsigned semaphore, const std::string& who, const std::string& what) {
    bool any = false;
    for (const auto& [id, program] : map_.programs()) {
      const auto next = next_post(id, program, tile, semaphore);
      if (!next) continue;
      any = true;
      wait(who, what, unit_text(id.node, id.unit),
           fmt::format("command {} ({}){}", next->pc,
                       opcode_text(program.words(next->phase, next->pc)),
                       layer_text(program, *next)));
      graph_.waits.back().of_next = true;
      graph_.waits.back().owed_by_running = is_under_way(id, program, *next);
    }
    if (!any) wait(who, what, "nobody", "no command that is still to run posts it");
  }

  bool is_under_way(const UnitId& id, const ProgramMap::Program& program, Position at) const {
    const ChipActivity::Unit& unit = tile_at(id.node).units[static_cast<unsigned>(id.unit)];
    uint32_t pc = unit.next_pc;
    for (unsigned i = 0; i < unit.under_way; ++i) {
      pc = issued_before(program, unit, pc, i);
      if (pc == at.pc) return true;
    }
    return false;
  }

  std::string layer_text(const ProgramMap::Program& program, const Position& at) const {
    const int layer = program.layers[at.phase * program.length + at.pc];
    return layer < 0 ? "" : fmt::format(" of layer '{}'", map_.layer_name(layer));
  }

  std::optional<Position> next_post(const UnitId& id, const ProgramMap::Program& program, Node tile,
                                    unsigned semaphore) const {
    const unsigned u = static_cast<unsigned>(id.unit);
    const ChipActivity::Unit& unit = tile_at(id.node).units[u];
    if (unit.ended) return std::nullopt;
    const uint64_t retired = log_.count(id.node, id.unit, program.loop).retired;
    Position at{program.phase_after(retired), unit.next_pc};
    for (unsigned i = 0; i < unit.under_way; ++i) at.pc = issued_before(program, unit, at.pc, i);
    // Around the loop: what lies before comes again with the next input.
    for (std::size_t i = 0; i < program.commands.size(); ++i) {
      if (at.pc >= program.length) {
        at.pc = program.loop < program.length ? program.body : 0;
      } else if (posts(program.words(at.phase, at.pc), id.node, tile, semaphore)) {
        return at;
      }
      if (at.pc == program.loop) {
        at = {(at.phase + 1) % program.phases(), program.body};
      } else {
        ++at.pc;
      }
    }
    // Behind the loop: once.
    for (at.pc = program.loop + 1; at.pc < program.length; ++at.pc) {
      if (posts(program.words(at.phase, at.pc), id.node, tile, semaphore)) return at;
    }
    return std::nullopt;
  }

  /// What is known of a semaphore by the commands that have retired.
  struct Account {
    int64_t posted = 0;
    int64_t taken = 0;
    std::optional<UnitId> poster;  // the last one
    std::string last;              // the same in words
    uint64_t last_cycle = 0;
  };

  void add_to(Account& account, const UnitId& id, const ProgramMap::Program& program,
              const Position& at, const ChipActivity::Tile& tile, unsigned semaphore) const {
    const auto count = log_.count(id.node, id.unit, at.pc);
    const auto runs = static_cast<int64_t>(program.runs(at.phase, at.pc, count.retired));
    const spec::CommandWords& words = program.words(at.phase, at.pc);
    if (id.node == tile.node && takes(words, semaphore)) account.taken += runs;
    if (runs == 0 || !posts(words, id.node, tile.node, semaphore)) return;
    account.posted += runs;
    const bool latest = program.phase_after(count.retired - 1) == at.phase ||
                        at.pc < program.body || at.pc > program.loop;
    if (!latest || count.last < account.last_cycle) return;
    account.last_cycle = count.last;
    account.poster = id;
    account.last = fmt::format("{} command {} ({}){} in cycle {}", unit_text(id.node, id.unit),
                               at.pc, opcode_text(words), layer_text(program, at), count.last);
  }

  Account account_of(const ChipActivity::Tile& tile, unsigned semaphore) const {
    Account account;
    for (const auto& [id, program] : map_.programs()) {
      for (std::size_t i = 0; i < program.commands.size(); ++i) {
        add_to(account, id, program,
               {i / program.length, static_cast<uint32_t>(i % program.length)}, tile, semaphore);
      }
    }
    account.taken += taken_by_unfinished(tile, semaphore);
    return account;
  }

  /// What the counter should be by what has retired and begun. A difference is a post that got
  /// lost, or came twice.
  void check_semaphores(const ChipActivity::Tile& tile) {
    std::vector<unsigned> lacking, surplus;
    for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
      const Account account = account_of(tile, s);
      const int64_t expected = account.posted - account.taken;
      if (expected == tile.semaphores[s]) continue;
      (expected > tile.semaphores[s] ? lacking : surplus).push_back(s);
      note(fmt::format(
          "semaphore {} of tile {} was posted {} times and taken {} times, so it should "
          "be {}, but it is {}: a post {}; the last one was of {}",
          s, node_text(tile.node), account.posted, account.taken, expected, tile.semaphores[s],
          expected > tile.semaphores[s] ? "was lost" : "came twice, or what was taken stayed",
          account.last.empty() ? "nobody" : account.last));
      if (graph_.suspect || !account.poster) continue;
      graph_.suspect = account.poster;
      graph_.since = account.last_cycle;
    }
    if (lacking.empty() || lacking.size() != surplus.size()) return;
    note(fmt::format(
        "in tile {}, what is missing in some semaphores is too much in others: posts reach "
        "another semaphore than the commands name",
        node_text(tile.node)));
  }

  /// Posts of commands that have retired in the cycle that the log does not hold yet: those between
  /// the last one in it and the oldest that the unit has not done.
  int64_t just_posted(Node tile, unsigned semaphore) const {
    int64_t posted = 0;
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      const ProgramMap::Program* program = program_of(tile, u);
      const auto last = log_.last_retired(tile, static_cast<Unit>(u));
      if (program == nullptr || program->length == 0 || !last) continue;
      const uint32_t oldest = oldest_of(*program, tile_at(tile).units[u]);
      uint32_t pc = after(*program, *last, oldest);
      for (unsigned i = 0; i < kUnlogged && pc != oldest && pc < program->length; ++i) {
        for (std::size_t phase = 0; phase < program->phases(); ++phase)
          posted += posts(program->words(phase, pc), tile, tile, semaphore) ? 1 : 0;
        pc = after(*program, pc, oldest);
      }
    }
    return posted;
  }

  static uint32_t oldest_of(const ProgramMap::Program& program, const ChipActivity::Unit& unit) {
    if (unit.ended) return static_cast<uint32_t>(program.length);
    uint32_t pc = unit.next_pc;
    if (unit.under_way == 0 && !unit.next_valid) return after(program, pc, pc + 1);
    for (unsigned i = 0; i < unit.under_way; ++i) pc = issued_before(program, unit, pc, i);
    return pc;
  }

  /// The command behind `pc`, on the way to another.
  static uint32_t after(const ProgramMap::Program& program, uint32_t pc, uint32_t on_the_way_to) {
    const bool again = pc == program.loop && on_the_way_to <= program.loop;
    return again ? program.body : pc + 1;
  }

  bool posted_from_elsewhere(Node tile, unsigned semaphore) const {
    return std::any_of(map_.programs().begin(), map_.programs().end(), [&](const auto& entry) {
      const auto& commands = entry.second.commands;
      return std::any_of(commands.begin(), commands.end(), [&](const spec::CommandWords& words) {
        const auto header = spec::CommandHeader::decode(words);
        return header.remote_en && header.remote_x == tile.x && header.remote_y == tile.y &&
               header.remote_sem == semaphore;
      });
    });
  }

  /// Of commands that have begun, or are about to, and have not retired.
  int64_t taken_by_unfinished(const ChipActivity::Tile& tile, unsigned semaphore) const {
    int64_t taken = 0;
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      const ProgramMap::Program* program = program_of(tile.node, u);
      const ChipActivity::Unit& unit = tile.units[u];
      if (unit.next_valid && unit.taken && takes(unit.next, semaphore)) ++taken;
      if (program == nullptr) continue;
      Position at{phase_of(*program, tile.node, u), unit.next_pc};
      for (unsigned i = 0; i < unit.under_way; ++i) {
        at.pc = issued_before(*program, unit, at.pc, i);
        if (at.pc == program->loop)
          at.phase = (at.phase + program->phases() - 1) % program->phases();
        if (at.pc < program->length && takes(program->words(at.phase, at.pc), semaphore)) ++taken;
      }
    }
    return taken;
  }

  /// The `i`-th step back from what a unit holds as next. While that is being fetched, it names the
  /// command that was issued last.
  static uint32_t issued_before(const ProgramMap::Program& program, const ChipActivity::Unit& unit,
                                uint32_t pc, unsigned i) {
    return i == 0 && !unit.next_valid ? pc : before(program, pc);
  }

  /// The command that ran before `pc`: at the head of the loop, the loop; behind the loop, too.
  static uint32_t before(const ProgramMap::Program& program, uint32_t pc) {
    if (program.loop < program.length && pc == program.body && program.loop > program.body)
      return program.loop;
    return pc == 0 ? 0 : pc - 1;
  }

  // --------------------------------------------------------------------- firmware, host, network

  void add_host() {
    const bool rest = std::all_of(activity_.tiles.begin(), activity_.tiles.end(),
                                  [](const ChipActivity::Tile& tile) { return is_quiet(tile); });
    if (!activity_.host_port.empty()) {
      wait("host", fmt::format("the answer to its {}", activity_.host_port), "the chip");
      if (rest) {
        return note(
            "the host's own access has no answer: the host port (axi_to_noc), the network, or the "
            "node that it goes to is at fault");
      }
    } else if (facts_.completion_arrived) {
      wait("host", "its interrupt", "io node");
      note(
          "the completion lies in host memory, and the interrupt that announces it has not come: "
          "it was lost in the io node (HOST_IRQ)");
      return;
    } else {
      wait("host", "a completion", kFirmware);
    }
    if (facts_.stray_completion) {
      note(
          fmt::format("a completion lies in host memory that names request {}, which is not the "
                      "one that comes next",
                      *facts_.stray_completion));
    }
    const ChipActivity::Core& core = activity_.core;
    if (core.firmware_state == kFirmwarePanic) note("the firmware has met a trap (FW_STATE panic)");
    if (core.join > 0) {
      wait(kFirmware,
           fmt::format("the end of {} tile{} (JOIN)", core.join, core.join == 1 ? "" : "s"),
           rest ? "nobody" : "the tiles that run");
    }
    if (rest) add_firmware();
  }

  /// No tile runs: what does the firmware sleep for?
  void add_firmware() {
    const ChipActivity::Core& core = activity_.core;
    if (core.join > 0) {
      note(fmt::format(
          "all tiles have ended, yet JOIN still counts {}: a tile event was lost, or not "
          "counted",
          core.join));
      since_first_end();
    } else if (core.pending != 0) {
      note(fmt::format("no tile runs, and the firmware has not served its interrupts {} (CORE_IRQ)",
                       irq_text(core.pending)));
    } else if ((core.enabled & SYSTOLE_IO_CORE_IRQ_JOIN_MASK) != 0) {
      note(
          "all tiles have ended and JOIN is 0, but the firmware still sleeps for the interrupt "
          "join (CORE_IRQ): it was lost in the io node");
      wait(kFirmware, "the interrupt join", "io node");
    } else if ((core.enabled & SYSTOLE_IO_CORE_IRQ_DMA_MASK) != 0) {
      note("the firmware sleeps for the end of its DMA (CORE_IRQ dma), which has not come");
      wait(kFirmware, "the interrupt dma", "the core's DMA");
    } else {
      note(
          "no tile runs and the firmware has nothing to serve: it owes the completion, and has "
          "forgotten it, or the doorbell that announced the request has not reached it");
    }
  }

  static std::string irq_text(uint32_t mask) {
    constexpr const char* kNames[] = {"doorbell", "join", "fault", "dma", "timer", "bus_error"};
    std::string text;
    for (unsigned i = 0; i < std::size(kNames); ++i) {
      if ((mask >> i & 1) != 0) text += fmt::format("{}{}", text.empty() ? "" : ", ", kNames[i]);
    }
    return text + fmt::format(" (0x{:x})", mask);
  }

  // --------------------------------------------------------------------------------- the begin

  /// The begin of the command that has been under way for longest.
  void find_since() {
    if (graph_.since) return;
    for (const ChipActivity::Tile& tile : activity_.tiles) {
      for (unsigned u = 0; u < spec::NumUnits; ++u) {
        if (tile.units[u].ended || tile.units[u].under_way == 0) continue;
        const UnitId id{tile.node, static_cast<Unit>(u)};
        const auto begun = log_.under_way(id.node, id.unit);
        if (begun.empty() || (graph_.since && *graph_.since <= begun.front().cycle)) continue;
        graph_.since = begun.front().cycle;
        graph_.suspect = id;
      }
    }
  }

  /// An event that was lost is of a tile's end: of the first one, perhaps.
  void since_first_end() {
    for (const auto& [id, program] : map_.programs()) {
      if (program.length == 0) continue;
      const auto end = log_.count(id.node, id.unit, static_cast<uint32_t>(program.length) - 1);
      auto& last = ends_[{id.node.x, id.node.y}];
      last = std::max(last, end.last);
    }
    for (const auto& [node, cycle] : ends_) {
      if (!graph_.since || cycle < *graph_.since) graph_.since = cycle;
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
      std::vector<Stop> path;
      if (walk({start.who, false}, path)) return;
    }
  }

  /// A unit in a chain of debts; `running`: it is its command under way that would pay, whatever
  /// its next one waits for.
  struct Stop {
    std::string who;
    bool running;
    bool operator==(const Stop& other) const {
      return who == other.who && running == other.running;
    }
  };

  /// Depth first; true when `path` has closed.
  bool walk(const Stop& stop, std::vector<Stop>& path) {
    const auto seen = std::find(path.begin(), path.end(), stop);
    if (seen != path.end()) {
      for (auto at = seen; at != path.end(); ++at) graph_.cycle.push_back(at->who);
      graph_.cycle.push_back(stop.who);
      return true;
    }
    if (std::find(finished_.begin(), finished_.end(), stop) != finished_.end()) return false;
    path.push_back(stop);
    for (const Wait& wait : graph_.waits) {
      if (wait.who != stop.who || (stop.running && wait.of_next)) continue;
      if (walk({wait.owed_by, wait.owed_by_running}, path)) return true;
    }
    path.pop_back();
    finished_.push_back(stop);
    return false;
  }

  const ProgramMap& map_;
  const ChipActivity& activity_;
  const CommandLog& log_;
  WaitFacts facts_;
  std::optional<UnitId> unit_;                              // whose waits are being added
  std::map<std::pair<unsigned, unsigned>, uint64_t> ends_;  // by tile
  WaitGraph graph_;
  std::vector<Stop> finished_;  // lead to no cycle
};

}  // namespace

WaitGraph wait_graph(const ProgramMap& map, const ChipActivity& activity, const CommandLog& log,
                     const WaitFacts& facts) {
  return Builder(map, activity, log, facts).build();
}

std::vector<std::string> surplus_posts(const ProgramMap& map, const ChipActivity& activity,
                                       const CommandLog& log) {
  return Builder(map, activity, log, {}).surplus();
}

std::string to_string(const WaitGraph& graph) {
  std::string text;
  for (const std::string& line : graph.evidence) text += fmt::format("  evidence   {}\n", line);
  if (graph.waits.empty()) return text;
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
