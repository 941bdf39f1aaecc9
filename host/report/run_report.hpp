// What a run ends with: the table that people read, and the same numbers as JSON and as a page
// (host/report/html.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "host/driver/chip_counters.hpp"
#include "host/report/layer_states.hpp"
#include "host/report/scaling.hpp"

namespace systole::report {

/// Predicted over measured, less one; none without both.
std::optional<double> prediction_error(double predicted, double measured);

constexpr double kPredictionBound = 0.02;
constexpr double kPredictionCycles = 16;

struct LayerReport {
  std::string name;
  std::string op;
  double cycles = 0;  // of an input (LayerCycles)
  uint64_t mac = 0;
  double predicted_cycles = 0;                       // 0: not predicted
  std::string bound_by;                              // empty: nothing ran, or nobody looked
  Traffic traffic;                                   // of one input
  std::array<StateTotals, spec::NumUnits> states{};  // over all tiles and inputs

  std::optional<double> prediction_error() const;
  /// Off by more than kPredictionBound and kPredictionCycles.
  bool badly_predicted() const;
};

/// A unit's wait for one semaphore.
struct WaitReport {
  UnitId who;
  unsigned semaphore = 0;
  std::string posted_by;  // ProgramMap::posters_text()
  uint64_t cycles = 0;
};

struct RunReport {
  std::string model;
  std::string device;  // "chip" or "model"
  std::string config;
  std::string commit;
  std::string dram;  // its timing
  unsigned tiles = 0;
  unsigned groups = 1;          // that the tiles are divided into, each with inputs of its own
  unsigned in_flight = 1;       // inputs that a group works on at a time
  unsigned stages = 1;          // of the network, each a tile's of every group
  unsigned cols = 0, rows = 0;  // of the mesh
  uint64_t inputs = 0;
  std::optional<double> accuracy;         // of the labels given, 0..1
  std::optional<bool> matches_model;      // against the functional model
  std::optional<bool> matches_reference;  // against the graph reference
  std::optional<bool> matches_recorded;   // against outputs recorded elsewhere
  std::string recorded;                   // how, in words
  double compile_s = 0;
  uint64_t loading_cycles = 0;          // from reset until the programs are loaded and checked
  uint64_t chip_cycles = 0;             // from the first launch to the last tile's end
  double predicted_cycles = 0;          // the same, of a run of one request; 0: not predicted
  std::optional<double> input_spacing;  // cycles from completion to completion, in a stream
  double predicted_spacing = 0;         // 0: not predicted
  double input_latency = 0;         // mean, from an input's first command to its last retirement
  uint64_t cold_latency = 0;        // of the first inputs, from the launch on: weights are loaded
  uint64_t predicted_refusals = 0;  // of scratchpads, where the cycles are predicted
  uint64_t mac = 0;                 // of one input
  double sim_cycles_per_s = 0;
  double wall_s = 0;
  uint64_t core_awake_cycles = 0;
  uint64_t lockstep_commands = 0;
  bool observable = true;  // the chip has counters and a trace
  bool events = true;      // commands were followed: layers have cycles
  std::vector<LayerReport> layers;
  std::vector<WaitReport> waits;         // of the run, longest first
  std::vector<ScalePoint> scaling;       // what more tiles would give, if asked
  std::optional<ChipCounters> counters;  // of the run, after loading; `cycle`: how many cycles

  /// Multiply-accumulates over what the tiles could have done in chip_cycles; 0 without cycles.
  double utilization() const;
  double cycles_per_input() const;
  /// Multiply-accumulates a cycle that the tiles can do.
  double peak_mac_per_cycle() const;
  /// No comparison that was made failed.
  bool agrees() const;
};

/// "yes", "NO", "not compared".
const char* verdict(const std::optional<bool>& matches);

/// Aligned lines for a terminal.
std::string table(const RunReport& report);

/// One JSON object; host/README.md lists its fields.
std::string json(const RunReport& report);

}  // namespace systole::report
