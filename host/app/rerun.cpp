#include "host/app/rerun.hpp"

#include "host/app/failure.hpp"
#include "host/app/prepared_run.hpp"
#include "host/command/error.hpp"

namespace systole::app {

Rerun rerun(const FailedRun& run, const RerunOptions& options) {
  SimulationOptions simulation = run.simulation;
  simulation.checkpoint_every = 0;
  simulation.checkpoint_folder.clear();
  simulation.trace_from = simulation.trace_to = 0;
  simulation.resume = options.checkpoint;
  simulation.watch = options.watch;
  simulation.study = options.study;
  simulation.until = options.until;
  if (options.past_it) simulation.stop_on_mismatch = false;
  const auto chip = load_simulated_chip(chip_build(run.options, run.model.config), simulation);
  SessionOptions session = session_options(run.options);
  session.progress = nullptr;
  Rerun result;
  try {
    Session(run.model, *chip, session).run(run.records);
    if (chip->failure()) result.failed_in = chip->failure()->cycle;
  } catch (const Error& error) {
    // The same failure, or the end that was asked for.
    if (const auto failure = failure_of(error, *chip)) result.failed_in = failure->cycle;
  }
  result.changed = chip->watched_change();
  result.watched = chip->watched();
  result.mismatch = chip->mismatch();
  result.activity = chip->activity();
  return result;
}

}  // namespace systole::app
