// Watches a simulated chip during a run, and says afterwards where its cycles went.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "host/driver/session.hpp"
#include "host/driver/simulated_chip.hpp"
#include "host/report/command_trace.hpp"
#include "host/report/layer_cycles.hpp"
#include "host/report/run_report.hpp"
#include "host/report/timeline.hpp"

namespace systole::report {

struct RecorderOptions {
  bool timeline = false;
  uint64_t sample_cycles = 1000;  // between two readings of the counters, for the timeline
};

/// Make it before the session, and give it every event from the first launch on. Chip and model
/// must outlive it.
class RunRecorder {
 public:
  RunRecorder(const compile::CompiledModel& model, SimulatedChip& chip,
              const RecorderOptions& options = {});
  ~RunRecorder();
  RunRecorder(const RunRecorder&) = delete;
  RunRecorder& operator=(const RunRecorder&) = delete;

  void add(const CommandEvent& event);
  /// The counters of the run count from here on: constants and programs have been loaded.
  void loaded();
  /// Fills in what the chip's counters and events tell: layers, counters. `launch`: cycle of the
  /// first launch.
  void finish(uint64_t launch, RunReport& report) const;
  /// What --timeline writes.
  void write_timeline(const std::string& path, const std::vector<RequestReport>& requests);
  /// The commands that retired last.
  const CommandTrace& trace() const { return trace_; }

 private:
  std::vector<WaitReport> waits(const ChipCounters& run) const;
  void take(const Execution& execution);

  SimulatedChip& chip_;
  ProgramMap map_;
  CommandTrace trace_;
  LayerCycles cycles_;
  LayerStates states_;
  std::unique_ptr<Timeline> timeline_;
  SemaphoreFlows flows_;
  ExecutionTracker tracker_;
  ChipCounters start_;
};

}  // namespace systole::report
