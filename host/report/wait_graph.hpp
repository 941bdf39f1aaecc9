// Who waits for whom in a chip that stands still, and who owes it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/driver/chip_activity.hpp"
#include "host/report/command_log.hpp"
#include "host/report/program_map.hpp"

namespace systole::report {

/// "tile (1, 0) Load waits for semaphore 3, owed by tile (1, 0) Store command 7".
struct Wait {
  std::optional<UnitId> unit;  // that waits; none: host or firmware
  std::string who;
  std::string what;
  std::string owed_by;           // a `who` of the graph, or what stands outside it
  std::string detail;            // of the debtor: the command that would pay; may be empty
  bool of_next = false;          // the unit's next command waits; others may be under way
  bool owed_by_running = false;  // the command that would pay is under way
};

struct WaitGraph {
  std::vector<Wait> waits;
  std::vector<std::string> cycle;     // of `who`s, the first one again at the end; empty: none
  std::vector<std::string> evidence;  // what the counts and places say of the cause
  std::optional<UnitId> suspect;      // the unit that the evidence is of
  /// The cycle in which that began to go wrong, at the earliest: the post that came last, the begin
  /// of the command that waits longest.
  std::optional<uint64_t> since;
};

/// What is known beside the chip.
struct WaitFacts {
  bool completion_arrived = false;           // what the host waits for lies in its memory (Session)
  std::optional<uint32_t> stray_completion;  // the request that one lying there names instead
  /// The chip stood still when the activity was taken, and the log ends there: else nothing is
  /// concluded from what is missing.
  bool stands = true;
};

WaitGraph wait_graph(const ProgramMap& map, const ChipActivity& activity, const CommandLog& log,
                     const WaitFacts& facts = {});

/// Of a chip that runs: semaphores that are higher than what was posted and taken makes them, so
/// that units go on before they may. A line each.
std::vector<std::string> surplus_posts(const ProgramMap& map, const ChipActivity& activity,
                                       const CommandLog& log);

std::string to_string(const WaitGraph& graph);

}  // namespace systole::report
