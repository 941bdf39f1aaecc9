// The cycles of layers and inputs, measured or predicted: one definition for both.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "host/compile/compiled_model.hpp"

namespace systole::compile {

/// Cycles of the inputs of a stream. Those that an iteration works on at once count as one step.
struct StreamCycles {
  /// From completion to completion: the last step's end less the first one's, by the inputs
  /// between; none when there was one step only.
  std::optional<double> spacing;
  double latency = 0;            // mean, from an input's first command to its last retirement
  uint64_t first_completed = 0;  // cycle in which the last of the first step's inputs was done
};

/// A command began or retired.
struct Happening {
  unsigned x = 0, y = 0;
  spec::Unit unit{};
  uint32_t pc = 0;
  uint64_t cycle = 0;
  bool retired = false;
};

/// A layer's cycles of one input run from the begin of its first command to the retirement of its
/// last one, over all tiles; layers may overlap. Feed it everything that happens; commands that
/// belong to no layer, and those before a program's loop (weights, once a launch), do not count.
class LayerSpans {
 public:
  explicit LayerSpans(const CompiledModel& model);

  void add(const Happening& happening);

  /// Mean over the first `inputs`, a number a layer; 0 for a layer that ran no command.
  std::vector<double> mean(std::size_t inputs) const;
  /// Of the first `inputs`, from the begin of an input's first command to its last retirement.
  StreamCycles stream(std::size_t inputs) const;

 private:
  struct Span {
    uint64_t begin = ~uint64_t{0};
    uint64_t end = 0;
  };
  struct UnitLayers {
    std::vector<int> layers;  // by phase, by command
    std::vector<int> inputs;  // the same
    uint32_t body = 0;        // first command of the loop
    uint32_t loop = 0;        // and its last
    std::size_t rounds = 0;   // of phases_ iterations, of the launches before
    /// How often a command has begun, retired: the number of the iteration that it works on.
    std::vector<std::pair<std::size_t, std::size_t>> counts;
  };
  /// Adds what happened to the span of its layer and input.
  void add(const Happening& happening, const UnitLayers& unit, std::size_t iteration);

  std::size_t phases_;          // iterations of an input
  std::size_t inputs_at_once_;  // of an iteration
  std::size_t lag_;             // iterations of a launch behind its last input
  std::map<std::tuple<unsigned, unsigned, std::size_t>, UnitLayers> units_;  // by x, y, unit
  std::vector<std::vector<Span>> spans_;                                     // by layer, by input
};

}  // namespace systole::compile
