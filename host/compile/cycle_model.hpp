// How many cycles a compiled model will take, before it runs: its programs on the model of the
// chip's timing (host/timing), without data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/compile/compiled_model.hpp"
#include "host/timing/chip_timing.hpp"

namespace systole::compile {

constexpr double kNoBound = 1e15;

/// What is asked: a request of so many inputs, on a chip with that DRAM.
struct CycleQuestion {
  unsigned inputs = 1;
  std::string dram = "ddr4-3200";
  /// Cycle since reset in which the request starts. Without one, the phase of DRAM's refreshes is
  /// not known, and they are spread evenly (DramChannel).
  std::optional<timing::Cycle> start;
};

/// From the request's start to its end, as the firmware reports them, and every command's begin and
/// retirement on the way, in cycles since reset.
struct RequestCycles {
  timing::Cycle cycles = 0;
  std::vector<timing::Event> events;
  uint64_t refusals = 0;  // of scratchpads
};

/// Runs a whole request. Throws Error when a program waits for what never comes.
RequestCycles run_request(const CompiledModel& model, const CycleQuestion& question);

/// Cycles of a request, its layers and its inputs, as LayerSpans has them. Of many inputs it runs a
/// few, and takes the rest to be like those, unless it is to start in a certain cycle.
struct CyclePrediction {
  double cycles = 0;
  double spacing = 0;  // 0 with one input
  std::vector<double> layers;
  uint64_t refusals = 0;  // of scratchpads, in what was run
};
CyclePrediction predict_cycles(const CompiledModel& model, const CycleQuestion& question);

/// Fills in the model's predictions of a long stream: spacing and layers. Gives up on a plan whose
/// spacing is more than `bound`, and says at least that. Returns what it has cost: cycles of tiles.
uint64_t predict_stream(CompiledModel& model, const std::string& dram, double bound = kNoBound);
/// Fills in the one of a request of one input.
void predict_latency(CompiledModel& model, const std::string& dram);

/// When the first request of a session starts that has loaded its programs by `loaded`: the driver
/// rings at once, and the firmware launches so many tiles.
timing::Cycle start_of_first_request(timing::Cycle loaded, std::size_t tiles);

}  // namespace systole::compile
