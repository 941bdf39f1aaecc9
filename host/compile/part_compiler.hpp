// The programs of a part of the work: walks its nodes, one input behind the other, or one node.
#pragma once

#include <vector>

#include "host/compile/operators.hpp"

namespace systole::compile {

/// What an attempt would have needed.
struct Needs {
  uint32_t program = 0;
  uint32_t resident = 0;
  uint32_t homes = 0;
  bool more_homes = false;  // some value found no room among them
  Address records = 0;
  unsigned record_steps = 1;
};

/// One attempt at compiling a part, with a given division of the scratchpads.
class PartCompiler {
 public:
  /// All but part and budget must outlive it.
  PartCompiler(const graph::Graph& graph, MatrixMemo& memo, GlobalMemory& memory, Handed& handed,
               Part part, Budget budget);

  void run();
  Needs needs() const;
  /// Adds the part's programs to the model, and what is the same for all parts.
  void add_to(CompiledModel& model);
  int num_layers() const { return static_cast<int>(layers_.size()); }
  /// An estimate of the cycles from input to input of the part.
  uint64_t spacing() const;
  /// Whether tiles share weights.
  bool streams() const { return context_.streams(); }

 private:
  unsigned inputs() const { return static_cast<unsigned>(part_.inputs.size()); }
  void begin_layer(Layer layer);
  void begin_input(unsigned input);
  void begin_node(const graph::Node& node);
  void emit_nodes();
  void emit_stage();
  void emit(const graph::Node& node, unsigned input);
  void copy_outputs(unsigned first, unsigned last);
  std::vector<Layer> predicted_layers() const;

  const graph::Graph& graph_;
  GlobalMemory& memory_;
  Part part_;
  Context context_;
  Values values_;
  Operators operators_;
  unsigned record_steps_;
  Schedule::Layout layout_;
  std::size_t layer_ = 0;  // index in layers_
  std::vector<Layer> layers_;
};

}  // namespace systole::compile
