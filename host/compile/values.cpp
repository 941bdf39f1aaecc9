#include "host/compile/values.hpp"

#include <algorithm>
#include <limits>

#include "host/command/error.hpp"
#include "host/compile/map.hpp"
#include "host/compile/move.hpp"

namespace systole::compile {
namespace {

using graph::Graph;
using graph::Node;
using graph::ValueId;

/// A value whose memory its emitter chooses.
Stored unplaced(const std::string& name, DataType type, const Shape& shape, View view) {
  Stored stored{name, type, shape, {}, std::move(view), -1};
  stored.buffer.space = Buffer::Space::Unplaced;
  return stored;
}

/// A record that so many iterations step through.
uint32_t in_steps(uint32_t record, unsigned steps) {
  return static_cast<uint32_t>(round_up(record, 64 * int64_t{steps}));
}

Binding bound(const graph::Value& value, uint32_t& record) {
  Binding binding;
  binding.name = value.name;
  binding.type = value.type;
  binding.shape = value.shape;
  binding.offset = record;
  const int64_t bytes = element_count(value.shape) * static_cast<int64_t>(element_size(value.type));
  const int64_t end = round_up(record + std::max<int64_t>(bytes, 1), 64);
  if (end > std::numeric_limits<uint32_t>::max() / 2) {
    throw Error("inputs or outputs of 2 GiB and more", value.name);
  }
  binding.bytes = static_cast<uint32_t>(bytes);
  record = static_cast<uint32_t>(end);
  return binding;
}

}  // namespace

Values::Values(const Graph& graph, GlobalMemory& memory, Context& context, const Part& part,
               Handed& handed)
    : graph_(graph),
      memory_(memory),
      context_(context),
      part_(part),
      handed_(handed),
      handed_in_(handed),
      values_(inputs()),
      output_written_(inputs()),
      last_reader_(graph.values.size(), 0) {
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    for (const ValueId id : graph_.nodes[i].inputs) last_reader_[static_cast<std::size_t>(id)] = i;
  }
  for (const ValueId id : graph_.outputs)
    last_reader_[static_cast<std::size_t>(id)] = graph_.nodes.size();
}

void Values::bind(unsigned record_steps) {
  bind_inputs(record_steps);
  bind_outputs(record_steps);
}

void Values::begin(unsigned input, std::size_t layer) {
  input_ = input;
  layer_ = layer;
}

void Values::bind_inputs(unsigned record_steps) {
  for (const ValueId id : graph_.inputs) inputs_.push_back(bound(graph_.value(id), input_record_));
  input_record_ = in_steps(input_record_, record_steps);
  for (unsigned i = 0; i < inputs(); ++i) {
    values_[i].resize(graph_.values.size());
    for (std::size_t k = 0; k < inputs_.size(); ++k) {
      const graph::Value& value = graph_.value(graph_.inputs[k]);
      Stored stored{value.name, value.type, value.shape, {}, View::row_major(value.shape), -1};
      stored.buffer = {Buffer::Space::Input,
                       static_cast<Address>(part_.inputs[i]) * input_record_ + inputs_[k].offset,
                       nullptr};
      values_[i][static_cast<std::size_t>(graph_.inputs[k])] = std::move(stored);
    }
    for (std::size_t id = 0; id < graph_.values.size(); ++id) {
      const graph::Value& value = graph_.values[id];
      if (!value.constant) continue;
      Stored stored{value.name, value.type, value.shape, {}, View::row_major(value.shape), -1};
      const bool empty = value.constant->bytes().empty();
      stored.buffer = {Buffer::Space::Dram, empty ? 0 : context_.constant(value.constant->bytes()),
                       nullptr};
      values_[i][id] = std::move(stored);
    }
  }
}

void Values::bind_outputs(unsigned record_steps) {
  for (const ValueId id : graph_.outputs) {
    outputs_.push_back(bound(graph_.value(id), output_record_));
  }
  output_record_ = in_steps(output_record_, record_steps);
  for (auto& written : output_written_) written.assign(outputs_.size(), false);
}

/// Of an output, in the record of the input that commands are emitted for.
Buffer Values::output_buffer(std::size_t output) const {
  const auto record = static_cast<Address>(int(part_.lead) + part_.inputs[input_]);
  return {Buffer::Space::Output, record * output_record_ + outputs_[output].offset, nullptr};
}

const Stored& Values::stored(ValueId id) const {
  const auto& value = values_[input_][static_cast<std::size_t>(id)];
  if (!value) throw Error("value is used before it is computed", graph_.value(id).name);
  return *value;
}

/// Notes where the present layer's output lies.
void Values::note_place(const Stored& value) {
  const int64_t bytes = value.elements() * value.element_bytes();
  TensorPlace place{part_.first_layer + static_cast<int>(layer_),
                    value.name,
                    value.type,
                    value.shape,
                    value.view,
                    TensorPlace::Space::Global,
                    bytes,
                    {}};
  const Buffer& buffer = value.buffer;
  if (buffer.space == Buffer::Space::Home) {
    place.columns = buffer.home->columns;
    for (const Home::Piece& piece : buffer.home->pieces) {
      const Address base = scratchpad_base(context_.schedule.place(piece.tile)) + piece.address();
      const Border& border = buffer.home->border;
      const int64_t rows = border ? border.line : piece.r1 - piece.r0;
      for (int64_t r = piece.r0; r < piece.r1; r += rows) {
        place.pieces.push_back({base + static_cast<Address>(buffer.home->offset(piece, r)), r,
                                r + rows, piece.c0, piece.c1});
      }
    }
  } else {
    if (buffer.space == Buffer::Space::Output) place.space = TensorPlace::Space::Output;
    if (buffer.space == Buffer::Space::Input) place.space = TensorPlace::Space::Input;
    place.pieces.push_back({buffer.address, 0, 1, 0, bytes});
  }
  places_.push_back(std::move(place));
}

void Values::define(const Node& node, Stored value) {
  // A value that lies elsewhere, as another name for its operand.
  if (is_handed_on(node.output)) {
    const Buffer& buffer = handed_on(node, value.view);
    if (buffer.address != value.buffer.address || value.buffer.space != buffer.space) {
      Stored to{value.name, value.type, value.shape, buffer, value.view, -1};
      copy(value, to);
      value = std::move(to);
    }
  }
  note_place(value);
  values_[input_][static_cast<std::size_t>(node.output)] = std::move(value);
}

void Values::copy(const Stored& from, Stored& to) {
  // The vector unit has no operands of 64 bits.
  if (from.type == DataType::S64) return emit_copy(context_, from, to);
  MapOperator op;
  op.first = &from;
  op.output = &to;
  op.passes = {copy_pass(from.type)};
  emit_map(context_, op);
}

bool Values::is_handed_on(ValueId id) const {
  return part_.staged && last_reader_[static_cast<std::size_t>(id)] >= part_.end &&
         last_reader_[static_cast<std::size_t>(id)] < graph_.nodes.size();
}

/// Where the next stage finds the node's output.
const Buffer& Values::handed_on(const Node& node, const View& view) {
  Stored& stored = handed_[node.output][input_];
  if (stored.buffer.address != 0) return stored.buffer;
  const graph::Value& value = graph_.output_of(node);
  stored = {value.name, value.type, value.shape, {}, view, -1};
  stored.buffer.address =
      memory_.dram.allocate(stored.elements() * stored.element_bytes(), value.name);
  return stored.buffer;
}

void Values::take_handed(unsigned input) {
  for (const auto& [id, stored] : handed_in_) {
    if (last_reader_[static_cast<std::size_t>(id)] < part_.begin) continue;
    values_[input][static_cast<std::size_t>(id)] = stored[1 - input];
  }
}

Stored Values::make_output(const Node& node, View view) {
  const graph::Value& value = graph_.output_of(node);
  // A model output that nobody else reads goes straight to the host.
  const bool read = std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& other) {
    return std::count(other.inputs.begin(), other.inputs.end(), node.output) > 0;
  });
  for (std::size_t i = 0; i < outputs_.size() && !read; ++i) {
    if (graph_.outputs[i] != node.output || output_written_[input_][i]) continue;
    if (view != View::row_major(value.shape)) continue;
    output_written_[input_][i] = true;
    return {value.name, value.type, value.shape, output_buffer(i), std::move(view), -1};
  }
  if (is_handed_on(node.output)) {
    const Buffer& buffer = handed_on(node, view);
    return {value.name, value.type, value.shape, buffer, std::move(view), -1};
  }
  return unplaced(value.name, value.type, value.shape, std::move(view));
}

const Node* Values::only_reader(const Node& node) const {
  const Node* reader = nullptr;
  for (const Node& other : graph_.nodes) {
    if (std::count(other.inputs.begin(), other.inputs.end(), node.output) == 0) continue;
    if (reader != nullptr) return nullptr;
    reader = &other;
  }
  const bool is_output = std::count(graph_.outputs.begin(), graph_.outputs.end(), node.output) > 0;
  return is_output ? nullptr : reader;
}

Stored Values::with_view(const Stored& from, const View& view) {
  if (from.view == view) return from;
  Stored to = unplaced(from.name, from.type, from.shape, view);
  copy(from, to);
  return to;
}

void Values::release(std::size_t node, unsigned input) {
  for (const ValueId id : graph_.nodes[node].inputs) {
    if (last_reader_[static_cast<std::size_t>(id)] == node)
      values_[input][static_cast<std::size_t>(id)].reset();
  }
}

void Values::copy_output(std::size_t output) {
  const Stored& from = stored(graph_.outputs[output]);
  Stored to{from.name, from.type, from.shape, output_buffer(output), View::row_major(from.shape),
            -1};
  if (from.elements() > 0) copy(from, to);
  note_place(to);
}

void Values::add_to(CompiledModel& model) const {
  model.inputs = inputs_;
  model.outputs = outputs_;
  model.input_record = input_record_;
  model.output_record = output_record_;
  model.places.insert(model.places.end(), places_.begin(), places_.end());
}

}  // namespace systole::compile
