// Random graphs of every operator: compiled, executed by the functional model in several orders,
// compared with the graph reference element by element.
#include <catch2/catch.hpp>

#include "host/command/error.hpp"
#include "host/golden/arith.hpp"
#include "tests/host/compile_run.hpp"
#include "tests/support/seed.hpp"

using namespace systole;
using test::one_in;
using test::uniform;
using Rng = std::mt19937_64;

namespace {

/// Grows a canonical graph node by node.
class RandomGraph {
 public:
  explicit RandomGraph(Rng& rng) : rng_(rng) {}

  graph::ValueId value(DataType type, Shape shape) {
    const auto id = static_cast<graph::ValueId>(graph.values.size());
    graph.values.push_back({"v" + std::to_string(id), type, std::move(shape), {}});
    return id;
  }
  graph::ValueId input(DataType type, Shape shape) {
    const graph::ValueId id = value(type, std::move(shape));
    graph.inputs.push_back(id);
    return id;
  }
  graph::ValueId add(graph::Operator op, std::vector<graph::ValueId> inputs, DataType type,
                     Shape shape) {
    const graph::ValueId out = value(type, std::move(shape));
    graph.nodes.push_back({"node" + std::to_string(out), std::move(op), std::move(inputs), out});
    return out;
  }

  DataType byte_type() { return one_in(rng_, 2) ? DataType::S8 : DataType::U8; }
  DataType type(graph::ValueId id) { return graph.value(id).type; }
  const Shape& shape(graph::ValueId id) { return graph.value(id).shape; }
  float scale() {
    return std::ldexp(1.0f + 0.01f * static_cast<float>(uniform(rng_, 0, 99)),
                      static_cast<int>(uniform(rng_, -7, -3)));
  }
  int32_t zero_point(DataType type) {
    if (one_in(rng_, 3)) return 0;
    return static_cast<int32_t>(type == DataType::S8 ? uniform(rng_, -128, 127)
                                                     : uniform(rng_, 0, 255));
  }
  graph::QuantParams params(DataType type) { return {scale(), zero_point(type)}; }
  graph::Clamp clamp(DataType type) {
    graph::Clamp c = type == DataType::S8 ? graph::Clamp{-128, 127} : graph::Clamp{0, 255};
    if (one_in(rng_, 3)) c.lo += static_cast<int32_t>(uniform(rng_, 0, 100));
    if (one_in(rng_, 4)) c.hi -= static_cast<int32_t>(uniform(rng_, 0, 100));
    return c;
  }
  graph::FloatClamp float_clamp() {
    graph::FloatClamp c;
    if (one_in(rng_, 3)) c.lo = 0.0f;
    if (one_in(rng_, 3)) c.hi = 2.0f;
    return c;
  }
  Tensor random_tensor(DataType type, const Shape& shape) {
    Tensor t(type, shape);
    if (type == DataType::F32) {
      for (int64_t i = 0; i < t.size(); ++i) {
        t.data<float>()[i] = static_cast<float>(uniform(rng_, -4000, 4000)) / 256.0f;
      }
    } else {
      for (auto& byte : t.bytes()) byte = static_cast<uint8_t>(uniform(rng_, 0, 255));
    }
    return t;
  }

  graph::ValueId quantize(graph::ValueId x) {
    const DataType t = byte_type();
    graph::Quantize op;
    const Shape s = shape(x);
    int64_t count = 1;
    if (s.size() > 1 && one_in(rng_, 4)) {
      op.axis = uniform(rng_, 0, static_cast<int64_t>(s.size()) - 1);
      count = s[static_cast<std::size_t>(op.axis)];
    }
    for (int64_t i = 0; i < count; ++i) {
      op.scale.push_back(scale() * 4);
      op.zero_point.push_back(zero_point(t));
    }
    op.clamp = clamp(t);
    return add(op, {x}, t, s);
  }
  graph::ValueId dequantize(graph::ValueId x) {
    graph::Dequantize op;
    const Shape s = shape(x);
    int64_t count = 1;
    if (s.size() > 1 && one_in(rng_, 3)) {
      op.axis = uniform(rng_, 0, static_cast<int64_t>(s.size()) - 1);
      count = s[static_cast<std::size_t>(op.axis)];
    }
    for (int64_t i = 0; i < count; ++i) {
      op.scale.push_back(scale());
      op.zero_point.push_back(zero_point(type(x)));
    }
    op.clamp = float_clamp();
    return add(op, {x}, DataType::F32, s);
  }
  graph::ValueId requantize(graph::ValueId x) {
    graph::Requantize op;
    op.x = params(type(x));
    op.clamp = clamp(type(x));
    if (one_in(rng_, 3)) {
      op.y = op.x;
      return add(op, {x}, type(x), shape(x));
    }
    const DataType t = byte_type();
    op.y = params(t);
    op.clamp = clamp(t);
    return add(op, {x}, t, shape(x));
  }

  template <typename Op>
  void weights(Op& op, int64_t channels, Shape shape, DataType t, float depth) {
    op.weights = random_tensor(byte_type(), shape);
    const bool per_channel = one_in(rng_, 2);
    const bool zeros = one_in(rng_, 2);
    for (int64_t m = 0; m < channels; ++m) {
      if (m == 0 || per_channel) {
        op.w_scale.push_back(scale());
        op.w_zero_point.push_back(zeros ? 0 : zero_point(op.weights.type()));
      } else {
        op.w_scale.push_back(op.w_scale[0]);
        op.w_zero_point.push_back(op.w_zero_point[0]);
      }
      op.bias.push_back(static_cast<int32_t>(uniform(rng_, -5000, 5000)));
    }
    result(op, op.x.scale, op.w_scale, t, depth);
  }
  /// What becomes of the accumulators of a Conv or a product.
  template <typename Op>
  void result(Op& op, float x_scale, const std::vector<float>& w_scale, DataType t, float depth) {
    if (t == DataType::F32 || t == DataType::S32) {
      op.y = {};
    } else {
      op.y = params(t);
      op.clamp = clamp(t);
      op.y.scale = x_scale * w_scale[0] * 60.0f * std::sqrt(depth);
    }
    for (const float s : w_scale) {
      op.multiplier.push_back(golden::accumulator_multiplier(x_scale, s, op.y.scale));
    }
  }

  graph::Window window(int64_t h, int64_t w, int64_t most, bool dilate) {
    graph::Window win;
    const int64_t sizes[2] = {h, w};
    for (int d = 0; d < 2; ++d) {
      win.dilation[d] = dilate && one_in(rng_, 4) ? uniform(rng_, 1, 3) : 1;
      win.kernel[d] = uniform(rng_, 1, most);
      win.stride[d] = uniform(rng_, 1, 3);
      win.pads[d] = uniform(rng_, 0, win.kernel[d] - 1);
      win.pads[d + 2] = uniform(rng_, 0, win.kernel[d] - 1);
      while ((win.kernel[d] - 1) * win.dilation[d] + 1 > sizes[d] + win.pads[d] + win.pads[d + 2]) {
        if (win.dilation[d] > 1)
          --win.dilation[d];
        else if (win.kernel[d] > 1)
          --win.kernel[d];
        win.pads[d] = std::min(win.pads[d], win.kernel[d] - 1);
        win.pads[d + 2] = std::min(win.pads[d + 2], win.kernel[d] - 1);
      }
    }
    return win;
  }
  static int64_t out_size(const graph::Window& w, int d, int64_t size) {
    return (size + w.pads[d] + w.pads[d + 2] - (w.kernel[d] - 1) * w.dilation[d] - 1) /
               w.stride[d] +
           1;
  }

  graph::ValueId conv(graph::ValueId x, int64_t most_channels = 40) {
    return conv(x, most_channels, byte_type());
  }
  graph::ValueId conv(graph::ValueId x, int64_t most_channels, DataType t) {
    const Shape s = shape(x);
    graph::QConv op;
    op.window = window(s[2], s[3], 5, true);
    if (one_in(rng_, 4)) op.window = graph::Window{};
    int64_t m = uniform(rng_, 1, most_channels);
    switch (uniform(rng_, 0, 3)) {
      case 0:  // depthwise
        op.group = s[1];
        m = s[1] * uniform(rng_, 1, 2);
        break;
      case 1: {  // some groups
        op.group = uniform(rng_, 1, s[1]);
        while (s[1] % op.group != 0) --op.group;
        m = op.group * uniform(rng_, 1, 9);
        break;
      }
      default:
        break;
    }
    return conv(x, op, m, t);
  }
  /// The window and the groups of `op`, m channels.
  graph::ValueId conv(graph::ValueId x, graph::QConv op, int64_t m, DataType t) {
    const Shape s = shape(x);
    op.x = params(type(x));
    const Shape w = {m, s[1] / op.group, op.window.kernel[0], op.window.kernel[1]};
    weights(op, m, w, t, static_cast<float>(w[1] * w[2] * w[3]));
    return add(op, {x}, t, {s[0], m, out_size(op.window, 0, s[2]), out_size(op.window, 1, s[3])});
  }
  /// As many pixels as there were, or half or a third of them.
  graph::ValueId padded_conv(graph::ValueId x, int64_t group, int64_t m, int64_t kernel,
                             int64_t stride) {
    graph::QConv op;
    op.group = group;
    op.window.kernel = {kernel, kernel};
    op.window.stride = {stride, stride};
    const int64_t before = uniform(rng_, (kernel - 1) / 2, kernel / 2);
    op.window.pads = {before, before, kernel - 1 - before, kernel - 1 - before};
    return conv(x, op, m, byte_type());
  }
  graph::ValueId gemm(graph::ValueId x, int64_t columns) { return gemm(x, columns, byte_type()); }
  graph::ValueId gemm(graph::ValueId x, int64_t columns, DataType t) {
    const Shape s = shape(x);
    graph::QGemm op;
    op.x = params(type(x));
    weights(op, columns, {s[1], columns}, t, static_cast<float>(s[1]));
    if (t == DataType::F32) op.float_clamp = float_clamp();
    // Sums that binary32 does not hold.
    if (t == DataType::S32) op.bias[0] = (1 << 30) + 1;
    return add(op, {x}, t, {s[0], columns});
  }
  /// Products of a [A, M, K] and b [B, K, N], of which A or B may be 1.
  graph::ValueId matmul(graph::ValueId a, graph::ValueId b, DataType t) {
    const Shape as = shape(a), bs = shape(b);
    graph::QMatMul op;
    op.a = params(type(a));
    const bool per_column = one_in(rng_, 2);
    for (int64_t i = 0; i < bs[2]; ++i) {
      op.b_scale.push_back(i == 0 || per_column ? scale() : op.b_scale[0]);
      op.b_zero_point.push_back(i == 0 || per_column ? zero_point(type(b)) : op.b_zero_point[0]);
      op.bias.push_back(static_cast<int32_t>(uniform(rng_, -1000, 1000)));
    }
    result(op, op.a.scale, op.b_scale, t, static_cast<float>(as[2]));
    if (t == DataType::F32) op.float_clamp = float_clamp();
    const int64_t products = std::max(as[0], bs[0]);
    for (int64_t p = 0; p < products; ++p) {
      op.a_batch.push_back(p % as[0]);
      op.b_batch.push_back(p % bs[0]);
    }
    return add(op, {a, b}, t, {products, as[1], bs[2]});
  }
  /// The last node, a product without padding, with zero points that are computed at run time.
  void give_zero_points(bool a, bool b = false) {
    graph::Node& node = graph.nodes.back();
    if (auto* product = std::get_if<graph::QMatMul>(&node.op)) {
      product->gives_a_zero = a;
      product->gives_b_zero = b;
    } else if (auto* conv = std::get_if<graph::QConv>(&node.op)) {
      const Shape& s = shape(node.inputs[0]);
      Shape& out = graph.values[static_cast<std::size_t>(node.output)].shape;
      conv->window.pads = {};
      for (int d = 0; d < 2; ++d) {
        const auto at = static_cast<std::size_t>(d + 2);
        conv->window.dilation[d] = 1;
        conv->window.kernel[d] = std::min(conv->window.kernel[d], s[at]);
        out[at] = out_size(conv->window, d, s[at]);
      }
      const Shape& w = conv->weights.shape();
      conv->weights = random_tensor(conv->weights.type(),
                                    {w[0], w[1], conv->window.kernel[0], conv->window.kernel[1]});
    }
    for (const std::size_t i : {0u, 1u}) {
      if (i == 0 ? a : b) node.inputs.push_back(input(type(node.inputs[i]), {}));
    }
  }
  /// What DynamicQuantizeLinear becomes: range, scale, zero point and codes.
  std::array<graph::ValueId, 4> quantize_dynamically(graph::ValueId x) {
    const auto reach = add(graph::Reach{}, {x}, DataType::F32, {2});
    const auto scale = add(graph::DynamicParameter{false}, {reach}, DataType::F32, {});
    const auto zero = add(graph::DynamicParameter{true}, {reach}, DataType::U8, {});
    const auto q = add(graph::DynamicQuantize{}, {x, scale, zero}, DataType::U8, shape(x));
    return {reach, scale, zero, q};
  }
  DataType any_type() { return one_in(rng_, 3) ? DataType::F32 : byte_type(); }
  /// Sets what a quantized result needs.
  template <typename Op>
  void quantized(Op& op, DataType t) {
    if (t == DataType::F32) return;
    op.y = params(t);
    op.clamp = clamp(t);
  }
  graph::ValueId unary(graph::ValueId x, graph::Function function) {
    graph::Unary op;
    op.function = function;
    op.alpha =
        function == graph::Function::Clip ? -1.5f : scale() * (one_in(rng_, 3) ? -9.0f : 9.0f);
    op.beta = 0.5f;
    if (type(x) != DataType::F32) op.x = params(type(x));
    const DataType t = any_type();
    quantized(op, t);
    return add(op, {x}, t, shape(x));
  }
  graph::ValueId binary(graph::ValueId a, graph::ValueId b, graph::BinaryFunction function,
                        Shape out) {
    graph::Binary op;
    op.function = function;
    const bool codes = type(a) == type(b) && type(a) != DataType::F32;
    if (codes && one_in(rng_, 4)) {
      op.wraps = true;
      return add(op, {a, b}, type(a), std::move(out));
    }
    DataType t = any_type();
    if (codes && function == graph::BinaryFunction::Mul && one_in(rng_, 2)) {
      t = type(a);
      op.rounding = graph::Rounding::AfterOffset;
    }
    if (type(a) != DataType::F32) op.a = params(type(a));
    if (type(b) != DataType::F32) op.b = params(type(b));
    quantized(op, t);
    return add(op, {a, b}, t, std::move(out));
  }
  template <typename Op>
  graph::ValueId rows(graph::ValueId x, Shape out) {
    Op op;
    if (type(x) != DataType::F32) op.x = params(type(x));
    const DataType t = any_type();
    quantized(op, t);
    return add(op, {x}, t, std::move(out));
  }
  graph::ValueId max_pool(graph::ValueId x) {
    const Shape s = shape(x);
    graph::QMaxPool op;
    op.window = window(s[2], s[3], 4, true);
    return add(op, {x}, type(x),
               {s[0], s[1], out_size(op.window, 0, s[2]), out_size(op.window, 1, s[3])});
  }
  graph::ValueId average_pool(graph::ValueId x) {
    const Shape s = shape(x);
    graph::QAveragePool op;
    op.window = window(s[2], s[3], 4, false);
    op.counted = static_cast<graph::Counted>(uniform(rng_, 0, 2));
    op.rounding = one_in(rng_, 2) ? graph::Rounding::AfterOffset : graph::Rounding::BeforeOffset;
    if (type(x) != DataType::F32) op.x = params(type(x));
    const DataType t = any_type();
    quantized(op, t);
    return add(op, {x}, t,
               {s[0], s[1], out_size(op.window, 0, s[2]), out_size(op.window, 1, s[3])});
  }
  graph::ValueId global_pool(graph::ValueId x) {
    const Shape s = shape(x);
    graph::QGlobalAveragePool op;
    op.x = params(type(x));
    const DataType t = byte_type();
    op.y = params(t);
    op.clamp = clamp(t);
    return add(op, {x}, t, {s[0], s[1], 1, 1});
  }
  graph::ValueId add_values(graph::ValueId a, graph::ValueId b, Shape out) {
    graph::QAdd op;
    op.a = params(type(a));
    op.b = params(type(b));
    const DataType t = byte_type();
    op.y = params(t);
    op.rounding = one_in(rng_, 2) ? graph::Rounding::AfterOffset : graph::Rounding::BeforeOffset;
    op.clamp = clamp(t);
    return add(op, {a, b}, t, std::move(out));
  }
  graph::ValueId constant(Shape s) { return constant(std::move(s), byte_type()); }
  graph::ValueId constant(Shape s, DataType t) {
    const graph::ValueId id = value(t, s);
    graph.values[static_cast<std::size_t>(id)].constant = random_tensor(t, s);
    return id;
  }
  /// At most so many along the first axis, unless it stays: each image has commands of its own.
  graph::ValueId transpose(graph::ValueId x, int64_t most_images = 1 << 30) {
    graph::Transpose op;
    const Shape s = shape(x);
    for (std::size_t i = 0; i < s.size(); ++i) op.perm.push_back(static_cast<int64_t>(i));
    do {
      std::shuffle(op.perm.begin(), op.perm.end(), rng_);
    } while (!op.perm.empty() && op.perm[0] != 0 &&
             s[static_cast<std::size_t>(op.perm[0])] > most_images);
    Shape out;
    for (const int64_t p : op.perm) out.push_back(s[static_cast<std::size_t>(p)]);
    return add(op, {x}, type(x), out);
  }
  /// One axis of a selection, of a random kind.
  graph::IndexMap index_map(int64_t size) {
    graph::IndexMap map;
    switch (uniform(rng_, 0, 5)) {
      case 0: {  // a slice
        const int64_t step = uniform(rng_, 1, 3), start = uniform(rng_, 0, size - 1);
        for (int64_t i = start; i < size; i += step) map.push_back(i);
        if (one_in(rng_, 2)) std::reverse(map.begin(), map.end());
        return map;
      }
      case 1:  // constant padding
        map = graph::identity_map(size);
        map.insert(map.begin(), static_cast<std::size_t>(uniform(rng_, 0, 3)), graph::kFillIndex);
        map.insert(map.end(), static_cast<std::size_t>(uniform(rng_, 0, 3)), graph::kFillIndex);
        return map;
      case 2: {  // nearest neighbours
        const int64_t out = uniform(rng_, 1, 3 * size);
        for (int64_t i = 0; i < out; ++i) map.push_back(i * size / out);
        return map;
      }
      case 3:  // whatever, fill values in between
        for (int64_t i = uniform(rng_, 1, 9); i > 0; --i) {
          map.push_back(uniform(rng_, one_in(rng_, 4) ? -1 : 0, size - 1));
        }
        return map;
      default:
        return graph::identity_map(size);
    }
  }
  graph::ValueId select(graph::ValueId x) {
    graph::Select op;
    for (const int64_t size : shape(x)) op.index.push_back(index_map(size));
    op.fill = random_tensor(type(x), {});
    const Shape out = graph::selected_shape(op.index);
    return add(std::move(op), {x}, type(x), out);
  }
  graph::ValueId concat(std::vector<graph::ValueId> parts, int64_t axis) {
    Shape out = shape(parts[0]);
    auto& size = out[static_cast<std::size_t>(axis)];
    size = 0;
    for (const graph::ValueId part : parts) size += shape(part)[static_cast<std::size_t>(axis)];
    const DataType t = type(parts[0]);
    return add(graph::Concat{axis}, std::move(parts), t, std::move(out));
  }
  /// `x` and one to three others, which are like it but along one axis.
  graph::ValueId concat(graph::ValueId x) {
    const int64_t axis = uniform(rng_, 0, static_cast<int64_t>(shape(x).size()) - 1);
    std::vector<graph::ValueId> parts = {x};
    for (int64_t i = uniform(rng_, 1, 3); i > 0; --i) {
      Shape s = shape(x);
      s[static_cast<std::size_t>(axis)] = uniform(rng_, 1, 9);
      const graph::ValueId other = value(type(x), s);
      if (one_in(rng_, 3)) {
        graph.values.back().constant = random_tensor(type(x), s);
      } else {
        graph.inputs.push_back(other);
      }
      parts.push_back(other);
    }
    std::shuffle(parts.begin(), parts.end(), rng_);
    return concat(std::move(parts), axis);
  }
  graph::ValueId reshape(graph::ValueId x, Shape s) {
    return add(graph::Reshape{}, {x}, type(x), std::move(s));
  }
  void output(graph::ValueId x) { graph.outputs.push_back(x); }

  /// A random operator on a [N, C, H, W] value.
  graph::ValueId any(graph::ValueId x) {
    const Shape s = shape(x);
    if (type(x) == DataType::F32 && !one_in(rng_, 4)) return quantize(x);
    if (one_in(rng_, 6)) return unary(x, static_cast<graph::Function>(uniform(rng_, 0, 5)));
    if (type(x) == DataType::F32) return one_in(rng_, 2) ? max_pool(x) : average_pool(x);
    switch (uniform(rng_, 0, 11)) {
      case 10:
        return element_count(s) < 20000 ? select(x) : x;
      case 11:
        return concat(x);
      case 0:
        return requantize(x);
      case 1:
        return max_pool(x);
      case 2:
        return average_pool(x);
      case 3: {
        Shape b = s;
        for (auto& d : b) d = one_in(rng_, 2) ? 1 : d;
        return add_values(x, constant(b), s);
      }
      case 4:
        return add_values(x, x, s);
      case 5:
        return transpose(x, 10);
      case 6:
        return reshape(x, {s[0], s[1] * s[2], s[3], 1});
      default:
        return conv(x);
    }
  }

  graph::Tensors record() {
    graph::Tensors tensors;
    for (const graph::ValueId id : graph.inputs) {
      tensors[graph.value(id).name] = random_tensor(type(id), shape(id));
    }
    return tensors;
  }

  graph::Graph graph;

 private:
  Rng& rng_;
};

/// A random division of so many tiles.
compile::Division random_division(unsigned tiles, Rng& rng) {
  compile::Division division;
  do {
    division.groups = static_cast<unsigned>(uniform(rng, 1, tiles));
  } while (tiles % division.groups != 0);
  const unsigned stages = tiles / division.groups;
  if (stages > 1 && stages <= 4 && one_in(rng, 2)) {
    division.stages = stages;
  } else {
    division.in_flight = static_cast<unsigned>(uniform(rng, 1, 3));
  }
  return division;
}

/// Few random graphs have places where they can be cut into as many stages, and a stage has no
/// pages.
bool can_be_compiled(const graph::Graph& graph, const ChipConfig& config, unsigned tiles,
                     const compile::Division& division) {
  if (division.stages == 1) return true;
  compile::CompileOptions options;
  options.use_tiles = tiles;
  options.division = division;
  try {
    compile::compile(graph, config, options);
    return true;
  } catch (const Error& error) {
    REQUIRE_THAT(error.what(), Catch::Contains("can't be cut") || Catch::Contains("the program"));
    return false;
  }
}

/// Checks the graph on a random chip, with one to three records.
void check(RandomGraph& random, Rng& rng) {
  const char* const names[] = {"tiny", "small", "small", "medium"};
  const ChipConfig config = chip_config(names[uniform(rng, 0, 3)]);
  const auto tiles = static_cast<unsigned>(uniform(rng, 1, config.tiles()));
  std::vector<graph::Tensors> records;
  for (int64_t i = uniform(rng, 1, 3); i > 0; --i) records.push_back(random.record());
  const unsigned page = one_in(rng, 4) ? static_cast<unsigned>(uniform(rng, 40, 120)) : 0;
  std::optional<compile::Division> division;
  if (one_in(rng, 2)) division = random_division(tiles, rng);
  if (page > 0 && division && division->stages > 1) division.reset();  // never both
  if (division && !can_be_compiled(random.graph, config, tiles, *division)) division.reset();
  test::check_graph(random.graph, config, tiles, records, {rng() | 1}, page, division);
}

Shape random_image(Rng& rng) {
  return {uniform(rng, 1, 2), uniform(rng, 1, 40), uniform(rng, 1, 17), uniform(rng, 1, 17)};
}

template <typename Body>
void repeat(int times, uint64_t stream, Body body) {
  Rng rng = test::make_rng(stream);
  for (int i = 0; i < times; ++i) {
    INFO("graph " << i);
    RandomGraph random(rng);
    body(random, rng);
    check(random, rng);
  }
}

}  // namespace

TEST_CASE("conversions between floats and codes are bit-exact", "[compile]") {
  repeat(30, 1, [](RandomGraph& g, Rng& rng) {
    Shape shape;
    for (int64_t i = uniform(rng, 0, 4); i > 0; --i) shape.push_back(uniform(rng, 1, 19));
    auto x = g.quantize(g.input(DataType::F32, shape));
    if (one_in(rng, 2)) x = g.requantize(x);
    g.output(one_in(rng, 3) ? x : g.dequantize(x));
  });
}

TEST_CASE("movements of data are bit-exact", "[compile]") {
  repeat(30, 2, [](RandomGraph& g, Rng& rng) {
    auto x = g.input(one_in(rng, 3) ? DataType::F32 : g.byte_type(), random_image(rng));
    for (int64_t i = uniform(rng, 1, 3); i > 0; --i) {
      const Shape s = g.shape(x);
      if (one_in(rng, 2)) {
        x = g.transpose(x);
      } else {
        x = g.reshape(x, s.size() == 4 ? Shape{s[0] * s[1], s[2] * s[3]} : Shape{s[1], 1, s[0], 1});
      }
    }
    g.output(x);
  });
}

TEST_CASE("selections and concatenations are bit-exact, in every type and rank", "[compile]") {
  const DataType types[] = {DataType::S8, DataType::U8, DataType::F32, DataType::S32,
                            DataType::S64};
  repeat(120, 16, [&](RandomGraph& g, Rng& rng) {
    Shape shape;
    for (int64_t i = uniform(rng, 1, 5); i > 0; --i) shape.push_back(uniform(rng, 1, 9));
    if (one_in(rng, 3)) shape = random_image(rng);
    auto x = g.input(types[uniform(rng, 0, 4)], shape);
    // In the other layout at first, where there are two.
    if (shape.size() == 4 && g.type(x) != DataType::F32 && one_in(rng, 2)) {
      if (g.type(x) == DataType::S8 || g.type(x) == DataType::U8) x = g.max_pool(x);
    }
    for (int64_t i = uniform(rng, 1, 3); i > 0; --i) {
      const int64_t kind = uniform(rng, 0, 4);
      x = kind == 0 ? g.transpose(x) : kind == 1 ? g.concat(x) : g.select(x);
    }
    g.output(x);
  });
}

TEST_CASE("large selections are spread over tiles and blocks", "[compile]") {
  Rng rng = test::make_rng(17);
  RandomGraph g(rng);
  const auto x = g.input(DataType::F32, {3, 200, 300});
  graph::Select op;
  op.index = {graph::identity_map(3), graph::identity_map(200), graph::identity_map(300)};
  op.index[1].insert(op.index[1].begin(), 5, graph::kFillIndex);
  std::reverse(op.index[2].begin(), op.index[2].end());
  op.fill = g.random_tensor(DataType::F32, {});
  const auto y = g.add(op, {x}, DataType::F32, {3, 205, 300});
  g.output(g.concat({x, y}, 1));
  g.output(y);
  test::check_graph(g.graph, chip_config("small"), 3, {g.record(), g.record()}, {1, 2});
}

TEST_CASE("convolutions are bit-exact", "[compile]") {
  repeat(60, 3, [](RandomGraph& g, Rng& rng) {
    g.output(g.conv(g.input(g.byte_type(), random_image(rng))));
  });
}

TEST_CASE("depthwise and 1x1 layers in turn are bit-exact, however divided", "[compile]") {
  repeat(60, 24, [](RandomGraph& g, Rng& rng) {
    const int64_t width = uniform(rng, 1, 8) * (one_in(rng, 4) ? 1 : 2);
    const int64_t unit = one_in(rng, 4) ? uniform(rng, 1, 12) : 8;
    auto x = g.input(g.byte_type(), {one_in(rng, 4) ? 2 : 1, unit * uniform(rng, 1, 5),
                                     uniform(rng, 1, 16), width});
    for (int64_t blocks = uniform(rng, 1, 3); blocks > 0; --blocks) {
      const int64_t channels = g.shape(x)[1];
      x = g.padded_conv(x, channels, channels, uniform(rng, 2, 4), one_in(rng, 3) ? 2 : 1);
      x = g.padded_conv(x, 1, unit * uniform(rng, 1, 5), one_in(rng, 4) ? 3 : 1, 1);
    }
    if (one_in(rng, 2)) x = g.padded_conv(x, 1, uniform(rng, 1, 20), uniform(rng, 1, 3), 1);
    g.output(x);
  });
}

TEST_CASE("convolutions with few outputs are bit-exact", "[compile]") {
  repeat(40, 25, [](RandomGraph& g, Rng& rng) {
    auto x = g.input(g.byte_type(), {one_in(rng, 4) ? 2 : 1, uniform(rng, 1, 9),
                                     uniform(rng, 1, 12), 2 * uniform(rng, 1, 10)});
    for (int64_t layers = uniform(rng, 1, 3); layers > 0; --layers) {
      const int64_t channels = g.shape(x)[1];
      const bool depthwise = channels <= 8 && one_in(rng, 3);
      x = g.padded_conv(x, depthwise ? channels : 1, depthwise ? channels : uniform(rng, 1, 8),
                        uniform(rng, 1, 5), uniform(rng, 1, 2));
    }
    g.output(x);
  });
}

/// Rows that the matrix unit of a lone tile streams for a layer, and its loads from scratchpads.
struct Work {
  int64_t rows = 0, moves = 0;
};

Work work_of(graph::Graph graph, int layer) {
  // Weights of one part.
  for (graph::Node& node : graph.nodes) {
    auto& zeros = std::get<graph::QConv>(node.op).w_zero_point;
    std::fill(zeros.begin(), zeros.end(), 0);
  }
  compile::CompileOptions options;
  options.use_tiles = 1;
  const compile::CompiledModel model = compile::compile(graph, chip_config("tiny"), options);
  const compile::TileProgram& tile = model.tiles.at(0);
  Work work;
  for (const spec::Unit unit : {spec::Unit::Matrix, spec::Unit::Load}) {
    const auto commands = compile::commands_of(tile, unit);
    const auto& layers = tile.layer_of_command[static_cast<std::size_t>(unit)];
    for (std::size_t i = 0; i < commands.size(); ++i) {
      if (layers.at(i) != layer) continue;
      const auto opcode = spec::CommandHeader::decode(commands[i]).opcode;
      if (opcode == spec::Opcode::Matmul) {
        const auto c = spec::MatmulCommand::decode(commands[i]);
        work.rows += int64_t{c.rcount0} * c.rcount1 * c.rcount2 * c.ncount * c.kcount0 * c.kcount1 *
                     c.kcount2;
      }
      if (opcode == spec::Opcode::Load)
        work.moves += spec::LoadCommand::decode(commands[i]).addr >= spec::TileBase ? 1 : 0;
    }
  }
  return work;
}

TEST_CASE("two pixels of eight channels take three steps in a depthwise layer", "[compile]") {
  Rng rng = test::make_rng(26);
  RandomGraph g(rng);
  auto x = g.padded_conv(g.input(DataType::S8, {1, 32, 6, 8}), 32, 32, 3, 1);
  g.output(g.padded_conv(x, 1, 16, 1, 1));
  CHECK(work_of(g.graph, 0).rows == 6 * 8 * 32 / 16 * 3);
  CHECK(work_of(g.graph, 1).rows == 6 * 8);
}

TEST_CASE("columns that few channels leave idle take another pixel", "[compile]") {
  Rng rng = test::make_rng(27);
  RandomGraph g(rng);
  g.output(g.padded_conv(g.input(DataType::S8, {1, 3, 6, 8}), 1, 8, 3, 1));
  CHECK(work_of(g.graph, 0).rows == 6 * 8 / 2 * 2);
}

TEST_CASE("a tile that holds an image with its padding moves nothing", "[compile]") {
  Rng rng = test::make_rng(28);
  RandomGraph g(rng);
  auto x = g.padded_conv(g.input(DataType::S8, {1, 16, 6, 7}), 1, 16, 3, 1);
  g.output(g.padded_conv(x, 1, 16, 3, 2));
  CHECK(work_of(g.graph, 1).moves == 0);
}

TEST_CASE("multiplications by constant matrices are bit-exact", "[compile]") {
  repeat(30, 4, [](RandomGraph& g, Rng& rng) {
    auto x = g.input(g.byte_type(), {uniform(rng, 1, 40), uniform(rng, 1, 300)});
    if (one_in(rng, 3)) x = g.transpose(x);
    g.output(g.gemm(x, uniform(rng, 1, 70)));
  });
}

/// Products of one row, one behind the other; now and then something else on the way.
void grow_chain(RandomGraph& g, Rng& rng, graph::ValueId x) {
  for (int64_t i = uniform(rng, 2, 6); i > 0; --i) {
    const int64_t most = one_in(rng, 3) ? 20 : one_in(rng, 3) ? 300 : 150;
    x = g.gemm(x, uniform(rng, 1, most));
    if (one_in(rng, 12)) x = g.requantize(x);
    if (one_in(rng, 12)) x = g.add_values(x, g.constant(g.shape(x)), g.shape(x));
    if (one_in(rng, 12)) g.output(x);
    if (one_in(rng, 12)) g.output(g.gemm(x, uniform(rng, 1, 100)));
  }
  g.output(g.gemm(x, uniform(rng, 1, 100)));
}

TEST_CASE("chains of products of one row are bit-exact", "[compile]") {
  repeat(80, 40, [](RandomGraph& g, Rng& rng) {
    grow_chain(g, rng, g.input(g.byte_type(), {1, uniform(rng, 1, 300)}));
    if (one_in(rng, 4)) grow_chain(g, rng, g.input(g.byte_type(), {1, uniform(rng, 1, 100)}));
  });
}

TEST_CASE("two to four tiles run chains of products in any order", "[compile]") {
  Rng rng = test::make_rng(41);
  for (int i = 0; i < 24; ++i) {
    INFO("graph " << i);
    RandomGraph g(rng);
    grow_chain(g, rng, g.input(g.byte_type(), {1, uniform(rng, 1, 300)}));
    std::vector<graph::Tensors> records;
    for (int64_t record = uniform(rng, 1, 5); record > 0; --record) records.push_back(g.record());
    const auto tiles = static_cast<unsigned>(uniform(rng, 2, 4));
    const auto in_flight = static_cast<unsigned>(uniform(rng, 1, 4));
    test::check_graph(g.graph, chip_config("small"), tiles, records, {1, 2, 3, 4, 5, 6, 7, 8}, 0,
                      compile::Division{1, in_flight, 1});
  }
}

TEST_CASE("tiles push a row that all of them read, and meet for no load", "[compile]") {
  for (const unsigned tiles : {2u, 3u, 4u}) {
    Rng rng = test::make_rng(42);
    RandomGraph g(rng);
    auto x = g.input(DataType::S8, {1, 96});
    for (const int64_t columns : {192, 384, 1, 192, 70}) x = g.gemm(x, columns, DataType::S8);
    g.output(x);
    compile::CompileOptions options;
    options.use_tiles = tiles;
    const auto model = compile::compile(g.graph, chip_config("small"), options);
    std::size_t posts = 0;
    for (const compile::TileProgram& tile : model.tiles) {
      for (const spec::CommandWords& words : compile::commands_of(tile, spec::Unit::Load)) {
        if (spec::CommandHeader::decode(words).opcode != spec::Opcode::Load) continue;
        CHECK(spec::LoadCommand::decode(words).addr < spec::TileBase);
      }
      for (const spec::CommandWords& words : compile::commands_of(tile, spec::Unit::Store))
        posts += spec::CommandHeader::decode(words).remote_en ? 1 : 0;
    }
    // A single channel is one tile's.
    CHECK(posts == (3 * tiles + 1) * (tiles - 1));
  }
}

TEST_CASE("a flattened image meets its matrix in the right order", "[compile]") {
  repeat(20, 5, [](RandomGraph& g, Rng& rng) {
    auto x = g.conv(g.input(g.byte_type(), random_image(rng)));
    const Shape s = g.shape(x);
    x = g.reshape(x, {s[0], s[1] * s[2] * s[3]});
    x = g.gemm(x, uniform(rng, 1, 40));
    g.output(g.gemm(x, uniform(rng, 1, 40)));
  });
}

TEST_CASE("pools are bit-exact", "[compile]") {
  repeat(50, 6, [](RandomGraph& g, Rng& rng) {
    auto x = g.input(g.byte_type(), random_image(rng));
    switch (uniform(rng, 0, 3)) {
      case 0:
        g.output(g.max_pool(x));
        break;
      case 1:
        g.output(g.average_pool(x));
        break;
      case 2:
        x = g.input(DataType::F32, g.shape(x));
        g.output(one_in(rng, 2) ? g.max_pool(x) : g.average_pool(x));
        break;
      default:
        g.output(g.global_pool(x));
    }
  });
}

/// Two shapes that broadcast, and what they broadcast to.
struct Pair {
  Shape a, b, result;
};
Pair random_pair(Rng& rng) {
  const Shape out = random_image(rng);
  Pair pair{out, out, {}};
  auto& [a, b, result] = pair;
  for (std::size_t i = 0; i < 4; ++i) {
    if (one_in(rng, 6)) a[i] = 1;
    if (a[i] != 1 && one_in(rng, 4)) b[i] = 1;
  }
  for (std::size_t i = 0; i < 4 && a == out; ++i) {
    if (!one_in(rng, 4) || b[0] != 1) break;
    b.erase(b.begin());
    if (b.empty()) break;
  }
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t skip = 4 - b.size();
    result.push_back(std::max(a[i], i < skip ? 1 : b[i - skip]));
  }
  return pair;
}

TEST_CASE("additions broadcast and are bit-exact", "[compile]") {
  repeat(40, 7, [](RandomGraph& g, Rng& rng) {
    const auto [a, b, result] = random_pair(rng);
    const auto x = g.input(g.byte_type(), a);
    const auto y = one_in(rng, 2) ? g.constant(b) : g.input(g.byte_type(), b);
    g.output(one_in(rng, 2) ? g.add_values(x, y, result) : g.add_values(y, x, result));
  });
}

TEST_CASE("operators on two tensors of codes or numbers broadcast and are bit-exact", "[compile]") {
  repeat(80, 16, [](RandomGraph& g, Rng& rng) {
    auto [a, b, result] = random_pair(rng);
    if (one_in(rng, 5)) b = Shape(static_cast<std::size_t>(uniform(rng, 0, 4)), 1), result = a;
    const DataType ta = g.any_type(), tb = one_in(rng, 2) ? ta : g.any_type();
    const auto x = g.input(ta, a);
    const auto y = one_in(rng, 2) ? g.constant(b, tb) : g.input(tb, b);
    const auto function = static_cast<graph::BinaryFunction>(uniform(rng, 0, 3));
    g.output(one_in(rng, 2) ? g.binary(x, y, function, result) : g.binary(y, x, function, result));
  });
}

TEST_CASE("functions of one number are bit-exact", "[compile]") {
  repeat(60, 17, [](RandomGraph& g, Rng& rng) {
    Shape shape;
    for (int64_t i = uniform(rng, 0, 5); i > 0; --i) shape.push_back(uniform(rng, 1, 9));
    auto x = g.input(g.any_type(), shape);
    if (one_in(rng, 3)) x = g.transpose(x);
    g.output(g.unary(x, static_cast<graph::Function>(uniform(rng, 0, 5))));
  });
}

TEST_CASE("softmax and mean of rows are bit-exact", "[compile]") {
  repeat(60, 18, [](RandomGraph& g, Rng& rng) {
    const int64_t width = one_in(rng, 2) ? uniform(rng, 1, 20) : uniform(rng, 1, 700);
    auto x = g.input(g.any_type(), {uniform(rng, 1, 90), width});
    if (one_in(rng, 4)) x = g.transpose(x);
    const Shape s = g.shape(x);
    if (one_in(rng, 3)) {
      g.output(g.rows<graph::Softmax>(x, s));
      return;
    }
    g.output(g.rows<graph::RowMean>(x, {s[0], 1}));
    auto& mean = std::get<graph::RowMean>(g.graph.nodes.back().op);
    mean.order = static_cast<graph::RowOrder>(uniform(rng, 0, 2));
    mean.divisor = one_in(rng, 4) ? 1 : s[1];
  });
}

// A row of nearly a scratchpad.
TEST_CASE("softmax of long rows is bit-exact", "[compile]") {
  Rng rng = test::make_rng(19);
  for (const DataType t : {DataType::S8, DataType::F32}) {
    RandomGraph g(rng);
    g.output(g.rows<graph::Softmax>(g.input(t, {3, 20000}), {3, 20000}));
    test::check_graph(g.graph, chip_config("tiny"), 2, {g.record()}, {rng() | 1});
  }
}

TEST_CASE("rows that no scratchpad holds pass through it in pieces", "[compile]") {
  Rng rng = test::make_rng(29);
  for (const DataType t : {DataType::S8, DataType::U8, DataType::F32}) {
    const int64_t width = uniform(rng, 250000, 270000), rows = uniform(rng, 1, 2);
    RandomGraph g(rng);
    const auto x = g.input(t, {rows, width});
    g.output(g.rows<graph::Softmax>(x, {rows, width}));
    for (const bool last : {false, true})
      g.output(g.add(graph::ArgMax{last}, {x}, DataType::S64, {rows, 1}));
    test::check_graph(g.graph, chip_config("tiny"), 2, {g.record()}, {rng() | 1});
  }
}

// The orders of the additions: a matrix whose columns are long is read column by column.
TEST_CASE("sums of rows that no scratchpad holds go on from piece to piece", "[compile]") {
  Rng rng = test::make_rng(30);
  for (const DataType t : {DataType::S8, DataType::F32}) {
    for (const auto order :
         {graph::RowOrder::Packets, graph::RowOrder::Sequence, graph::RowOrder::Fours}) {
      for (int64_t rest = 0; rest < 4; ++rest) {
        const int64_t width = 4 * uniform(rng, 65000, 65300) + rest, rows = uniform(rng, 1, 3);
        RandomGraph g(rng);
        g.output(g.rows<graph::RowMean>(g.input(t, {rows, width}), {rows, 1}));
        auto& mean = std::get<graph::RowMean>(g.graph.nodes.back().op);
        mean.order = order;
        mean.divisor = width;
        test::check_graph(g.graph, chip_config("tiny"), 1, {g.record()}, {rng() | 1});
      }
    }
  }
}

// As many rows as lanes, and a few more, of a length that leaves short pieces.
TEST_CASE("more long rows than lanes are summed by columns", "[compile]") {
  Rng rng = test::make_rng(31);
  for (const auto order : {graph::RowOrder::Sequence, graph::RowOrder::Fours}) {
    RandomGraph g(rng);
    g.output(g.rows<graph::RowMean>(g.input(DataType::F32, {37, 66001}), {37, 1}));
    std::get<graph::RowMean>(g.graph.nodes.back().op).order = order;
    test::check_graph(g.graph, chip_config("tiny"), 2, {g.record()}, {rng() | 1});
  }
}

TEST_CASE("a window that holds a scratchpad is taken a few channels at a time", "[compile]") {
  Rng rng = test::make_rng(32);
  RandomGraph g(rng);
  const auto x = g.input(DataType::S8, {1, 5, 230, 231});
  graph::QMaxPool op;
  op.window.kernel = {230, 231};
  g.output(g.add(op, {x}, DataType::S8, {1, 5, 1, 1}));
  test::check_graph(g.graph, chip_config("tiny"), 2, {g.record()}, {rng() | 1});
}

// Selections of whatever take many commands.
TEST_CASE("a given division whose programs are too long is cut into pages", "[compile]") {
  Rng rng = test::make_rng(33);
  for (const auto& [config, division] : {std::pair{"tiny", compile::Division{1, 3, 1}},
                                         std::pair{"small", compile::Division{2, 2, 1}}}) {
    RandomGraph g(rng);
    const auto x = g.input(DataType::S32, {4, 7, 8, 9, 5});
    graph::Select op;
    for (const int64_t size : g.shape(x)) {
      op.index.emplace_back();
      for (int64_t i = 0; i < 6; ++i) op.index.back().push_back(uniform(rng, 0, size - 1));
    }
    op.fill = g.random_tensor(DataType::S32, {});
    const Shape out = graph::selected_shape(op.index);
    g.output(g.add(op, {x}, DataType::S32, out));
    compile::CompileOptions options;
    options.division = division;
    CHECK(compile::compile(g.graph, chip_config(config), options).phases > 1);
    test::check_graph(g.graph, chip_config(config), 0, {g.record(), g.record(), g.record()},
                      {rng() | 1}, 0, division);
  }
}

TEST_CASE("products of two values are bit-exact", "[compile]") {
  repeat(30, 8, [](RandomGraph& g, Rng& rng) {
    const int64_t k = uniform(rng, 1, 200), n = uniform(rng, 1, 70), m = uniform(rng, 1, 150);
    const int64_t as = uniform(rng, 1, 2), bs = uniform(rng, 1, 2);
    const auto a = g.input(g.byte_type(), {as, m, k});
    const auto b = g.input(g.byte_type(), {bs, k, n});
    g.output(g.matmul(a, b, one_in(rng, 3) ? DataType::F32 : g.byte_type()));
  });
}

TEST_CASE("the largest of each row is found, and which of equal ones", "[compile]") {
  repeat(60, 19, [](RandomGraph& g, Rng& rng) {
    const Shape shape{uniform(rng, 1, 70), uniform(rng, 1, one_in(rng, 4) ? 3000 : 40)};
    auto x = g.input(one_in(rng, 2) ? DataType::F32 : g.byte_type(), shape);
    if (one_in(rng, 3)) x = g.transpose(x);
    // Few numbers: ties.
    if (g.type(x) == DataType::F32 && one_in(rng, 2)) {
      x = g.add(graph::Quantize{{4.0f}, {0}, 0, {-2, 1}}, {x}, DataType::S8, g.shape(x));
    }
    const int64_t rows = g.shape(x)[0];
    g.output(g.add(graph::ArgMax{one_in(rng, 2)}, {x}, DataType::S64, {rows, 1}));
  });
}

TEST_CASE("the smallest difference decides, and infinities", "[compile]") {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kTiny = std::numeric_limits<float>::denorm_min();
  const std::vector<float> numbers = {0,      kTiny,      0,         -kTiny,     -kTiny, 0,
                                      -1e38f, -kInfinity, kInfinity, -kInfinity, 3e38f,  -3e38f};
  Rng rng = test::make_rng(20);
  for (const bool last : {false, true}) {
    RandomGraph g(rng);
    const auto x = g.input(DataType::F32, {4, 3});
    g.output(g.add(graph::ArgMax{last}, {x}, DataType::S64, {4, 1}));
    test::check_graph(g.graph, chip_config("tiny"), 2,
                      {{{g.graph.value(x).name, Tensor(Shape{4, 3}, numbers)}}}, {1});
  }
}

TEST_CASE("sums of products are exact beyond what binary32 holds", "[compile]") {
  repeat(40, 18, [](RandomGraph& g, Rng& rng) {
    graph::ValueId x = 0;
    switch (uniform(rng, 0, 2)) {
      case 0:
        x = g.conv(g.input(g.byte_type(), random_image(rng)), 40, DataType::S32);
        break;
      case 1:
        x = g.gemm(g.input(g.byte_type(), {uniform(rng, 1, 40), uniform(rng, 1, 300)}),
                   uniform(rng, 1, 90), DataType::S32);
        break;
      default: {
        const int64_t k = uniform(rng, 1, 400);
        const auto a = g.input(g.byte_type(), {1, uniform(rng, 1, 150), k});
        x = g.matmul(a, g.input(g.byte_type(), {1, k, uniform(rng, 1, 70)}), DataType::S32);
      }
    }
    if (one_in(rng, 2)) g.output(x);
    if (one_in(rng, 3)) x = g.transpose(x);
    if (one_in(rng, 3)) x = g.select(x);
    if (one_in(rng, 2)) {
      graph::Dequantize op{{1.0f}, {0}, static_cast<int64_t>(g.shape(x).size()) - 1, {}};
      const auto channels = static_cast<std::size_t>(g.shape(x).back());
      if (one_in(rng, 2)) op.scale.assign(channels, 0.0f), op.zero_point.assign(channels, 0);
      for (float& scale : op.scale) scale = g.scale();
      x = g.add(op, {x}, DataType::F32, g.shape(x));
    }
    g.output(x);
  });
}

TEST_CASE("ranges, and the codes that come of them, are bit-exact", "[compile]") {
  repeat(60, 21, [](RandomGraph& g, Rng& rng) {
    Shape shape;
    for (int64_t i = uniform(rng, 0, 4); i > 0; --i) shape.push_back(uniform(rng, 1, 17));
    if (one_in(rng, 6)) shape = {uniform(rng, 1, 3), uniform(rng, 1, 40000)};
    auto x = g.input(DataType::F32, shape);
    if (one_in(rng, 3)) x = g.transpose(x);
    // Numbers of one sign, or zeros.
    if (one_in(rng, 2)) {
      graph::Unary clip;
      clip.alpha = one_in(rng, 2) ? 0.0f : -20.0f;
      clip.beta = one_in(rng, 2) ? 0.0f : 20.0f;
      x = g.add(clip, {x}, DataType::F32, g.shape(x));
    }
    for (const auto value : g.quantize_dynamically(x)) g.output(value);
  });
}

TEST_CASE("the smallest range is one, and no range gives zeros", "[compile]") {
  Rng rng = test::make_rng(22);
  for (const float most : {0.0f, std::numeric_limits<float>::denorm_min(), 1e-30f, 3e38f}) {
    RandomGraph g(rng);
    const auto x = g.input(DataType::F32, {3});
    for (const auto value : g.quantize_dynamically(x)) g.output(value);
    const Tensor numbers(Shape{3}, std::vector<float>{0.0f, most, -0.25f * most});
    test::check_graph(g.graph, chip_config("tiny"), 2, {{{g.graph.value(x).name, numbers}}}, {1});
  }
}

TEST_CASE("zero points that come at run time are subtracted to the last bit", "[compile]") {
  repeat(60, 23, [](RandomGraph& g, Rng& rng) {
    const DataType t = one_in(rng, 3) ? g.byte_type() : DataType::S32;
    const int64_t k = uniform(rng, 1, 300), n = uniform(rng, 1, 90);
    graph::ValueId x = 0;
    switch (uniform(rng, 0, 2)) {
      case 0:
        x = g.conv(g.input(g.byte_type(), random_image(rng)), 40, t);
        g.give_zero_points(true);
        break;
      case 1:
        x = g.gemm(g.input(g.byte_type(), {uniform(rng, 1, 60), k}), n, t);
        g.give_zero_points(true);
        break;
      default: {
        const auto a = g.input(g.byte_type(), {1, uniform(rng, 1, 150), k});
        x = g.matmul(a, g.input(g.byte_type(), {1, k, n}), t);
        const int64_t which = uniform(rng, 1, 3);
        g.give_zero_points(which != 2, which != 1);
      }
    }
    g.output(x);
  });
}

// Of weights that are streamed, shared by the tiles, or as large as they can be.
TEST_CASE("zero points of large products come at run time", "[compile]") {
  Rng rng = test::make_rng(24);
  const struct {
    int64_t rows, depth, columns;
    const char* config;
    unsigned tiles;
  } cases[] = {{128, 1024, 400, "tiny", 2}, {60, 2000, 200, "small", 4}, {3, 9000, 40, "tiny", 1}};
  for (const auto& c : cases) {
    for (const bool highest : {false, true}) {
      RandomGraph g(rng);
      const auto x = g.gemm(g.input(g.byte_type(), {c.rows, c.depth}), c.columns, DataType::S32);
      auto& weights = std::get<graph::QGemm>(g.graph.nodes.back().op).weights;
      const bool is_s8 = weights.type() == DataType::S8;
      if (highest) std::fill(weights.bytes().begin(), weights.bytes().end(), is_s8 ? 0x80 : 0xFF);
      g.give_zero_points(true);
      g.output(x);
      test::check_graph(g.graph, chip_config(c.config), c.tiles, {g.record()}, {rng() | 1});
    }
  }
}

TEST_CASE("products that stay float are bit-exact, and so is what follows them", "[compile]") {
  repeat(40, 14, [](RandomGraph& g, Rng& rng) {
    auto x = g.input(g.byte_type(), {uniform(rng, 1, 40), uniform(rng, 1, 300)});
    if (one_in(rng, 3)) x = g.gemm(x, uniform(rng, 1, 90));
    x = g.gemm(x, uniform(rng, 1, 90), DataType::F32);
    if (one_in(rng, 2)) g.output(x);
    if (one_in(rng, 3)) x = g.transpose(x);
    if (one_in(rng, 3)) x = g.reshape(x, {g.shape(x)[0] * g.shape(x)[1]});
    g.output(one_in(rng, 3) ? g.quantize(x) : x);
  });
}

TEST_CASE("random networks are bit-exact", "[compile]") {
  repeat(40, 9, [](RandomGraph& g, Rng& rng) {
    auto x = one_in(rng, 2) ? g.input(g.byte_type(), random_image(rng))
                            : g.quantize(g.input(DataType::F32, random_image(rng)));
    for (int64_t i = uniform(rng, 2, 6); i > 0; --i) {
      x = g.any(x);
      if (one_in(rng, 6)) g.output(x);
    }
    g.output(one_in(rng, 2) || g.type(x) == DataType::F32 ? x : g.dequantize(x));
  });
}

// Weights that don't fit are streamed; tiles with like shares load each of them once, and hand them
// round: in one piece or several, with rooms for two groups or three, with even rows and odd ones.
TEST_CASE("multiplications by large matrices are bit-exact", "[compile]") {
  Rng rng = test::make_rng(10);
  const struct {
    int64_t rows, depth, columns;
    const char* config;
    unsigned tiles;
  } cases[] = {{128, 1024, 400, "tiny", 2},    {60, 2000, 200, "small", 4},
               {50, 1500, 333, "tiny", 2},     {3, 9000, 40, "tiny", 1},
               {256, 512, 640, "tiny", 2},     {256, 1024, 500, "small", 4},
               {263, 700, 600, "small", 3},    {513, 512, 768, "wide", 8},
               {320, 1024, 520, "medium", 16}, {64, 4096, 1100, "small", 4}};
  for (const auto& c : cases) {
    RandomGraph g(rng);
    g.output(g.gemm(g.input(g.byte_type(), {c.rows, c.depth}), c.columns));
    test::check_graph(g.graph, chip_config(c.config), c.tiles, {g.record(), g.record()},
                      {rng() | 1, rng() | 1});
  }
}

TEST_CASE("tiles with shares of unequal size share weights, too", "[compile]") {
  Rng rng = test::make_rng(43);
  const struct {
    int64_t rows, depth, columns;
    const char* config;
    unsigned tiles;
  } cases[] = {{263, 700, 600, "small", 3},
               {262, 700, 600, "small", 3},
               {255, 1024, 500, "small", 4},
               {513, 512, 768, "wide", 8}};
  for (const auto& c : cases) {
    RandomGraph g(rng);
    g.output(g.gemm(g.input(DataType::S8, {c.rows, c.depth}), c.columns));
    compile::CompileOptions options;
    options.use_tiles = c.tiles;
    const auto model = compile::compile(g.graph, chip_config(c.config), options);
    INFO(c.rows << " rows on " << c.tiles << " tiles");
    for (const compile::TileProgram& tile : model.tiles) {
      const auto stores = compile::commands_of(tile, spec::Unit::Store);
      CHECK(std::any_of(stores.begin(), stores.end(), [](const spec::CommandWords& words) {
        const auto header = spec::CommandHeader::decode(words);
        return header.opcode == spec::Opcode::Store && header.remote_en;
      }));
    }
  }
}

/// Whether rows roll on the first tile: its first products are of one part, of two, of three.
bool rolls(const compile::CompiledModel& model) {
  std::vector<int> rows;
  for (const auto& words : compile::commands_of(model.tiles[0], spec::Unit::Matrix)) {
    if (spec::CommandHeader::decode(words).opcode != spec::Opcode::Matmul) continue;
    const auto matmul = spec::MatmulCommand::decode(words);
    rows.push_back(matmul.rcount0 * matmul.rcount1);
  }
  return rows.size() > 2 && rows[0] < rows[1] && rows[1] < rows[2];
}

// Once through the memory or chunk after chunk, with even rows and odd ones, of all types, stored
// or for another product.
TEST_CASE("products of rows that roll are bit-exact", "[compile]") {
  Rng rng = test::make_rng(51);
  const struct {
    int64_t rows, depth, columns;
    const char* config;
    unsigned tiles;
    DataType type;
    int64_t then;  // columns of a second product; 0: none
  } cases[] = {{150, 1024, 200, "tiny", 2, DataType::S8, 0},
               {401, 1024, 176, "tiny", 2, DataType::U8, 0},
               {263, 700, 600, "small", 3, DataType::F32, 0},
               {800, 1024, 200, "small", 4, DataType::S8, 40}};
  for (const auto& c : cases) {
    RandomGraph g(rng);
    auto x = g.gemm(g.input(g.byte_type(), {c.rows, c.depth}), c.columns, c.type);
    if (c.then > 0) x = g.gemm(x, c.then);
    g.output(x);
    compile::CompileOptions options;
    options.use_tiles = c.tiles;
    INFO(c.rows << " rows on " << c.tiles << " tiles");
    CHECK(rolls(compile::compile(g.graph, chip_config(c.config), options)));
    test::check_graph(g.graph, chip_config(c.config), c.tiles, {g.record()},
                      {rng() | 1, rng() | 1});
  }
}

TEST_CASE("a large product leaves few multipliers' cycles of four tiles unused", "[compile]") {
  Rng rng = test::make_rng(52);
  RandomGraph g(rng);
  g.output(g.gemm(g.input(DataType::S8, {1024, 1024}), 1024));
  compile::CompileOptions options;
  options.records_in_dram = true;
  const auto model = compile::compile(g.graph, chip_config("small"), options);
  const double products = 1024.0 * 1024 * 1024 / (spec::ArrayCols * spec::ArrayDepth) / 4;
  CHECK(products / static_cast<double>(model.latency) >= 0.95);
}

// Of 15 chunks, or a multiple of that: with 16 banks the next row begins where this one does.
TEST_CASE("rows that lie in the same banks don't hold up the loads of weights", "[compile]") {
  const auto latency = [](int64_t depth, int64_t columns) {
    Rng rng = test::make_rng(53);
    RandomGraph g(rng);
    g.output(g.gemm(g.input(DataType::S8, {32, depth}), columns, DataType::S8));
    // Bytes that are used as they are: else there would be twice as many.
    auto& gemm = std::get<graph::QGemm>(g.graph.nodes.back().op);
    for (int32_t& zero : gemm.w_zero_point) zero = gemm.weights.type() == DataType::U8 ? 128 : 0;
    test::check_graph(g.graph, chip_config("small"), 4, {g.record()}, {rng() | 1});
    return static_cast<double>(compile::compile(g.graph, chip_config("small"), {}).latency);
  };
  CHECK(latency(720, 800) <= 1.1 * latency(752, 800));
  CHECK(latency(1200, 512) <= 1.1 * latency(1232, 512));
}

// Four bytes an element: outputs of more than a scratchpad, beside weights that are held, streamed,
// cut along the depth or shared.
TEST_CASE("large products that stay float are bit-exact", "[compile]") {
  Rng rng = test::make_rng(15);
  const struct {
    int64_t rows, depth, columns;
    const char* config;
    unsigned tiles;
  } cases[] = {{128, 1024, 400, "tiny", 2}, {3, 9000, 40, "tiny", 1},  {256, 512, 640, "tiny", 2},
               {1500, 40, 90, "tiny", 1},   {2, 64, 5000, "small", 3}, {700, 33, 260, "small", 4}};
  for (const auto& c : cases) {
    RandomGraph g(rng);
    g.output(g.gemm(g.input(g.byte_type(), {c.rows, c.depth}), c.columns, DataType::F32));
    test::check_graph(g.graph, chip_config(c.config), c.tiles, {g.record()}, {rng() | 1});
  }
  RandomGraph g(rng);
  const auto a = g.input(g.byte_type(), {2, 300, 700});
  g.output(g.matmul(a, g.input(g.byte_type(), {2, 700, 400}), DataType::F32));
  test::check_graph(g.graph, chip_config("tiny"), 2, {g.record()}, {rng() | 1});
}

TEST_CASE("wide, deep and numerous images are bit-exact", "[compile]") {
  Rng rng = test::make_rng(11);
  const Shape shapes[] = {{1, 3, 5, 700},  {1, 200, 3, 300}, {1, 2000, 2, 3}, {9, 5, 6, 7},
                          {1, 1, 1, 5000}, {1, 64, 40, 40},  {1, 600, 3, 130}};
  for (const Shape& shape : shapes) {
    for (int kind = 0; kind < 3; ++kind) {
      RandomGraph g(rng);
      const auto x = g.input(g.byte_type(), shape);
      g.output(kind == 0 ? g.conv(x, 20) : kind == 1 ? g.average_pool(x) : g.max_pool(x));
      test::check_graph(g.graph, chip_config("tiny"), static_cast<unsigned>(uniform(rng, 1, 2)),
                        {g.record()}, {rng() | 1});
    }
  }
}

TEST_CASE("outputs may be inputs, constants, and values in use", "[compile]") {
  Rng rng = test::make_rng(12);
  RandomGraph g(rng);
  const auto x = g.input(DataType::S8, {1, 6, 5, 4});
  const auto f = g.input(DataType::F32, {2, 3, 4, 5, 6});
  const auto k = g.constant({3, 7});
  const auto y = g.conv(x);
  const auto z = g.transpose(g.transpose(f));
  const auto e = g.value(DataType::S64, {0, 3});
  g.graph.values.back().constant = Tensor(DataType::S64, {0, 3});
  g.output(g.reshape(e, {3, 0, 2}));
  g.output(x);
  g.output(k);
  g.output(y);
  g.output(g.max_pool(y));
  g.output(z);
  g.output(g.quantize(z));
  test::check_graph(g.graph, chip_config("small"), 0, {g.record(), g.record()}, {1, 2, 3});
}

TEST_CASE("what cannot be compiled is an error that names the place", "[compile]") {
  Rng rng = test::make_rng(13);
  RandomGraph g(rng);
  g.output(g.global_pool(g.input(DataType::S8, {1, 1, 300, 300})));
  CHECK_THROWS_WITH(compile::compile(g.graph, chip_config("tiny")),
                    Catch::Contains("node1") && Catch::Contains("65793"));
  RandomGraph wide(rng);
  wide.output(
      wide.rows<graph::QAveragePool>(wide.input(DataType::F32, {1, 1, 300, 300}), {1, 1, 1, 1}));
  std::get<graph::QAveragePool>(wide.graph.nodes.back().op).window.kernel = {300, 300};
  CHECK_THROWS_WITH(compile::compile(wide.graph, chip_config("tiny")),
                    Catch::Contains("node1") && Catch::Contains("unsupported") &&
                        Catch::Contains("a window of at most"));
  CHECK_THROWS_WITH(compile::compile(g.graph, chip_config("tiny"), {3, false, 0, 1, {}}),
                    Catch::Contains("compute tiles") && Catch::Contains("at most 2"));
  CHECK_THROWS_WITH(chip_config("huge"), Catch::Contains("huge") && Catch::Contains("small"));
}
