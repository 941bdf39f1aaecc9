// The compiler: canonical graph in, programs out. Operators are emitted one after another; each has
// its values in DRAM (or the host's records) and its work spread over all tiles.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <deque>
#include <iterator>
#include <limits>
#include <map>
#include <numeric>
#include <set>

#include "host/command/error.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/compile/context.hpp"
#include "host/compile/cycle_model.hpp"
#include "host/compile/dynamic.hpp"
#include "host/compile/elementwise.hpp"
#include "host/compile/limits.hpp"
#include "host/compile/map.hpp"
#include "host/compile/matmul.hpp"
#include "host/compile/matrix.hpp"
#include "host/compile/move.hpp"
#include "host/compile/pool.hpp"
#include "host/compile/predict.hpp"
#include "host/compile/rows.hpp"
#include "host/golden/arith.hpp"

namespace systole::compile {
namespace {

using graph::Graph;
using graph::Node;
using graph::ValueId;

/// What an attempt would have needed.
struct Needs {
  uint32_t program = 0;
  uint32_t resident = 0;
  uint32_t homes = 0;
  bool more_homes = false;  // some value found no room among them
  Address records = 0;
};

/// What a Compiler makes: the work of some tiles on some nodes, for some inputs.
struct Part {
  std::vector<Place> places;
  std::vector<Place> team;         // the tiles that are launched together, `places` among them
  std::size_t begin = 0, end = 0;  // nodes
  int first_layer = 0;             // of those nodes
  std::vector<int> inputs;         // counted from the first that comes in with the iteration
  bool staged = false;             // inputs one after the other, the team meets behind each
  unsigned lead = 0;               // output records before that of the iteration's first input
  bool is_last = true;             // makes the model's outputs
};

/// Values that one stage makes and the next one reads, in DRAM: one place for each of the two
/// inputs of an iteration, so that one is read while the other is written.
using Handed = std::map<ValueId, std::array<Stored, 2>>;

/// One attempt at compiling a part, with a given division of the scratchpads.
class Compiler {
 public:
  Compiler(const Graph& graph, MatrixMemo& memo, GlobalMemory& memory, Handed& handed, Part part,
           Budget budget)
      : graph_(graph),
        memo_(memo),
        memory_(memory),
        handed_(handed),
        handed_in_(handed),
        part_(std::move(part)),
        context_(memory, part_.places, part_.team, part_.staged ? 1 : inputs(), budget),
        values_(inputs()),
        output_written_(inputs()) {}

  void run();
  Needs needs() const;
  /// Adds the part's programs to the model, and what is the same for all parts.
  void add_to(CompiledModel& model);
  int num_layers() const { return static_cast<int>(layers_.size()); }
  /// An estimate of the cycles from input to input of the part.
  uint64_t spacing() const;

 private:
  void bind_inputs();
  void bind_outputs();
  Buffer output_buffer(std::size_t output) const;
  void copy_outputs(unsigned first, unsigned last);
  void copy(const Stored& from, Stored& to);
  std::vector<Layer> predicted_layers() const;
  unsigned inputs() const { return static_cast<unsigned>(part_.inputs.size()); }
  void begin_layer(Layer layer);
  void begin_input(unsigned input);
  void emit_nodes();
  void emit_stage();
  void emit(const Node& node);
  void emit(const Node& node, unsigned input);
  void take_handed(unsigned input);
  bool is_handed_on(ValueId id) const;
  const Buffer& handed_on(const Node& node, const View& view);
  void release(std::size_t node, unsigned input);

  void operator()(const Node& node, const graph::Quantize& op);
  void operator()(const Node& node, const graph::Dequantize& op);
  void operator()(const Node& node, const graph::Requantize& op);
  void operator()(const Node& node, const graph::Reach& op);
  void operator()(const Node& node, const graph::DynamicParameter& op);
  void operator()(const Node& node, const graph::DynamicQuantize& op);
  void operator()(const Node& node, const graph::QConv& op);
  void operator()(const Node& node, const graph::QGemm& op);
  void operator()(const Node& node, const graph::QMatMul& op);
  void operator()(const Node& node, const graph::QAdd& op);
  void operator()(const Node& node, const graph::Unary& op);
  void operator()(const Node& node, const graph::Binary& op);
  void operator()(const Node& node, const graph::Softmax& op);
  void operator()(const Node& node, const graph::RowMean& op);
  void operator()(const Node& node, const graph::ArgMax& op);
  void operator()(const Node& node, const graph::QMaxPool& op);
  void operator()(const Node& node, const graph::QAveragePool& op);
  void operator()(const Node& node, const graph::QGlobalAveragePool& op);
  void operator()(const Node& node, const graph::Reshape& op);
  void operator()(const Node& node, const graph::Transpose& op);
  void operator()(const Node& node, const graph::Select& op);
  void operator()(const Node& node, const graph::Concat& op);

  void emit_pool_node(const Node& node, PoolOperator pool);
  void emit_rows(const Node& node, RowOperator rows);
  BinaryOperand operand_of(const graph::Binary& op, ValueId id, graph::QuantParams params) const;
  const Stored& stored(ValueId id) const;
  /// The value under another layout, moved there when it has a different one.
  Stored with_view(const Stored& from, const View& view);
  std::vector<std::size_t> align(std::vector<Stored>& inputs);
  Stored by_channel(const Stored& from, std::size_t parameters, int64_t axis);
  Image image(const Stored& value) const;
  /// Memory for a node's output: the host's record when it is a model output in that layout.
  Stored make_output(const Node& node, View view);
  const Node* only_reader(const Node& node) const;
  Border border_of(const Node& node) const;
  bool joins_pixels(const Node& node) const;
  void define(const Node& node, Stored value);
  void note_place(const Stored& value);

  const Graph& graph_;
  MatrixMemo& memo_;
  GlobalMemory& memory_;
  Handed& handed_;
  const Handed handed_in_;  // by the stages before
  Part part_;
  Context context_;
  Schedule::Layout layout_;
  unsigned input_ = 0;  // the one whose commands are emitted, of those at once
  std::vector<std::vector<std::optional<Stored>>> values_;  // by input
  std::vector<Binding> inputs_, outputs_;
  std::vector<std::vector<bool>> output_written_;  // by input
  uint32_t input_record_ = 0, output_record_ = 0;
  std::vector<std::size_t> last_reader_;            // of each value
  std::size_t layer_ = 0;                           // index in layers_
  std::deque<std::vector<MatrixShare>> divisions_;  // by layer
  std::vector<Layer> layers_;
  std::vector<TensorPlace> places_;
};

/// The elements of a tensor of bytes, which are read often.
class Codes {
 public:
  explicit Codes(const Tensor& tensor)
      : bytes_(tensor.bytes().data()), is_signed_(tensor.type() == DataType::S8) {}
  int32_t operator[](int64_t at) const {
    return is_signed_ ? static_cast<int8_t>(bytes_[at]) : int32_t{bytes_[at]};
  }

 private:
  const uint8_t* bytes_;
  bool is_signed_;
};

/// A value whose memory its emitter chooses.
Stored unplaced(const std::string& name, DataType type, const Shape& shape, View view) {
  Stored stored{name, type, shape, {}, std::move(view), -1};
  stored.buffer.space = Buffer::Space::Unplaced;
  return stored;
}

Binding bind(const graph::Value& value, uint32_t& record) {
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

void Compiler::bind_inputs() {
  for (const ValueId id : graph_.inputs) inputs_.push_back(bind(graph_.value(id), input_record_));
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

void Compiler::bind_outputs() {
  for (const ValueId id : graph_.outputs) {
    outputs_.push_back(bind(graph_.value(id), output_record_));
  }
  for (auto& written : output_written_) written.assign(outputs_.size(), false);
}

/// Of an output, in the record of the input that commands are emitted for.
Buffer Compiler::output_buffer(std::size_t output) const {
  const auto record = static_cast<Address>(int(part_.lead) + part_.inputs[input_]);
  return {Buffer::Space::Output, record * output_record_ + outputs_[output].offset, nullptr};
}

const Stored& Compiler::stored(ValueId id) const {
  const auto& value = values_[input_][static_cast<std::size_t>(id)];
  if (!value) throw Error("value is used before it is computed", graph_.value(id).name);
  return *value;
}

/// Notes where the present layer's output lies.
void Compiler::note_place(const Stored& value) {
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

void Compiler::define(const Node& node, Stored value) {
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

void Compiler::copy(const Stored& from, Stored& to) {
  // The vector unit has no operands of 64 bits.
  if (from.type == DataType::S64) return emit_copy(context_, from, to);
  MapOperator op;
  op.first = &from;
  op.output = &to;
  op.passes = {copy_pass(from.type)};
  emit_map(context_, op);
}

/// Whether a later stage reads the value.
bool Compiler::is_handed_on(ValueId id) const {
  return part_.staged && last_reader_[static_cast<std::size_t>(id)] >= part_.end &&
         last_reader_[static_cast<std::size_t>(id)] < graph_.nodes.size();
}

/// Where the next stage finds the node's output.
const Buffer& Compiler::handed_on(const Node& node, const View& view) {
  Stored& stored = handed_[node.output][input_];
  if (stored.buffer.address != 0) return stored.buffer;
  const graph::Value& value = graph_.output_of(node);
  stored = {value.name, value.type, value.shape, {}, view, -1};
  stored.buffer.address =
      memory_.dram.allocate(stored.elements() * stored.element_bytes(), value.name);
  return stored.buffer;
}

/// What the stage before has left: in the iteration half before this one.
void Compiler::take_handed(unsigned input) {
  for (const auto& [id, stored] : handed_in_) {
    if (last_reader_[static_cast<std::size_t>(id)] < part_.begin) continue;
    values_[input][static_cast<std::size_t>(id)] = stored[1 - input];
  }
}

Stored Compiler::make_output(const Node& node, View view) {
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

/// The node that alone reads the node's output; null when there are others, or it is the model's.
const Node* Compiler::only_reader(const Node& node) const {
  const Node* reader = nullptr;
  for (const Node& other : graph_.nodes) {
    if (std::count(other.inputs.begin(), other.inputs.end(), node.output) == 0) continue;
    if (reader != nullptr) return nullptr;
    reader = &other;
  }
  const bool is_output = std::count(graph_.outputs.begin(), graph_.outputs.end(), node.output) > 0;
  return is_output ? nullptr : reader;
}

/// The padding of the convolution that alone reads the node's output.
Border Compiler::border_of(const Node& node) const {
  const Node* reader = only_reader(node);
  if (reader == nullptr) return {};
  const auto* conv = std::get_if<graph::QConv>(&reader->op);
  const Shape& in = graph_.output_of(node).shape;
  if (conv == nullptr || reader->inputs.size() > 1 || in[0] != 1) return {};
  const graph::Window& window = conv->window;
  const Shape& out = graph_.output_of(*reader).shape;
  // What the windows see of a dimension behind its end.
  const auto behind = [&](std::size_t d) {
    const int64_t seen =
        (out[d + 2] - 1) * window.stride[d] + (window.kernel[d] - 1) * window.dilation[d] + 1;
    return seen - window.pads[d] - in[d + 2];
  };
  Border border;
  border.top = window.pads[0];
  border.left = window.pads[1];
  border.bottom = std::max<int64_t>(behind(0), 0);
  border.right = std::max<int64_t>(behind(1), 0);
  const bool padded = border.top + border.left + border.bottom + border.right > 0;
  if (!padded || (border.left > 0 && behind(1) < 0)) return {};
  border.line = in[3];
  border.fill = conv->x.zero_point;
  return border;
}

/// Longest line that is not cut into columns, in bytes.
constexpr int64_t kMostOfPairs = 8192;

/// Whether a convolution can read pixels in pairs.
bool reads_pairs(const Node& node, const Shape& in) {
  const auto* conv = std::get_if<graph::QConv>(&node.op);
  if (conv == nullptr || conv->group != 1 || node.inputs.size() > 1) return false;
  const graph::Window& w = conv->window;
  const bool pointwise = w.kernel == std::array<int64_t, 2>{1, 1} &&
                         w.stride == std::array<int64_t, 2>{1, 1} &&
                         w.pads == std::array<int64_t, 4>{0, 0, 0, 0};
  return pointwise && in[1] % kPairChannels == 0 && in[3] % 2 == 0 && in[1] * in[3] <= kMostOfPairs;
}

/// Whether a depthwise convolution makes two pixels of 8 channels at a time, not one of 16: their
/// windows overlap.
bool Compiler::joins_pixels(const Node& node) const {
  const auto& conv = std::get<graph::QConv>(node.op);
  const Shape& in = graph_.value(node.inputs[0]).shape;
  const Shape& out = graph_.output_of(node).shape;
  const bool depthwise = conv.group == in[1] && conv.group == out[1];
  const bool overlap =
      conv.window.stride[1] < conv.window.kernel[1] && conv.window.dilation[1] == 1;
  const Node* reader = only_reader(node);
  return depthwise && overlap && out[1] > kPairChannels && reader != nullptr &&
         reads_pairs(*reader, out);
}

Stored Compiler::with_view(const Stored& from, const View& view) {
  if (from.view == view) return from;
  Stored to = unplaced(from.name, from.type, from.shape, view);
  copy(from, to);
  return to;
}

Image Compiler::image(const Stored& value) const {
  const Shape& s = value.shape;
  return {&value, s[0], s[2], s[3], s[1]};
}

/// Of inputs [first, last). A copy is a layer, the same one for all inputs.
void Compiler::copy_outputs(unsigned first, unsigned last) {
  std::size_t layer = part_.end - part_.begin;
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (output_written_[0][i]) continue;  // of one input as of the others
    context_.node_name = "output " + outputs_[i].name;
    if (first == 0) begin_layer({outputs_[i].name, "Copy", 0, 0});
    layer_ = layer++;
    for (unsigned input = first; input < last; ++input) {
      begin_input(input);
      const Stored& from = stored(graph_.outputs[i]);
      Stored to{from.name, from.type, from.shape, output_buffer(i), View::row_major(from.shape),
                -1};
      if (from.elements() > 0) copy(from, to);
      note_place(to);
    }
  }
}

// ----------------------------------------------------------------------------- element by element

/// The value as element-wise operators with parameters by channel take it: channels along one axis.
Stored Compiler::by_channel(const Stored& from, std::size_t parameters, int64_t axis) {
  const bool apart = parameters > 1 && from.view.dims()[static_cast<std::size_t>(axis)].size() > 1;
  return apart ? with_view(from, View::row_major(from.shape)) : from;
}

void Compiler::operator()(const Node& node, const graph::Quantize& op) {
  const Stored from = by_channel(stored(node.inputs[0]), op.scale.size(), op.axis);
  const graph::Value& value = graph_.output_of(node);
  Stored to =
      make_output(node, value.shape.size() == 4 ? View::channels_last(value.shape) : from.view);
  MapOperator map;
  map.first = &from;
  map.output = &to;
  MapPass pass;
  pass.command = division(op.scale[0]);
  set_codes(pass.command, op.zero_point[0], op.clamp);
  map.passes = {pass};
  if (op.scale.size() > 1) {
    // Round first, then add the channel's zero point: whole numbers, exact in binary32 as far as
    // they are not clamped.
    map.channel_axis = op.axis;
    pass.s = op.scale;
    for (const float scale : op.scale) pass.t.push_back(golden::quotient(1.0f, scale));
    map.temporary = spec::Vtype::S32;
    pass.to = Slot::T0;
    set_codes(pass.command, 0, {0, 0});
    MapPass offset;
    offset.a = Slot::T0;
    offset.command.op = spec::Vop::Fma;
    offset.command.s = float_bits(1.0f);
    for (const int32_t zp : op.zero_point) offset.c.push_back(static_cast<float>(zp));
    set_codes(offset.command, 0, op.clamp);
    map.passes = {pass, offset};
  }
  emit_map(context_, map);
  define(node, to);
}

void Compiler::operator()(const Node& node, const graph::Dequantize& op) {
  const Stored from = by_channel(stored(node.inputs[0]), op.scale.size(), op.axis);
  const graph::Value& value = graph_.output_of(node);
  const bool is_output = std::count(graph_.outputs.begin(), graph_.outputs.end(), node.output) > 0;
  Stored to = make_output(node, is_output ? View::row_major(value.shape) : from.view);
  MapOperator map;
  map.first = &from;
  map.output = &to;
  MapPass pass;
  pass.command.op = spec::Vop::Mul;
  pass.command.s = float_bits(op.scale[0]);
  set_clip(pass.command, op.clamp);
  if (op.scale.size() == 1) {
    pass.command.a_zp = static_cast<int16_t>(op.zero_point[0]);
    map.passes = {pass};
  } else {
    // q - zp of the channel first: exact in binary32.
    map.channel_axis = op.axis;
    MapPass offset;
    offset.to = Slot::T0;
    offset.command.op = spec::Vop::Fma;
    offset.command.s = float_bits(1.0f);
    for (const int32_t zp : op.zero_point) offset.c.push_back(static_cast<float>(-zp));
    pass.a = Slot::T0;
    pass.s = op.scale;
    map.passes = {offset, pass};
  }
  emit_map(context_, map);
  define(node, to);
}

void Compiler::operator()(const Node& node, const graph::Requantize& op) {
  const Stored& from = stored(node.inputs[0]);
  Stored to = make_output(node, from.view);
  MapOperator map;
  map.first = &from;
  map.output = &to;
  if (op.x == op.y) {
    MapPass pass = copy_pass(from.type);
    set_codes(pass.command, 0, op.clamp);
    map.passes = {pass};
  } else {
    MapPass real;
    real.to = Slot::T0;
    real.command.op = spec::Vop::Mul;
    real.command.a_zp = static_cast<int16_t>(op.x.zero_point);
    real.command.s = float_bits(op.x.scale);
    MapPass codes;
    codes.a = Slot::T0;
    codes.command = division(op.y.scale);
    set_codes(codes.command, op.y.zero_point, op.clamp);
    map.passes = {real, codes};
  }
  emit_map(context_, map);
  define(node, to);
}

void Compiler::operator()(const Node& node, const graph::Reach&) {
  Stored to = make_output(node, View::row_major({2}));
  emit_reach(context_, stored(node.inputs[0]), to);
  define(node, to);
}

void Compiler::operator()(const Node& node, const graph::DynamicParameter& op) {
  Stored to = make_output(node, View::row_major({}));
  emit_dynamic_parameter(context_, stored(node.inputs[0]), op.is_zero_point, to);
  define(node, to);
}

/// golden::quantize_dynamically().
void Compiler::operator()(const Node& node, const graph::DynamicQuantize&) {
  const Stored& from = stored(node.inputs[0]);
  const Stored& scale = stored(node.inputs[1]);
  const Stored& zero = stored(node.inputs[2]);
  const graph::Value& value = graph_.output_of(node);
  Stored to =
      make_output(node, value.shape.size() == 4 ? View::channels_last(value.shape) : from.view);
  MapOperator map;
  map.first = &from;
  map.output = &to;
  map.singles = {{&scale, 1.0f, spec::Vact::None},
                 {&scale, 1.0f, spec::Vact::Recip},
                 {&zero, 1.0f, spec::Vact::None}};
  map.temporary = spec::Vtype::S32;
  MapPass whole;
  whole.to = Slot::T0;
  whole.command.op = spec::Vop::Div;
  whole.s_single = 0;
  whole.t_single = 1;
  MapPass offset;
  offset.a = Slot::T0;
  offset.command.op = spec::Vop::Fma;
  offset.command.s = float_bits(1.0f);
  offset.c_single = 2;
  const int32_t lowest = value.type == DataType::S8 ? -128 : 0;
  set_codes(offset.command, 0, {lowest, lowest + 255});
  map.passes = {whole, offset};
  emit_map(context_, map);
  define(node, to);
}

void Compiler::operator()(const Node& node, const graph::QAdd& op) {
  Stored a = stored(node.inputs[0]);
  Stored b = stored(node.inputs[1]);
  const graph::Value& value = graph_.output_of(node);
  // The output lies as an operand of its shape does.
  const Stored& like = a.shape == value.shape ? a : b;
  View view = like.shape == value.shape ? like.view : View::row_major(value.shape);
  a = with_view(a, a.shape == value.shape ? view : View::row_major(a.shape));
  b = with_view(b, b.shape == value.shape ? view : View::row_major(b.shape));
  Stored to = make_output(node, view);
  MapOperator map;
  map.first = &a;
  map.second = &b;
  map.output = &to;
  if (op.rounding == graph::Rounding::AfterOffset) {
    const golden::AddCoefficients k = golden::add_coefficients(op.a, op.b, op.y);
    MapPass pass;
    pass.b = Slot::Second;
    pass.command.op = spec::Vop::Fma;
    pass.command.s = float_bits(k.ra);
    pass.command.t = float_bits(k.rb);
    pass.command.c = float_bits(k.offset);
    set_codes(pass.command, 0, op.clamp);
    map.passes = {pass};
  } else {
    MapPass first;
    first.to = Slot::T0;
    first.command.op = spec::Vop::Mul;
    first.command.a_zp = static_cast<int16_t>(op.a.zero_point);
    first.command.s = float_bits(op.a.scale);
    MapPass sum;  // fma(a, 1, fma(b, sb, -0)): b's product rounded, then the sum
    sum.a = Slot::T0;
    sum.b = Slot::Second;
    sum.to = Slot::T0;
    sum.command.op = spec::Vop::Fma;
    sum.command.b_zp = static_cast<int16_t>(op.b.zero_point);
    sum.command.s = float_bits(1.0f);
    sum.command.t = float_bits(op.b.scale);
    sum.command.c = float_bits(-0.0f);
    MapPass codes;
    codes.a = Slot::T0;
    codes.command = division(op.y.scale);
    set_codes(codes.command, op.y.zero_point, op.clamp);
    map.passes = {first, sum, codes};
  }
  emit_map(context_, map);
  define(node, to);
}

void Compiler::operator()(const Node& node, const graph::Unary& op) {
  const Stored& from = stored(node.inputs[0]);
  Stored to = make_output(node, from.view);
  MapOperator map;
  map.first = &from;
  map.output = &to;
  map.passes = passes_of(op, from.type, to.type);
  emit_map(context_, map);
  define(node, to);
}

/// A sum or product takes one number from its command, a constant, or as a single of the map.
BinaryOperand Compiler::operand_of(const graph::Binary& op, ValueId id,
                                   graph::QuantParams params) const {
  const graph::Value& value = graph_.value(id);
  BinaryOperand operand;
  operand.type = value.type;
  const bool takes = op.function != graph::BinaryFunction::Div && !op.wraps &&
                     op.rounding == graph::Rounding::BeforeOffset;
  if (!takes || element_count(value.shape) != 1) return operand;
  if (!value.constant) {
    operand.is_single = value.type == DataType::F32;
  } else if (value.type == DataType::F32) {
    operand.value = *value.constant->data<float>();
  } else {
    operand.value = golden::dequantize(static_cast<int32_t>(value.constant->integer(0)),
                                       params.scale, params.zero_point);
  }
  return operand;
}

void Compiler::operator()(const Node& node, const graph::Binary& op) {
  const graph::Value& value = graph_.output_of(node);
  BinaryOperand kind_a = operand_of(op, node.inputs[0], op.a);
  BinaryOperand kind_b = operand_of(op, node.inputs[1], op.b);
  // One number among many, or one of two such: then a constant rather than the other.
  if (graph_.value(node.inputs[0]).shape != value.shape || kind_a.value) kind_b.is_single = false;
  if (kind_b.is_one()) kind_a = {kind_a.type, std::nullopt, false};
  if (graph_.value(node.inputs[1]).shape != value.shape) kind_a.is_single = false;
  Stored a = stored(node.inputs[0]);
  Stored b = stored(node.inputs[1]);
  // The output lies as an operand of its shape does.
  const Stored& like = a.shape == value.shape && !kind_a.is_one() ? a : b;
  const View view = like.shape == value.shape ? like.view : View::row_major(value.shape);
  a = with_view(a, a.shape == value.shape ? view : View::row_major(a.shape));
  b = with_view(b, b.shape == value.shape ? view : View::row_major(b.shape));
  Stored to = make_output(node, view);
  MapOperator map;
  map.first = kind_a.is_one() ? &b : &a;
  map.second = kind_a.is_one() || kind_b.is_one() ? nullptr : &b;
  map.output = &to;
  if (kind_b.is_single) map.singles = {{&b, single_factor(op.function, true), spec::Vact::None}};
  if (kind_a.is_single) map.singles = {{&a, single_factor(op.function, false), spec::Vact::None}};
  map.passes = passes_of(op, kind_a, kind_b, to.type);
  emit_map(context_, map);
  define(node, to);
}

// -------------------------------------------------------------------------------------------- rows

void Compiler::operator()(const Node& node, const graph::Softmax& op) {
  RowOperator rows;
  rows.x = op.x;
  rows.y = op.y;
  rows.clamp = op.clamp;
  emit_rows(node, rows);
}

void Compiler::operator()(const Node& node, const graph::RowMean& op) {
  RowOperator rows;
  rows.kind = RowOperator::Kind::Mean;
  rows.x = op.x;
  rows.y = op.y;
  rows.clamp = op.clamp;
  rows.order = op.order;
  rows.divisor = op.divisor;
  emit_rows(node, rows);
}

void Compiler::operator()(const Node& node, const graph::ArgMax& op) {
  RowOperator rows;
  rows.kind = RowOperator::Kind::ArgMax;
  rows.last = op.last;
  emit_rows(node, rows);
}

void Compiler::emit_rows(const Node& node, RowOperator rows) {
  const Stored& x = stored(node.inputs[0]);
  const View columns = View::row_major({x.shape[1], x.shape[0]}).transposed({1, 0});
  const Stored in = with_view(x, rows.by_columns() ? columns : View::row_major(x.shape));
  Stored to = make_output(node, View::row_major(graph_.output_of(node).shape));
  rows.in = &in;
  rows.output = &to;
  emit_row_operator(context_, rows);
  define(node, to);
}

// -------------------------------------------------------------------------------- movement of data

void Compiler::operator()(const Node& node, const graph::Reshape&) {
  const graph::Value& value = graph_.output_of(node);
  Stored from = stored(node.inputs[0]);
  const bool empty = from.elements() == 0;
  std::optional<View> view = empty ? View::row_major(value.shape) : from.view.reshaped(value.shape);
  if (!view) {
    from = with_view(from, View::row_major(from.shape));
    view = View::row_major(value.shape);
  }
  from.name = value.name;
  from.shape = value.shape;
  from.view = *view;
  define(node, from);
}

void Compiler::operator()(const Node& node, const graph::Transpose& op) {
  const graph::Value& value = graph_.output_of(node);
  Stored from = stored(node.inputs[0]);
  from.name = value.name;
  from.shape = value.shape;
  from.view = from.view.transposed(op.perm);
  define(node, from);
}

/// Starts a movement into `to`, whose inputs all lie as it does: its axes in the order of memory.
MoveOperator movement(const std::vector<Stored>& inputs, Stored& to,
                      const std::vector<std::size_t>& order) {
  MoveOperator op;
  op.output = &to;
  for (const std::size_t d : order) op.axes.push_back({to.shape[d], {}});
  for (const Stored& input : inputs) {
    MoveSource source{&input, std::vector<int64_t>(order.size(), 1)};
    for (std::size_t i = order.size(); i-- > 1;) {
      source.strides[i - 1] = source.strides[i] * input.shape[order[i]];
    }
    op.sources.push_back(std::move(source));
  }
  return op;
}

/// The inputs in one layout: with the channels last if one of them has it so, else row major.
/// Returns the axes in the order of memory.
std::vector<std::size_t> Compiler::align(std::vector<Stored>& inputs) {
  const auto lies_last = [](const Stored& s) {
    return s.view != View::row_major(s.shape) && s.view == View::channels_last(s.shape);
  };
  const bool last = std::any_of(inputs.begin(), inputs.end(), lies_last);
  for (Stored& input : inputs) {
    input =
        with_view(input, last ? View::channels_last(input.shape) : View::row_major(input.shape));
  }
  if (last) return {0, 2, 3, 1};
  std::vector<std::size_t> order(inputs[0].shape.size());
  std::iota(order.begin(), order.end(), 0u);
  return order;
}

void Compiler::operator()(const Node& node, const graph::Select& op) {
  const graph::Value& value = graph_.output_of(node);
  std::vector<Stored> inputs = {stored(node.inputs[0])};
  const std::vector<std::size_t> order = align(inputs);
  const bool last = order.size() == 4 && order[1] == 2;
  Stored to =
      make_output(node, last ? View::channels_last(value.shape) : View::row_major(value.shape));
  MoveOperator move = movement(inputs, to, order);
  move.fill = op.fill;
  for (std::size_t i = 0; i < order.size(); ++i) {
    move.axes[i].pieces = pieces_of(op.index[order[i]]);
  }
  emit_move(context_, move);
  define(node, to);
}

void Compiler::operator()(const Node& node, const graph::Concat& op) {
  const graph::Value& value = graph_.output_of(node);
  std::vector<Stored> inputs;
  for (const ValueId id : node.inputs) inputs.push_back(stored(id));
  const std::vector<std::size_t> order = align(inputs);
  const bool last = order.size() == 4 && order[1] == 2;
  Stored to =
      make_output(node, last ? View::channels_last(value.shape) : View::row_major(value.shape));
  MoveOperator move = movement(inputs, to, order);
  for (std::size_t i = 0; i < order.size(); ++i) {
    MoveAxis& axis = move.axes[i];
    if (order[i] != static_cast<std::size_t>(op.axis)) {
      axis.pieces = {{0, axis.extent, 0, 1, 0, 1}};
      continue;
    }
    move.join = i;
    int64_t at = 0;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const int64_t count = inputs[k].shape[order[i]];
      axis.pieces.push_back({static_cast<int>(k), count, at, 1, 0, 1});
      at += count;
    }
  }
  emit_move(context_, move);
  define(node, to);
}

// ------------------------------------------------------------------------------------- matrix unit

Weights weights_of(const graph::QConv& op) {
  const Shape& shape = op.weights.shape();
  const int64_t channels = shape[1], taps = shape[2] * shape[3];
  const Codes codes(op.weights);
  std::vector<int32_t> values;
  for (int64_t m = 0; m < shape[0]; ++m) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t c = 0; c < channels; ++c)
        values.push_back(codes[(m * channels + c) * taps + tap] -
                         op.w_zero_point[static_cast<std::size_t>(m)]);
    }
  }
  return Weights(std::move(values), shape[0]);
}

/// `at`: where the input's elements lie.
Weights weights_of(const graph::QGemm& op, const std::vector<int64_t>& at, int64_t columns) {
  const auto depth = static_cast<int64_t>(at.size());
  const Codes codes(op.weights);
  std::vector<int32_t> values(static_cast<std::size_t>(columns * depth));
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t m = 0; m < columns; ++m)
      values[static_cast<std::size_t>(m * depth + at[static_cast<std::size_t>(k)])] =
          codes[k * columns + m] - op.w_zero_point[static_cast<std::size_t>(m)];
  }
  return Weights(std::move(values), columns);
}

void Compiler::operator()(const Node& node, const graph::QConv& op) {
  const graph::Value& value = graph_.output_of(node);
  const Stored& x = stored(node.inputs[0]);
  MatrixOperator matrix;
  matrix.reads_pairs = reads_pairs(node, x.shape) && x.view == View::pixel_pairs(x.shape);
  matrix.makes_pairs = joins_pixels(node);
  const Stored in = matrix.reads_pairs ? x : with_view(x, View::channels_last(x.shape));
  Stored to = make_output(
      node, matrix.makes_pairs ? View::pixel_pairs(value.shape) : View::channels_last(value.shape));
  if (to.buffer.space == Buffer::Space::Unplaced) to.border = border_of(node);
  matrix.in = image(in);
  matrix.out = image(to);
  matrix.kh = op.window.kernel[0];
  matrix.kw = op.window.kernel[1];
  matrix.sh = op.window.stride[0];
  matrix.sw = op.window.stride[1];
  matrix.dh = op.window.dilation[0];
  matrix.dw = op.window.dilation[1];
  matrix.top = op.window.pads[0];
  matrix.left = op.window.pads[1];
  matrix.group = op.group;
  matrix.x = op.x;
  matrix.y = op.y;
  if (node.inputs.size() > 1) matrix.x_zero = &stored(node.inputs[1]);
  matrix.clamp = op.clamp;
  matrix.weights = memo_.weights(node.output, {}, [&] { return weights_of(op); });
  matrix.bias = op.bias;
  matrix.multiplier = op.multiplier;
  matrix.division = &divisions_[layer_];
  matrix.output = &to;
  emit_matrix(context_, memo_, matrix);
  define(node, to);
}

/// Whether the dimension's elements fill [0, extent) of memory, in any order.
bool dense(const View& view, std::size_t dim, int64_t extent) {
  std::vector<int64_t> offsets = view.offsets(dim);
  std::sort(offsets.begin(), offsets.end());
  return offsets.back() == extent - 1;
}

void Compiler::operator()(const Node& node, const graph::QGemm& op) {
  const graph::Value& value = graph_.output_of(node);
  Stored in = stored(node.inputs[0]);
  const int64_t rows = in.shape[0], depth = in.shape[1], columns = value.shape[1];
  // Any order of the depth will do, as long as it is the same for all rows.
  const View wanted = View::row_major({rows, depth});
  const bool rows_apart = in.view.dims()[0] == wanted.dims()[0];
  if (!rows_apart || !dense(in.view, 1, depth)) in = with_view(in, wanted);
  const std::vector<int64_t> at = in.view.offsets(1);
  Stored to = make_output(node, View::row_major(value.shape));
  MatrixOperator matrix;
  matrix.in = {&in, 1, rows, 1, depth};
  matrix.out = {&to, 1, rows, 1, columns};
  matrix.x = op.x;
  matrix.y = op.y;
  if (node.inputs.size() > 1) matrix.x_zero = &stored(node.inputs[1]);
  matrix.clamp = op.clamp;
  matrix.float_clamp = op.float_clamp;
  matrix.weights = memo_.weights(node.output, at, [&] { return weights_of(op, at, columns); });
  matrix.bias = op.bias;
  matrix.multiplier = op.multiplier;
  matrix.division = &divisions_[layer_];
  matrix.output = &to;
  emit_matrix(context_, memo_, matrix);
  define(node, to);
}

void Compiler::operator()(const Node& node, const graph::QMatMul& op) {
  const graph::Value& value = graph_.output_of(node);
  Stored a = stored(node.inputs[0]);
  Stored b = stored(node.inputs[1]);
  a = with_view(a, View::row_major(a.shape));
  b = with_view(b, View::row_major(b.shape));
  Stored to = make_output(node, View::row_major(value.shape));
  MatmulOperator matmul{&a, &b, &to, &op, nullptr, nullptr};
  if (op.gives_a_zero) matmul.a_zero = &stored(node.inputs[2]);
  if (op.gives_b_zero) matmul.b_zero = &stored(node.inputs[op.gives_a_zero ? 3 : 2]);
  emit_matmul(context_, matmul);
  define(node, to);
}

// ------------------------------------------------------------------------------------------- pools

void Compiler::operator()(const Node& node, const graph::QMaxPool& op) {
  const graph::Value& value = graph_.output_of(node);
  const int32_t lowest = value.type == DataType::S8 ? -128 : 0;
  PoolOperator pool;
  pool.window = op.window;
  pool.pad = value.type == DataType::F32 ? float_bits(-std::numeric_limits<float>::infinity())
                                         : byte_pattern(lowest);
  if (value.type != DataType::F32) pool.clamp = {lowest, lowest + 255};
  emit_pool_node(node, pool);
}

void Compiler::operator()(const Node& node, const graph::QAveragePool& op) {
  PoolOperator pool;
  pool.kind = PoolOperator::Kind::Average;
  pool.window = op.window;
  pool.counted = op.counted;
  pool.rounding = op.rounding;
  if (graph_.value(node.inputs[0]).type != DataType::F32) {
    pool.pad = byte_pattern(op.x.zero_point);
    pool.x = op.x;
  }
  pool.y = op.y;
  pool.clamp = op.clamp;
  emit_pool_node(node, pool);
}

void Compiler::operator()(const Node& node, const graph::QGlobalAveragePool& op) {
  const graph::Value& x = graph_.value(node.inputs[0]);
  PoolOperator pool;
  pool.kind = PoolOperator::Kind::Global;
  pool.window.kernel = {x.shape[2], x.shape[3]};
  pool.x = op.x;
  pool.y = op.y;
  pool.pad = byte_pattern(op.x.zero_point);
  pool.clamp = op.clamp;
  emit_pool_node(node, pool);
}

void Compiler::emit_pool_node(const Node& node, PoolOperator pool) {
  const Stored& x = stored(node.inputs[0]);
  const Stored in = with_view(x, View::channels_last(x.shape));
  Stored to = make_output(node, View::channels_last(graph_.output_of(node).shape));
  pool.in = image(in);
  pool.out = image(to);
  pool.output = &to;
  emit_pool(context_, pool);
  define(node, to);
}

// ---------------------------------------------------------------------------------------- assembly

void Compiler::begin_layer(Layer layer) {
  layer_ = layers_.size();
  layers_.push_back(std::move(layer));
  divisions_.emplace_back();
}

void Compiler::begin_input(unsigned input) {
  input_ = input;
  context_.schedule.set_layer(part_.first_layer + static_cast<int>(layer_), part_.inputs[input]);
}

void Compiler::emit(const Node& node) {
  begin_layer({node.name, graph::operator_name(node.op),
               static_cast<uint64_t>(graph::mac_count(graph_, node)), 0});
}

void Compiler::emit(const Node& node, unsigned input) {
  context_.node_name = graph::operator_name(node.op) + " " + node.name;
  begin_input(input);
  std::visit([&](const auto& op) { (*this)(node, op); }, node.op);
}

/// A value's memory is given back after its last reader.
void Compiler::release(std::size_t node, unsigned input) {
  for (const ValueId id : graph_.nodes[node].inputs) {
    if (last_reader_[static_cast<std::size_t>(id)] == node)
      values_[input][static_cast<std::size_t>(id)].reset();
  }
}

/// Node by node, of each the inputs one behind the other.
void Compiler::emit_nodes() {
  for (std::size_t i = part_.begin; i < part_.end; ++i) {
    emit(graph_.nodes[i]);
    for (unsigned input = 0; input < inputs(); ++input) emit(graph_.nodes[i], input);
    for (unsigned input = 0; input < inputs(); ++input) release(i, input);
  }
  copy_outputs(0, inputs());
}

/// Input by input; the team meets behind each, so that all stages go on together. The first stage
/// needs nothing of the others: it goes on with the next input, until it has something to hand on.
void Compiler::emit_stage() {
  for (unsigned input = 0; input < inputs(); ++input) {
    take_handed(input);
    for (std::size_t i = part_.begin; i < part_.end; ++i) {
      if (input == 0) {
        emit(graph_.nodes[i]);
      } else {
        layer_ = i - part_.begin;
      }
      if (is_handed_on(graph_.nodes[i].output)) context_.await_team();
      emit(graph_.nodes[i], input);
      release(i, input);
    }
    // Now: what the stage before handed on is written over with the next input.
    if (part_.is_last) copy_outputs(input, input + 1);
    context_.schedule.set_layer(-1);
    if (input + 1 == inputs()) {
      context_.end_stage();
    } else if (part_.begin == 0) {
      context_.arrive_at_team();
    } else {
      context_.meet_team();
    }
  }
}

void Compiler::run() {
  bind_inputs();
  bind_outputs();
  last_reader_.assign(graph_.values.size(), 0);
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    for (const ValueId id : graph_.nodes[i].inputs) last_reader_[static_cast<std::size_t>(id)] = i;
  }
  for (const ValueId id : graph_.outputs)
    last_reader_[static_cast<std::size_t>(id)] = graph_.nodes.size();
  part_.staged ? emit_stage() : emit_nodes();
  context_.schedule.set_layer(-1);
  context_.finish();
  // Records step once a phase.
  const Schedule& schedule = context_.schedule;
  const unsigned phases = schedule.phases();
  for (uint32_t* record : {&input_record_, &output_record_}) {
    *record = static_cast<uint32_t>(round_up(*record, 64 * int64_t{phases}));
  }
  layout_.input_step = input_record_ / phases;
  layout_.output_step = output_record_ / phases;
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    const auto bytes = static_cast<int64_t>(schedule.page_bytes(t));
    layout_.pages.push_back(bytes == 0 ? 0 : memory_.dram.allocate(bytes, "programs"));
  }
}

Needs Compiler::needs() const {
  Needs needs;
  needs.program = static_cast<uint32_t>(round_up(context_.schedule.image_bytes(), 128));
  needs.resident = context_.resident_used();
  needs.homes = context_.homes_used();
  needs.more_homes = context_.lacks_homes();
  needs.records = static_cast<Address>(
      round_up(static_cast<int64_t>(memory_.dram.end()), spec::WindowGranuleBytes));
  return needs;
}

/// Of the part's layers, per input.
std::vector<Layer> Compiler::predicted_layers() const {
  std::vector<Layer> all(static_cast<std::size_t>(part_.first_layer) + layers_.size());
  predict(context_.schedule, all);
  std::vector<Layer> layers = layers_;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    layers[i].predicted_cycles =
        all[static_cast<std::size_t>(part_.first_layer) + i].predicted_cycles / inputs();
  }
  return layers;
}

uint64_t Compiler::spacing() const {
  uint64_t cycles = 0;
  for (const Layer& layer : predicted_layers()) cycles += layer.predicted_cycles;
  return cycles;
}

void Compiler::add_to(CompiledModel& model) {
  model.inputs = inputs_;
  model.outputs = outputs_;
  model.input_record = input_record_;
  model.output_record = output_record_;
  model.phases = context_.schedule.phases();
  if (model.layers.size() == static_cast<std::size_t>(part_.first_layer)) {
    const std::vector<Layer> layers = predicted_layers();
    model.layers.insert(model.layers.end(), layers.begin(), layers.end());
  }
  model.places.insert(model.places.end(), places_.begin(), places_.end());
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    TileProgram program = context_.schedule.assemble(t, layout_);
    if (model.phases > 1) {
      memory_.segments.push_back({layout_.pages[t], context_.schedule.pages(t, layout_)});
    }
    program.windows = {
        {spec::HostMemBase, spec::HostMemBytes, true, true},
        {spec::DramBase, model.config.channels() * spec::DramChannelBytes, true, true},
        {spec::TileBase, Address{model.config.num_rows} << spec::TileRowShift, true, true},
    };
    model.tiles.push_back(std::move(program));
  }
}

/// The compute tiles in as many groups.
std::vector<std::vector<Place>> grouped(const ChipConfig& config, unsigned tiles, unsigned groups) {
  std::vector<std::vector<Place>> out(groups);
  unsigned count = 0;
  for (unsigned y = 0; y < config.num_rows; ++y) {
    for (unsigned x = 1; x < config.num_cols && count < tiles; ++x, ++count)
      out[count * groups / tiles].push_back({x, y});
  }
  return out;
}

struct Candidate {
  CompiledModel model;
  uint64_t spacing = 0;  // cycles from input to input, as a first estimate
  double price = 0;      // of weights (Budget)
};

/// One attempt for all groups and stages, group by group. `cuts`: the first node of each stage,
/// then the number of nodes. `budgets`: by stage.
class Attempt {
 public:
  Attempt(const Graph& graph, const ChipConfig& config, MatrixMemo& memo, unsigned tiles,
          Division division, const std::vector<std::size_t>& cuts,
          const std::vector<Budget>& budgets, unsigned channels)
      : graph_(graph),
        config_(config),
        memo_(memo),
        division_(division),
        cuts_(cuts),
        budgets_(budgets),
        memory_(channels),
        groups_(grouped(config, tiles, division.groups)) {}

  bool is_complete() const { return added_ == division_.groups; }
  /// Emits the next group, unless it fails.
  void add_group() {
    Handed handed;
    int layers = 0;
    for (unsigned stage = 0; stage < division_.stages && !failed_; ++stage) {
      Part part = make_part(groups_[added_], added_, stage);
      part.begin = cuts_[stage];
      part.end = cuts_[stage + 1];
      part.first_layer = layers;
      add(handed, std::move(part), stage);
      if (!failed_) layers += parts_.back().num_layers();
    }
    ++added_;
  }

  /// The stage that does not fit in its memory, and why.
  const std::optional<std::pair<unsigned, Error>>& failed() const { return failed_; }

  Needs needs(unsigned stage) const {
    Needs most;
    for (std::size_t i = stage; i < parts_.size(); i += division_.stages) {
      const Needs needs = parts_[i].needs();
      most.program = std::max(most.program, needs.program);
      most.resident = std::max(most.resident, needs.resident);
      most.homes = std::max(most.homes, needs.homes);
      most.more_homes = most.more_homes || needs.more_homes;
      most.records = std::max(most.records, needs.records);
    }
    return most;
  }

  Candidate result() {
    Candidate out;
    CompiledModel& model = out.model;
    model.config = config_;
    model.record_base = budgets_.front().record_base;
    model.division = division_;
    model.inputs_at_once = inputs_at_once();
    model.lag = division_.stages / 2;
    for (Compiler& part : parts_) {
      out.spacing = std::max(out.spacing, part.spacing() / division_.groups);
      part.add_to(model);
    }
    model.segments = std::move(memory_.segments);
    return out;
  }

 private:
  bool staged() const { return division_.stages > 1; }
  unsigned inputs_of_group() const { return staged() ? 2 : division_.in_flight; }
  unsigned inputs_at_once() const { return division_.groups * inputs_of_group(); }

  Part make_part(const std::vector<Place>& tiles, unsigned group, unsigned stage) const {
    Part part;
    part.team = tiles;
    part.places = staged() ? std::vector<Place>{tiles[stage]} : tiles;
    part.staged = staged();
    part.is_last = stage + 1 == division_.stages;
    part.lead = division_.stages / 2 * inputs_at_once();
    // Every stage is half an iteration behind the one before it.
    const int count = static_cast<int>(inputs_of_group());
    for (int input = 0; input < count; ++input) {
      const int at = input - static_cast<int>(stage);
      const int round = at >= 0 ? at / count : -((count - 1 - at) / count);
      part.inputs.push_back(round * static_cast<int>(inputs_at_once()) +
                            static_cast<int>(group) * count + at - round * count);
    }
    return part;
  }

  void add(Handed& handed, Part part, unsigned stage) {
    try {
      parts_.emplace_back(graph_, memo_, memory_, handed, std::move(part), budgets_[stage]);
      parts_.back().run();
    } catch (const Error& error) {
      if (error.problem() != kNoRoom) throw;
      failed_ = {stage, error};
    }
  }

  const Graph& graph_;
  const ChipConfig& config_;
  MatrixMemo& memo_;
  Division division_;
  const std::vector<std::size_t>& cuts_;
  const std::vector<Budget>& budgets_;
  GlobalMemory memory_;
  std::vector<std::vector<Place>> groups_;
  unsigned added_ = 0;  // of them
  std::deque<Compiler> parts_;
  std::optional<std::pair<unsigned, Error>> failed_;
};

/// Programs that are longer are cut into pages.
constexpr uint32_t kMaxProgram = 96 * 1024;
constexpr unsigned kPageCommands = 240;

constexpr unsigned kMaxInFlight = 8;
constexpr unsigned kMaxStages = 4;  // a team meets in two rounds

/// How much of a scratchpad commands and constants take is known only afterwards. So a stage tries
/// with little for commands, then with what that would have needed; and with less and less for
/// constants.
class Fit {
 public:
  /// `alone`: a short stage, whose weights one tile holds. Its values may leave more room for them.
  Fit(const Budget& start, bool alone) : start_(start), limit_(alone ? 0 : kAlone) { reset(); }

  const Budget& budget() const { return budget_; }
  /// Less for constants; false when there is no less.
  bool shrink() {
    if (++limit_ == kLimits.size()) return false;
    reset();
    return true;
  }
  /// Whether the needs are met; if not, the next budget meets them, or may.
  bool meets(const Needs& needs, bool records_in_dram) {
    if (limit_ < kAlone && (needs.more_homes || needs.program > kMaxProgram)) {
      shrink();
      return false;
    }
    const bool fits = needs.program <= budget_.program &&
                      (!records_in_dram || needs.records <= budget_.record_base);
    const bool exact = needs.resident == budget_.resident && needs.homes == budget_.homes;
    too_long_ = budget_.page_commands == 0 && exact && needs.program > kMaxProgram;
    if (fits && (exact || round_ >= 5)) return true;
    // Constants first: what they leave free changes the rest. Then a little more than needed for
    // commands, since less memory for data may mean more of them.
    if (exact && needs.program > budget_.program) budget_.program = needs.program + 512;
    budget_.resident = needs.resident;
    budget_.homes = needs.homes;
    if (records_in_dram) budget_.record_base = needs.records;
    ++round_;
    return false;
  }
  bool too_long() const { return too_long_; }
  bool tired() const { return round_ >= 10; }

 private:
  struct Limit {
    uint32_t resident, homes;  // KiB
  };
  static constexpr std::size_t kAlone = 1;  // of them for stages only
  static constexpr std::array<Limit, 7> kLimits = {
      {{176, 24}, {144, 96}, {96, 64}, {64, 42}, {32, 21}, {12, 8}, {0, 0}}};

  void reset() {
    budget_ = start_;
    budget_.program = 8 * 1024;
    budget_.resident = kLimits[limit_].resident * 1024;
    budget_.homes = kLimits[limit_].homes * 1024;
    round_ = 0;
  }

  Budget start_, budget_;
  std::size_t limit_;
  int round_ = 0;
  bool too_long_ = false;
};

/// None when nothing fits.
std::optional<Candidate> attempt(const Graph& graph, const ChipConfig& config,
                                 const CompileOptions& options, MatrixMemo& memo, unsigned tiles,
                                 Division division, const std::vector<std::size_t>& cuts,
                                 double price, unsigned page_commands, std::string& failure) {
  Budget start;
  start.weight_price = price;
  start.page_commands = page_commands;
  if (options.records_in_dram) start.record_base = spec::DramBase;
  const unsigned channels = options.use_channels == 0 ? config.channels() : options.use_channels;
  // Half of a network that needs so much room for weights rarely leaves any for itself.
  std::vector<Fit> fits(division.stages, Fit(start, division.stages > 2));
  for (;;) {
    std::vector<Budget> budgets;
    for (const Fit& fit : fits) budgets.push_back(fit.budget());
    Attempt attempt(graph, config, memo, tiles, division, cuts, budgets, channels);
    bool met = true;
    while (met && !attempt.is_complete()) {
      attempt.add_group();
      if (attempt.failed()) {
        failure = attempt.failed()->second.what();
        if (!fits[attempt.failed()->first].shrink()) return std::nullopt;
        met = false;
        break;
      }
      // Groups need the same, so the first one tells; but records lie behind what all of them have.
      if (options.records_in_dram && !attempt.is_complete()) continue;
      for (unsigned stage = 0; stage < division.stages; ++stage) {
        Fit& fit = fits[stage];
        const bool ok = fit.meets(attempt.needs(stage), options.records_in_dram);
        if (fit.too_long()) return std::nullopt;
        if (!ok && fit.tired() && !fit.shrink()) return std::nullopt;
        met = met && ok;
      }
    }
    if (met) return attempt.result();
  }
}

// ------------------------------------------------------------------------------------------ stages

/// The first node of each stage, then the number of nodes: stages of like predicted cycles, of
/// which each reads nothing but what the one before it made. Empty when there are none.
std::vector<std::size_t> cut_stages(const Graph& graph, const std::vector<uint64_t>& cycles,
                                    unsigned stages) {
  const std::size_t nodes = graph.nodes.size();
  // A cut lies well where one value passes it that no earlier cut has.
  std::vector<std::size_t> made(graph.values.size(), 0), read(graph.values.size(), 0);
  for (std::size_t i = 0; i < nodes; ++i) {
    made[static_cast<std::size_t>(graph.nodes[i].output)] = i;
    for (const ValueId id : graph.nodes[i].inputs) read[static_cast<std::size_t>(id)] = i;
  }
  const auto passes = [&](std::size_t id, std::size_t cut) {
    return !graph.values[id].constant && made[id] < cut && read[id] >= cut;
  };
  std::vector<std::size_t> places = {0};
  for (std::size_t cut = 1; cut < nodes; ++cut) {
    std::size_t values = 0;
    for (std::size_t id = 0; id < graph.values.size(); ++id) values += passes(id, cut) ? 1 : 0;
    const auto is_early = [&](ValueId id) { return made[static_cast<std::size_t>(id)] < cut; };
    const bool inputs = std::any_of(graph.inputs.begin(), graph.inputs.end(), [&](ValueId id) {
      return passes(static_cast<std::size_t>(id), cut);
    });
    const bool outputs = std::any_of(graph.outputs.begin(), graph.outputs.end(), is_early);
    if (values == 1 && !inputs && !outputs) places.push_back(cut);
  }
  places.push_back(nodes);
  if (places.size() < stages + 1) return {};
  std::vector<uint64_t> sum(nodes + 1, 0);
  for (std::size_t i = 0; i < nodes; ++i) sum[i + 1] = sum[i] + cycles[i];
  // best[s][p]: of s stages up to place p, the longest one's cycles.
  std::vector<std::vector<uint64_t>> best(stages + 1,
                                          std::vector<uint64_t>(places.size(), ~uint64_t{0}));
  std::vector<std::vector<std::size_t>> from(stages + 1, std::vector<std::size_t>(places.size()));
  best[0][0] = 0;
  for (unsigned s = 1; s <= stages; ++s) {
    for (std::size_t p = s; p < places.size(); ++p) {
      for (std::size_t q = s - 1; q < p; ++q) {
        if (best[s - 1][q] == ~uint64_t{0}) continue;
        const uint64_t longest = std::max(best[s - 1][q], sum[places[p]] - sum[places[q]]);
        if (longest < best[s][p]) best[s][p] = longest, from[s][p] = q;
      }
    }
  }
  std::vector<std::size_t> cuts = {nodes};
  for (std::size_t s = stages, p = places.size() - 1; s > 0; --s) {
    p = from[s][p];
    cuts.insert(cuts.begin(), places[p]);
  }
  return cuts;
}

}  // namespace

namespace {

const std::vector<double> kPrices = {0.0, 0.01, 0.04, 0.2};
/// Those that served one input in flight best are tried with more.
constexpr std::size_t kGoodPrices = 2;

/// By estimate.
void sort(std::vector<Candidate>& plans) {
  std::stable_sort(plans.begin(), plans.end(),
                   [](const auto& a, const auto& b) { return a.spacing < b.spacing; });
}

/// Plans that differ in what weights may cost: divisions of the work by rows keep all weights in
/// every tile, divisions by channels a part of them. The best first; none when nothing fits.
std::vector<Candidate> plans(const Graph& graph, const ChipConfig& config,
                             const CompileOptions& options, MatrixMemo& memo, unsigned tiles,
                             Division division, const std::vector<std::size_t>& cuts,
                             unsigned page_commands, const std::vector<double>& prices,
                             std::string& failure) {
  std::vector<Candidate> all;
  std::set<std::string> digests;
  for (const double price : prices) {
    auto one =
        attempt(graph, config, options, memo, tiles, division, cuts, price, page_commands, failure);
    if (one) one->price = price;
    if (one && digests.insert(one->model.digest()).second) all.push_back(std::move(*one));
    if (tiles == division.groups * division.stages) break;
  }
  sort(all);
  return all;
}

/// What the cycle model may cost a search, in cycles of tiles (75 ns each).
constexpr uint64_t kSearchWork = 8'000'000;
/// Plans of one division that it runs, of those whose estimates are lowest.
constexpr std::size_t kRunPlans = 3;

/// The plan with the least cycles from input to input. As far as work allows, the cycle model
/// decides; plans come to it in the order of their estimates.
CompiledModel best_in_stream(std::vector<Candidate> all, const std::string& dram) {
  sort(all);
  CompiledModel* best = nullptr;
  uint64_t work = 0;
  for (Candidate& one : all) {
    if (work > kSearchWork) break;
    work += predict_stream(one.model, dram, best == nullptr ? kNoBound : best->spacing);
    if (best == nullptr || one.model.spacing < best->spacing) best = &one.model;
  }
  return std::move(*best);
}

/// The plan that has a single input done first.
CompiledModel best_for_one(std::vector<Candidate> all, const std::string& dram) {
  uint64_t work = 0;
  for (const Candidate& one : all) work += one.spacing * one.model.tiles.size();
  if (work > kSearchWork) all.resize(1);
  CompiledModel* best = nullptr;
  for (Candidate& one : all) {
    predict_latency(one.model, dram);
    if (best == nullptr || one.model.latency < best->latency) best = &one.model;
  }
  predict_stream(*best, dram);
  return std::move(*best);
}

/// Ways to spread a stream of inputs over the tiles.
std::vector<Division> divisions(const CompileOptions& options, unsigned tiles) {
  if (options.division) return {*options.division};
  if (options.inputs <= 1 || options.page_commands > 0) return {{1, 1, 1}};
  std::vector<Division> all;
  for (unsigned groups = tiles; groups > 0; --groups) {
    if (tiles % groups != 0 || groups > options.inputs) continue;
    for (const unsigned in_flight : {1u, 2u, 4u}) {
      if (groups * in_flight <= options.inputs) all.push_back({groups, in_flight, 1});
    }
    const unsigned stages = tiles / groups;
    if (stages > 1 && stages <= kMaxStages && 4 * tiles <= options.inputs)
      all.push_back({groups, 1, stages});
  }
  return all;
}

void check(const CompileOptions& options, const ChipConfig& config, unsigned tiles) {
  if (tiles > config.tiles()) {
    throw Error("not so many compute tiles", "configuration " + config.name,
                "at most " + std::to_string(config.tiles()), std::to_string(tiles));
  }
  if (options.use_channels > config.channels()) {
    throw Error("not so many DRAM channels", "configuration " + config.name,
                "at most " + std::to_string(config.channels()),
                std::to_string(options.use_channels));
  }
  if (!options.division) return;
  const auto [groups, in_flight, stages] = *options.division;
  if (groups == 0 || tiles % groups != 0) {
    throw Error("tiles can't be divided into groups", "groups",
                "a divisor of " + std::to_string(tiles), std::to_string(groups));
  }
  if (in_flight == 0 || in_flight > kMaxInFlight) {
    throw Error("so many inputs can't be in flight", "inputs in flight",
                "1 to " + std::to_string(kMaxInFlight), std::to_string(in_flight));
  }
  if (stages > 1 && (groups * stages != tiles || stages > kMaxStages || in_flight > 1)) {
    throw Error(
        "tiles can't be divided into stages", "stages",
        fmt::format("one for each tile of a group, 2 to {}, one input in flight", kMaxStages),
        std::to_string(stages));
  }
}

/// Estimates for the nodes.
std::vector<uint64_t> cycles_of(const CompiledModel& model, const Graph& graph) {
  std::vector<uint64_t> cycles;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i)
    cycles.push_back(model.layers[i].predicted_cycles);
  return cycles;
}

constexpr int kMoreCuts = 3;

/// A stage has memory that the network on one tile has not: its nodes take less time. So the plan
/// tells where to cut again.
void add_cuts(const Graph& graph, const ChipConfig& config, const CompileOptions& options,
              MatrixMemo& memo, unsigned tiles, Division division, std::vector<std::size_t> cuts,
              std::vector<Candidate>& all) {
  std::string failure;
  for (int round = 0; round < kMoreCuts && !all.empty(); ++round) {
    auto again = cut_stages(graph, cycles_of(all.back().model, graph), division.stages);
    if (again == cuts) break;
    cuts = std::move(again);
    auto more = plans(graph, config, options, memo, tiles, division, cuts, 0, kPrices, failure);
    if (more.empty()) break;
    std::move(more.begin(), more.end(), std::back_inserter(all));
  }
  sort(all);
}

/// What each node takes a single tile.
std::vector<uint64_t> cycles_of_nodes(const Graph& graph, const ChipConfig& config,
                                      const CompileOptions& options, MatrixMemo& memo) {
  std::string failure;
  const auto alone =
      attempt(graph, config, options, memo, 1, {1, 1, 1}, {0, graph.nodes.size()}, 0, 0, failure);
  if (!alone) return {};
  return cycles_of(alone->model, graph);
}

}  // namespace

CompiledModel compile(const Graph& graph, const ChipConfig& config, const CompileOptions& options) {
  const unsigned tiles = options.use_tiles == 0 ? config.tiles() : options.use_tiles;
  check(options, config, tiles);
  check_size(graph);
  MatrixMemo memo;
  std::vector<Candidate> all;
  std::string failure;
  std::vector<std::size_t> cuts = {0, graph.nodes.size()};
  std::optional<std::vector<uint64_t>> cycles;          // of the nodes, where stages are cut
  std::map<unsigned, std::vector<double>> good_prices;  // by groups, of one input in flight
  for (const Division division : divisions(options, tiles)) {
    std::vector<std::size_t> stages = cuts;
    if (division.stages > 1) {
      if (!cycles) cycles = cycles_of_nodes(graph, config, options, memo);
      if (!cycles->empty()) stages = cut_stages(graph, *cycles, division.stages);
      if (stages.size() != division.stages + 1) {
        failure = fmt::format("a network that can't be cut into {} stages", division.stages);
        continue;
      }
    }
    auto& good = good_prices[division.groups];
    auto some = plans(graph, config, options, memo, tiles, division, stages, options.page_commands,
                      division.in_flight > 1 && !good.empty() ? good : kPrices, failure);
    if (good.empty()) {
      for (std::size_t i = 0; i < std::min(some.size(), kGoodPrices); ++i)
        good.push_back(some[i].price);
    }
    if (division.stages > 1) add_cuts(graph, config, options, memo, tiles, division, stages, some);
    const std::size_t count = std::min(some.size(), kRunPlans);
    std::move(some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count),
              std::back_inserter(all));
  }
  // Pages only where nothing else fits.
  if (all.empty() && options.page_commands == 0 && !options.division)
    all = plans(graph, config, options, memo, tiles, {1, 1, 1}, cuts, kPageCommands, kPrices,
                failure);
  if (all.empty())
    throw Error("programs and data do not fit in the scratchpad", "compiler", "", failure);
  if (options.inputs > 1) return best_in_stream(std::move(all), options.dram);
  return best_for_one(std::move(all), options.dram);
}

}  // namespace systole::compile
