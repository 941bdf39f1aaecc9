// Explains a run that failed on the chip: starts it again from a checkpoint with waves on, and
// writes a folder with everything that one wants to look at.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/app/options.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/driver/session.hpp"
#include "host/driver/simulated_chip.hpp"
#include "host/report/command_log.hpp"
#include "host/report/command_trace.hpp"

namespace systole::app {

/// What a failed run leaves.
struct FailedRun {
  const RunOptions& options;
  const compile::CompiledModel& model;
  const std::vector<Record>& records;
  const SimulationOptions& simulation;  // of the chip, identity filled in
  SimulatedChip& chip;
  const ChipFailure& failure;                    // the chip's, or what a completion said
  const std::optional<RequestFailure>& request;  // of such a completion
  const report::CommandLog& log;
  const report::CommandTrace& trace;
  const std::optional<Session>& session;  // none: it failed while it was made
};

/// Writes <explain folder>/<model>_cycle_<n>/:
///   explanation.txt  what failed, where, when
///   waves.fst        the window that matters; waves.gtkw opens it with the cursor on the cycle
///   checkpoint.ckpt  where the run was started again from, if later than reset
///   commands.txt     the commands that retired before it
///   repeat.sh        the command that shows the same failure again, with the same waves
///   run.json         what ran, and what failed: what a bundle is made from (host/bundle)
/// and prints what a reader needs first. Throws Error when the folder cannot be written or the
/// second run does not fail as the first did; nothing half-written is left. Returns the folder.
std::string explain(const FailedRun& run);

}  // namespace systole::app
