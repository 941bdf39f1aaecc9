// The compiler: canonical graph in, programs out. Operators are emitted one after another; each has
// its values in DRAM (or the host's records) and its work spread over all tiles.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "host/command/error.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/compile/context.hpp"
#include "host/compile/cycle_model.hpp"
#include "host/compile/map.hpp"
#include "host/compile/matmul.hpp"
#include "host/compile/matrix.hpp"
#include "host/compile/pool.hpp"
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
  Address records = 0;
};

/// One attempt at compiling a graph with a given division of the scratchpads.
class Compiler {
 public:
  Compiler(const Graph& graph, const ChipConfig& config, unsigned tiles, Budget budget)
      : graph_(graph), config_(config), budget_(budget), context_(config, tiles, budget) {}

  void run();
  Needs needs() const;
  CompiledModel result();

 private:
  void bind_inputs();
  void bind_outputs();
  void copy_outputs();
  void emit(const Node& node);

  void operator()(const Node& node, const graph::Quantize& op);
  void operator()(const Node& node, const graph::Dequantize& op);
  void operator()(const Node& node, const graph::Requantize& op);
  void operator()(const Node& node, const graph::QConv& op);
  void operator()(const Node& node, const graph::QGemm& op);
  void operator()(const Node& node, const graph::QMatMul& op);
  void operator()(const Node& node, const graph::QAdd& op);
  void operator()(const Node& node, const graph::QMaxPool& op);
  void operator()(const Node& node, const graph::QAveragePool& op);
  void operator()(const Node& node, const graph::QGlobalAveragePool& op);
  void operator()(const Node& node, const graph::Reshape& op);
  void operator()(const Node& node, const graph::Transpose& op);

  void emit_pool_node(const Node& node, PoolOperator pool);
  const Stored& stored(ValueId id) const;
  /// The value under another layout, moved there when it has a different one.
  Stored with_view(const Stored& from, const View& view);
  Stored by_channel(const Stored& from, std::size_t parameters, int64_t axis);
  Image image(const Stored& value) const;
  /// Memory for a node's output: the host's record when it is a model output in that layout.
  Stored make_output(const Node& node, View view);
  void define(const Node& node, Stored value);
  void note_place(const Stored& value);

  const Graph& graph_;
  ChipConfig config_;
  Budget budget_;
  Context context_;
  Schedule::Layout layout_;
  std::vector<std::optional<Stored>> values_;
  std::vector<Binding> inputs_, outputs_;
  std::vector<bool> output_written_;
  uint32_t input_record_ = 0, output_record_ = 0;
  std::vector<Layer> layers_;
  std::vector<TensorPlace> places_;
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
  values_.resize(graph_.values.size());
  for (const ValueId id : graph_.inputs) {
    const graph::Value& value = graph_.value(id);
    inputs_.push_back(bind(value, input_record_));
    Stored stored{value.name, value.type, value.shape, {}, View::row_major(value.shape), -1};
    stored.buffer = {Buffer::Space::Input, inputs_.back().offset, nullptr};
    values_[static_cast<std::size_t>(id)] = std::move(stored);
  }
  for (std::size_t id = 0; id < graph_.values.size(); ++id) {
    const graph::Value& value = graph_.values[id];
    if (!value.constant) continue;
    Stored stored{value.name, value.type, value.shape, {}, View::row_major(value.shape), -1};
    stored.buffer = {Buffer::Space::Dram, context_.constant(value.constant->bytes()), nullptr};
    values_[id] = std::move(stored);
  }
}

void Compiler::bind_outputs() {
  for (const ValueId id : graph_.outputs) {
    outputs_.push_back(bind(graph_.value(id), output_record_));
  }
  output_written_.assign(outputs_.size(), false);
}

const Stored& Compiler::stored(ValueId id) const {
  const auto& value = values_[static_cast<std::size_t>(id)];
  if (!value) throw Error("value is used before it is computed", graph_.value(id).name);
  return *value;
}

/// Notes where the present layer's output lies.
void Compiler::note_place(const Stored& value) {
  const int64_t bytes = value.elements() * value.element_bytes();
  TensorPlace place{
      static_cast<int>(layers_.size()) - 1, value.name, value.type, value.shape, value.view,
      TensorPlace::Space::Global,           bytes,      {}};
  const Buffer& buffer = value.buffer;
  if (buffer.space == Buffer::Space::Home) {
    place.columns = buffer.home->columns;
    for (const Home::Piece& piece : buffer.home->pieces) {
      const Address base = scratchpad_base(context_.schedule.place(piece.tile));
      place.pieces.push_back({base + piece.address(), piece.r0, piece.r1, piece.c0, piece.c1});
    }
  } else {
    if (buffer.space == Buffer::Space::Output) place.space = TensorPlace::Space::Output;
    if (buffer.space == Buffer::Space::Input) place.space = TensorPlace::Space::Input;
    place.pieces.push_back({buffer.address, 0, 1, 0, bytes});
  }
  places_.push_back(std::move(place));
}

void Compiler::define(const Node& node, Stored value) {
  note_place(value);
  values_[static_cast<std::size_t>(node.output)] = std::move(value);
}

Stored Compiler::make_output(const Node& node, View view) {
  const graph::Value& value = graph_.output_of(node);
  // A model output that nobody else reads goes straight to the host.
  const bool read = std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& other) {
    return std::count(other.inputs.begin(), other.inputs.end(), node.output) > 0;
  });
  for (std::size_t i = 0; i < outputs_.size() && !read; ++i) {
    if (graph_.outputs[i] != node.output || output_written_[i]) continue;
    if (view != View::row_major(value.shape)) continue;
    output_written_[i] = true;
    Stored out{value.name, value.type, value.shape, {}, std::move(view), -1};
    out.buffer = {Buffer::Space::Output, outputs_[i].offset, nullptr};
    return out;
  }
  return unplaced(value.name, value.type, value.shape, std::move(view));
}

Stored Compiler::with_view(const Stored& from, const View& view) {
  if (from.view == view) return from;
  Stored to = unplaced(from.name, from.type, from.shape, view);
  MapOperator op;
  op.first = &from;
  op.output = &to;
  op.passes = {copy_pass(from.type)};
  emit_map(context_, op);
  return to;
}

Image Compiler::image(const Stored& value) const {
  const Shape& s = value.shape;
  return {&value, s[0], s[2], s[3], s[1]};
}

void Compiler::copy_outputs() {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    const Stored& from = stored(graph_.outputs[i]);
    if (output_written_[i]) continue;
    context_.node_name = "output " + outputs_[i].name;
    layers_.push_back({outputs_[i].name, "Copy", 0, 0});
    context_.schedule.set_layer(static_cast<int>(layers_.size()) - 1);
    Stored to{from.name, from.type, from.shape, {}, View::row_major(from.shape), -1};
    to.buffer = {Buffer::Space::Output, outputs_[i].offset, nullptr};
    MapOperator op;
    op.first = &from;
    op.output = &to;
    op.passes = {copy_pass(from.type)};
    emit_map(context_, op);
    note_place(to);
  }
}

// ----------------------------------------------------------------------------- element by element

spec::VectorCommand division(float scale) {
  spec::VectorCommand c;
  c.op = spec::Vop::Div;
  c.s = float_bits(scale);
  c.t = float_bits(golden::quotient(1.0f, scale));
  return c;
}

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
    pass.to_temporary = true;
    pass.temporary = spec::Vtype::S32;
    set_codes(pass.command, 0, {0, 0});
    MapPass offset;
    offset.a = MapPass::Operand::Temporary;
    offset.temporary = spec::Vtype::S32;
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
    offset.to_temporary = true;
    offset.command.op = spec::Vop::Fma;
    offset.command.s = float_bits(1.0f);
    for (const int32_t zp : op.zero_point) offset.c.push_back(static_cast<float>(-zp));
    pass.a = MapPass::Operand::Temporary;
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
    real.to_temporary = true;
    real.command.op = spec::Vop::Mul;
    real.command.a_zp = static_cast<int16_t>(op.x.zero_point);
    real.command.s = float_bits(op.x.scale);
    MapPass codes;
    codes.a = MapPass::Operand::Temporary;
    codes.command = division(op.y.scale);
    set_codes(codes.command, op.y.zero_point, op.clamp);
    map.passes = {real, codes};
  }
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
    pass.b = MapPass::Operand::Second;
    pass.command.op = spec::Vop::Fma;
    pass.command.s = float_bits(k.ra);
    pass.command.t = float_bits(k.rb);
    pass.command.c = float_bits(k.offset);
    set_codes(pass.command, 0, op.clamp);
    map.passes = {pass};
  } else {
    MapPass first;
    first.to_temporary = true;
    first.command.op = spec::Vop::Mul;
    first.command.a_zp = static_cast<int16_t>(op.a.zero_point);
    first.command.s = float_bits(op.a.scale);
    MapPass sum;  // fma(a, 1, fma(b, sb, -0)): b's product rounded, then the sum
    sum.a = MapPass::Operand::Temporary;
    sum.b = MapPass::Operand::Second;
    sum.to_temporary = true;
    sum.command.op = spec::Vop::Fma;
    sum.command.b_zp = static_cast<int16_t>(op.b.zero_point);
    sum.command.s = float_bits(1.0f);
    sum.command.t = float_bits(op.b.scale);
    sum.command.c = float_bits(-0.0f);
    MapPass codes;
    codes.a = MapPass::Operand::Temporary;
    codes.command = division(op.y.scale);
    set_codes(codes.command, op.y.zero_point, op.clamp);
    map.passes = {first, sum, codes};
  }
  emit_map(context_, map);
  define(node, to);
}

// -------------------------------------------------------------------------------- movement of data

void Compiler::operator()(const Node& node, const graph::Reshape&) {
  const graph::Value& value = graph_.output_of(node);
  Stored from = stored(node.inputs[0]);
  std::optional<View> view = from.view.reshaped(value.shape);
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

// ------------------------------------------------------------------------------------- matrix unit

void Compiler::operator()(const Node& node, const graph::QConv& op) {
  const graph::Value& value = graph_.output_of(node);
  const Stored& x = stored(node.inputs[0]);
  const Stored in = with_view(x, View::channels_last(x.shape));
  Stored to = make_output(node, View::channels_last(value.shape));
  MatrixOperator matrix;
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
  matrix.clamp = op.clamp;
  const int64_t cg = op.weights.shape()[1];
  matrix.weight = [&](int64_t m, int64_t c, int64_t i, int64_t j) {
    const int64_t at = ((m * cg + c) * matrix.kh + i) * matrix.kw + j;
    return static_cast<int32_t>(op.weights.integer(at)) -
           op.w_zero_point[static_cast<std::size_t>(m)];
  };
  matrix.bias = op.bias;
  matrix.multiplier = op.multiplier;
  matrix.output = &to;
  emit_matrix(context_, matrix);
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
  std::vector<int64_t> logical(static_cast<std::size_t>(depth));
  for (std::size_t k = 0; k < at.size(); ++k) {
    logical[static_cast<std::size_t>(at[k])] = static_cast<int64_t>(k);
  }
  Stored to = make_output(node, View::row_major(value.shape));
  MatrixOperator matrix;
  matrix.in = {&in, 1, rows, 1, depth};
  matrix.out = {&to, 1, rows, 1, columns};
  matrix.x = op.x;
  matrix.y = op.y;
  matrix.clamp = op.clamp;
  matrix.float_clamp = op.float_clamp;
  matrix.weight = [&](int64_t m, int64_t c, int64_t, int64_t) {
    const int64_t k = logical[static_cast<std::size_t>(c)];
    return static_cast<int32_t>(op.weights.integer(k * columns + m)) -
           op.w_zero_point[static_cast<std::size_t>(m)];
  };
  matrix.bias = op.bias;
  matrix.multiplier = op.multiplier;
  matrix.output = &to;
  emit_matrix(context_, matrix);
  define(node, to);
}

void Compiler::operator()(const Node& node, const graph::QMatMul& op) {
  const graph::Value& value = graph_.output_of(node);
  Stored a = stored(node.inputs[0]);
  Stored b = stored(node.inputs[1]);
  a = with_view(a, View::row_major(a.shape));
  b = with_view(b, View::row_major(b.shape));
  Stored to = make_output(node, View::row_major(value.shape));
  emit_matmul(context_, {&a, &b, &to, &op});
  define(node, to);
}

// ------------------------------------------------------------------------------------------- pools

void Compiler::operator()(const Node& node, const graph::QMaxPool& op) {
  const graph::Value& value = graph_.output_of(node);
  const int32_t lowest = value.type == DataType::S8 ? -128 : 0;
  PoolOperator pool;
  pool.window = op.window;
  pool.pad = lowest;
  pool.clamp = {lowest, lowest + 255};
  emit_pool_node(node, pool);
}

void Compiler::operator()(const Node& node, const graph::QAveragePool& op) {
  PoolOperator pool;
  pool.kind = PoolOperator::Kind::Average;
  pool.window = op.window;
  pool.pad = op.x.zero_point;
  pool.count_include_pad = op.count_include_pad;
  pool.rounding = op.rounding;
  pool.x = op.x;
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
  pool.pad = op.x.zero_point;
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

void Compiler::emit(const Node& node) {
  context_.node_name = graph::operator_name(node.op) + " " + node.name;
  layers_.push_back({node.name, graph::operator_name(node.op),
                     static_cast<uint64_t>(graph::mac_count(graph_, node)), 0});
  context_.schedule.set_layer(static_cast<int>(layers_.size()) - 1);
  std::visit([&](const auto& op) { (*this)(node, op); }, node.op);
}

void Compiler::run() {
  bind_inputs();
  bind_outputs();
  // A value's memory is given back after its last reader.
  std::vector<std::size_t> last(values_.size(), 0);
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    for (const ValueId id : graph_.nodes[i].inputs) last[static_cast<std::size_t>(id)] = i;
  }
  for (const ValueId id : graph_.outputs) last[static_cast<std::size_t>(id)] = graph_.nodes.size();
  for (std::size_t i = 0; i < graph_.nodes.size(); ++i) {
    emit(graph_.nodes[i]);
    for (const ValueId id : graph_.nodes[i].inputs) {
      if (last[static_cast<std::size_t>(id)] == i) values_[static_cast<std::size_t>(id)].reset();
    }
  }
  copy_outputs();
  context_.schedule.set_layer(-1);
  context_.schedule.finish();
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
    layout_.pages.push_back(bytes == 0 ? 0 : context_.dram.allocate(bytes, "programs"));
  }
}

Needs Compiler::needs() const {
  Needs needs;
  needs.program = static_cast<uint32_t>(round_up(context_.schedule.image_bytes(), 128));
  needs.resident = context_.resident_used();
  needs.homes = context_.homes_used();
  needs.records = static_cast<Address>(
      round_up(static_cast<int64_t>(context_.dram.end()), spec::WindowGranuleBytes));
  return needs;
}

CompiledModel Compiler::result() {
  CompiledModel model;
  model.config = config_;
  model.record_base = budget_.record_base;
  model.segments = std::move(context_.segments);
  model.inputs = inputs_;
  model.outputs = outputs_;
  model.input_record = input_record_;
  model.output_record = output_record_;
  model.phases = context_.schedule.phases();
  model.layers = layers_;
  model.places = places_;
  for (unsigned t = 0; t < context_.tiles(); ++t) {
    TileProgram program = context_.schedule.assemble(t, layout_);
    if (model.phases > 1) {
      model.segments.push_back({layout_.pages[t], context_.schedule.pages(t, layout_)});
    }
    program.windows = {
        {spec::HostMemBase, spec::HostMemBytes, true, true},
        {spec::DramBase, config_.channels() * spec::DramChannelBytes, true, true},
        {spec::TileBase, Address{config_.num_rows} << spec::TileRowShift, true, true},
    };
    model.tiles.push_back(std::move(program));
  }
  return model;
}

/// Programs that are longer are cut into pages.
constexpr uint32_t kMaxProgram = 96 * 1024;
constexpr unsigned kPageCommands = 240;

/// How much of a scratchpad commands and constants take is known only afterwards: tries with little
/// for commands, then with what that would have needed; and with less and less for constants. None
/// when nothing fits.
std::optional<CompiledModel> attempt(const Graph& graph, const ChipConfig& config,
                                     const CompileOptions& options, unsigned tiles, double price,
                                     unsigned page_commands, std::string& failure) {
  for (const uint32_t limit : {96u, 64u, 32u, 12u, 0u}) {
    Budget budget;
    budget.program = 8 * 1024;
    budget.resident = limit * 1024;
    budget.homes = limit * 2 / 3 * 1024;
    budget.weight_price = price;
    budget.page_commands = page_commands;
    if (options.records_in_dram) budget.record_base = spec::DramBase;
    try {
      for (int round = 0; round < 10; ++round) {
        Compiler compiler(graph, config, tiles, budget);
        compiler.run();
        const Needs needs = compiler.needs();
        const bool fits = needs.program <= budget.program &&
                          (!options.records_in_dram || needs.records <= budget.record_base);
        const bool exact = needs.resident == budget.resident && needs.homes == budget.homes;
        if (page_commands == 0 && exact && needs.program > kMaxProgram) return std::nullopt;
        if (fits && (exact || round >= 5)) return compiler.result();
        // Constants first: what they leave free changes the rest. Then a little more than needed
        // for commands, since less memory for data may mean more of them.
        if (exact && needs.program > budget.program) budget.program = needs.program + 512;
        budget.resident = needs.resident;
        budget.homes = needs.homes;
        if (options.records_in_dram) budget.record_base = needs.records;
      }
    } catch (const Error& error) {
      if (error.problem() != kNoRoom) throw;
      failure = error.what();
    }
  }
  return std::nullopt;
}

}  // namespace

CompiledModel compile(const Graph& graph, const ChipConfig& config, const CompileOptions& options) {
  const unsigned tiles = options.use_tiles == 0 ? config.tiles() : options.use_tiles;
  if (tiles > config.tiles()) {
    throw Error("not so many compute tiles", "configuration " + config.name,
                "at most " + std::to_string(config.tiles()), std::to_string(tiles));
  }
  // Divisions of the work by rows keep all weights in every tile, divisions by channels a part of
  // them: the prediction decides. Pages only where nothing else fits.
  std::optional<CompiledModel> best;
  std::string failure;
  std::vector<unsigned> page_commands = {options.page_commands};
  if (options.page_commands == 0) page_commands.push_back(kPageCommands);
  for (const unsigned page : page_commands) {
    for (const double price : {0.0, 0.01, 0.04}) {
      std::optional<CompiledModel> model =
          attempt(graph, config, options, tiles, price, page, failure);
      if (!model || (best && model->digest() == best->digest())) continue;
      predict_stream(*model, options.dram);
      if (!best || model->spacing < best->spacing) best = std::move(model);
      if (tiles == 1) break;
    }
    if (best) break;
  }
  if (best) {
    predict_latency(*best, options.dram);
    return std::move(*best);
  }
  throw Error("programs and data do not fit in the scratchpad", "compiler", "", failure);
}

}  // namespace systole::compile
