// What a run ends with: the table that people read, and the same numbers as JSON.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace systole::report {

struct LayerReport {
  std::string name;
  std::string op;
  double cycles =
      0;  // mean of the inputs, from the first command's begin to the last one's retirement
  uint64_t mac = 0;
};

struct RunReport {
  std::string model;
  std::string device;  // "chip" or "model"
  std::string config;
  unsigned tiles = 0;
  uint64_t inputs = 0;
  std::optional<double> accuracy;         // of the labels given, 0..1
  std::optional<bool> matches_model;      // against the functional model
  std::optional<bool> matches_reference;  // against the graph reference
  uint64_t chip_cycles = 0;               // from the first launch to the last tile's end
  uint64_t mac = 0;                       // of one input
  double sim_cycles_per_s = 0;
  double wall_s = 0;
  uint64_t core_awake_cycles = 0;
  uint64_t lockstep_commands = 0;
  std::vector<LayerReport> layers;

  /// Multiply-accumulates over what the tiles could have done in chip_cycles; 0 without cycles.
  double utilization() const;
  double cycles_per_input() const;
  /// No comparison that was made failed.
  bool agrees() const;
};

/// Aligned lines for a terminal.
std::string table(const RunReport& report);

/// One JSON object, as README "JSON report" describes it.
std::string json(const RunReport& report);

}  // namespace systole::report
