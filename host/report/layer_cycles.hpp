// Cycles of each layer, from the begin and the retirement of its commands.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "host/compile/compiled_model.hpp"
#include "host/driver/simulated_chip.hpp"

namespace systole::report {

/// A layer's cycles of one input run from the begin of its first command to the retirement of its
/// last one, over all tiles; layers may overlap. Feed it every event; commands that belong to no
/// layer, and those before a program's loop (weights, once a launch), do not count.
class LayerCycles {
 public:
  explicit LayerCycles(const compile::CompiledModel& model);

  void add(const CommandEvent& event);

  /// Mean over the inputs seen, a number a layer; 0 for a layer that ran no command.
  std::vector<double> mean() const;

 private:
  struct Span {
    uint64_t begin = ~uint64_t{0};
    uint64_t end = 0;
  };

  struct UnitLayers {
    std::vector<int> layers;  // by phase, by command
    uint32_t body = 0;        // first command of the loop
    /// How often a command has begun, retired: the number of the iteration that it works on.
    std::vector<std::pair<std::size_t, std::size_t>> counts;  // by pc
  };
  int layer_of(const UnitLayers& unit, uint32_t pc, std::size_t phase) const;

  std::size_t phases_;  // iterations of an input
  std::map<std::tuple<unsigned, unsigned, std::size_t>, UnitLayers> units_;  // by x, y, unit
  std::vector<std::vector<Span>> spans_;                                     // by layer, by input
};

}  // namespace systole::report
