// Cycles of each layer and from input to input, measured: compile::LayerSpans of the chip's events.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "host/compile/layer_spans.hpp"
#include "host/driver/simulated_chip.hpp"
#include "host/report/program_map.hpp"

namespace systole::report {

/// Feed it every event. Commands that belong to no layer, and those before a program's loop
/// (weights, once a launch), do not count. Means leave out the first input of each request, unless
/// no request has another.
class LayerCycles {
 public:
  explicit LayerCycles(const ProgramMap& map) : map_(map), spans_(map.num_layers()) {}

  void add(const CommandEvent& event);

  /// A number a layer; 0 for one that ran no command.
  std::vector<double> mean() const;
  /// From the end of an input to that of the next one of its request; 0 without such.
  double mean_spacing() const;

 private:
  bool steady(std::size_t input) const;

  const ProgramMap& map_;
  compile::LayerSpans spans_;
  /// How often a command of (unit, pc) has begun, retired: the number of the iteration that it
  /// works on.
  std::map<std::pair<UnitId, uint32_t>, std::pair<std::size_t, std::size_t>> count_;
  std::set<std::size_t> first_{0};  // inputs that are the first of a request
};

}  // namespace systole::report
