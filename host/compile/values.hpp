// Where the values of a part lie, for each of its inputs: in records of the host, in DRAM, in the
// scratchpads, or handed on from stage to stage.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "host/compile/context.hpp"
#include "host/compile/part.hpp"
#include "host/compile/tensor_place.hpp"

namespace systole::compile {

/// Values that one stage makes and the next one reads, in DRAM: one place for each of the two
/// inputs of an iteration, so that one is read while the other is written.
using Handed = std::map<graph::ValueId, std::array<Stored, 2>>;

class Values {
 public:
  /// All must outlive it.
  Values(const graph::Graph& graph, GlobalMemory& memory, Context& context, const Part& part,
         Handed& handed);

  /// Inputs, constants and outputs. Records get lengths that are multiples of so many steps.
  void bind(unsigned record_steps);
  /// What follows is of this input, of those at once, and of this layer of the part.
  void begin(unsigned input, std::size_t layer);

  // ---- for operators
  const Stored& stored(graph::ValueId id) const;
  /// The value under another layout, moved there when it has a different one.
  Stored with_view(const Stored& from, const View& view);
  /// Memory for a node's output: the host's record when it is a model output in that layout. Else
  /// whoever emits the node may have to place it.
  Stored make_output(const graph::Node& node, View view);
  void define(const graph::Node& node, Stored value);
  /// The node that alone reads the node's output; null when there are others, or it is the model's.
  const graph::Node* only_reader(const graph::Node& node) const;

  // ---- from stage to stage
  /// Whether a later stage reads the value.
  bool is_handed_on(graph::ValueId id) const;
  /// What the stage before has left: in the iteration half before this one.
  void take_handed(unsigned input);
  /// A value's memory is given back after its last reader.
  void release(std::size_t node, unsigned input);

  // ---- outputs
  std::size_t num_outputs() const { return outputs_.size(); }
  const std::string& output_name(std::size_t output) const { return outputs_[output].name; }
  /// Of one input as of the others.
  bool is_written(std::size_t output) const { return output_written_[0][output]; }
  void copy_output(std::size_t output);

  /// Bytes of a record of the model's inputs, and of its outputs.
  uint32_t input_record() const { return input_record_; }
  uint32_t output_record() const { return output_record_; }
  void add_to(CompiledModel& model) const;

 private:
  unsigned inputs() const { return static_cast<unsigned>(part_.inputs.size()); }
  void bind_inputs(unsigned record_steps);
  void bind_outputs(unsigned record_steps);
  Buffer output_buffer(std::size_t output) const;
  void copy(const Stored& from, Stored& to);
  const Buffer& handed_on(const graph::Node& node, const View& view);
  void note_place(const Stored& value);

  const graph::Graph& graph_;
  GlobalMemory& memory_;
  Context& context_;
  const Part& part_;
  Handed& handed_;
  const Handed handed_in_;  // by the stages before
  unsigned input_ = 0;
  std::size_t layer_ = 0;
  std::vector<std::vector<std::optional<Stored>>> values_;  // by input
  std::vector<Binding> inputs_, outputs_;
  std::vector<std::vector<bool>> output_written_;  // by input
  uint32_t input_record_ = 0, output_record_ = 0;
  std::vector<std::size_t> last_reader_;  // of each value
  std::vector<TensorPlace> places_;
};

}  // namespace systole::compile
