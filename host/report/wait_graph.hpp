// Who waits for whom in a chip that stands still, and who owes it.
#pragma once

#include <string>
#include <vector>

#include "host/compile/compiled_model.hpp"
#include "host/driver/chip_activity.hpp"
#include "host/report/command_log.hpp"

namespace systole::report {

/// "tile (1, 0) Load waits for semaphore 3, owed by tile (1, 0) Store command 7".
struct Wait {
  std::string who;
  std::string what;
  std::string owed_by;  // a `who` of the graph, or what stands outside it
  std::string detail;   // of the debtor: the command that would pay; may be empty
};

struct WaitGraph {
  std::vector<Wait> waits;
  std::vector<std::string> cycle;     // of `who`s, the first one again at the end; empty: none
  std::vector<std::string> evidence;  // what the counts and places say of the cause
};

/// `completion_arrived`: what the host waits for lies in its memory (Session).
WaitGraph wait_graph(const compile::CompiledModel& model, const ChipActivity& activity,
                     const CommandLog& log, bool completion_arrived = false);

std::string to_string(const WaitGraph& graph);

}  // namespace systole::report
