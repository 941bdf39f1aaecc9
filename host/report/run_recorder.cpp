#include "host/report/run_recorder.hpp"

#include <algorithm>

#include "host/command/output_file.hpp"
#include "host/report/counters.hpp"

namespace systole::report {

RunRecorder::RunRecorder(const compile::CompiledModel& model, SimulatedChip& chip,
                         const RecorderOptions& options)
    : chip_(chip),
      map_(model),
      trace_(map_),
      cycles_(model),
      states_(map_),
      timeline_(options.timeline ? std::make_unique<Timeline>(map_) : nullptr),
      flows_([this](const Execution& producer, const Execution& consumer, unsigned semaphore) {
        if (timeline_) timeline_->add_flow(producer, consumer, semaphore);
      }),
      tracker_(map_, [this](const Execution& execution) { take(execution); }),
      start_(chip.counters()) {
  if (!timeline_) return;
  chip_.sample(options.sample_cycles, [this] { timeline_->add_sample(chip_.counters()); });
}

RunRecorder::~RunRecorder() { chip_.sample(0, {}); }

void RunRecorder::add(const CommandEvent& event) {
  cycles_.add(event);
  tracker_.add(event);
}

void RunRecorder::take(const Execution& execution) {
  const std::optional<unsigned> semaphore = flows_.add(execution);
  states_.add(execution, semaphore);
  trace_.add(execution);
  if (timeline_) timeline_->add(execution, semaphore);
}

void RunRecorder::loaded() { start_ = chip_.counters(); }

void RunRecorder::finish(uint64_t launch, RunReport& report) const {
  report.observable = chip_.observable();
  report.counters = difference(chip_.counters(), start_);
  report.waits = waits(*report.counters);
  const StreamCycles stream = cycles_.stream(report.inputs);
  report.input_spacing = stream.spacing;
  report.input_latency = stream.latency;
  report.cold_latency = stream.first_completed - std::min(stream.first_completed, launch);
  const std::vector<double> means = cycles_.mean(report.inputs);
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    LayerReport& layer = report.layers[i];
    layer.cycles = means[i];
    layer.bound_by = states_.bound_by(i);
    layer.traffic = map_.traffic(i);
    for (const auto& [unit, totals] : states_.units(i)) {
      layer.states[static_cast<std::size_t>(unit.unit)] += totals;
    }
  }
}

std::vector<WaitReport> RunRecorder::waits(const ChipCounters& run) const {
  std::vector<WaitReport> waits;
  for (const TileCounters& tile : run.tiles) {
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
        const uint32_t cycles = tile.units[u].waits[s];
        if (cycles == 0) continue;
        waits.push_back(
            {{tile.node, static_cast<spec::Unit>(u)}, s, map_.posters_text(tile.node, s), cycles});
      }
    }
  }
  std::stable_sort(waits.begin(), waits.end(),
                   [](const auto& a, const auto& b) { return a.cycles > b.cycles; });
  return waits;
}

void RunRecorder::write_timeline(const std::string& path,
                                 const std::vector<RequestReport>& requests) {
  timeline_->add_sample(chip_.counters());
  timeline_->set_requests(requests);
  OutputFile file(path);
  timeline_->write(file.stream());
  file.commit();
}

}  // namespace systole::report
