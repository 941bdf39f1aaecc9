// What the compiler has made of each layer, before anything runs: which tiles, which loops, where
// weights and results lie, how many cycles that will take, and what binds them.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "host/compile/compiled_model.hpp"
#include "host/report/program_map.hpp"

namespace systole::report {

struct LayerPlan {
  std::string name;
  std::string op;
  uint64_t mac = 0;
  std::vector<golden::Node> tiles;                     // that have commands of it
  std::array<std::size_t, spec::NumUnits> commands{};  // of an input, over all tiles
  std::string division;   // of the output over tiles: "rows", "channels", ... where it stays there
  std::string loops;      // of the longest Matmul, or Vector command
  uint64_t resident = 0;  // bytes that are loaded once, for this layer first, over all tiles
  Traffic traffic;        // of an input
  std::string output;     // where it lies
  double cycles = 0;      // predicted, from its first command to its last retirement
  std::string bound_by;   // predicted: "matrix busy 93 %"
};

struct Plan {
  std::string model;   // file
  std::string config;  // chip
  std::string dram;
  compile::Division division;
  unsigned tiles = 0;
  uint64_t latency = 0;    // predicted cycles of a request of one input
  double spacing = 0;      // from input to input in a stream
  uint64_t program = 0;    // bytes of commands, the longest of a tile
  uint64_t constants = 0;  // bytes in DRAM
  unsigned pages = 1;
  std::string bound_by;  // of the stream: its busiest unit, "compute: matrix busy 93 %"
  double compile_s = 0;
  std::vector<LayerPlan> layers;
};

/// Runs the programs on the cycle model, for some inputs of a stream.
Plan plan(const compile::CompiledModel& model, const std::string& dram);

/// A summary; with `explain` a paragraph for each layer.
std::string text(const Plan& plan, bool explain);
std::string json(const Plan& plan);

}  // namespace systole::report
