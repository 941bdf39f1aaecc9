// One handler an ONNX operator. To add one: a handler here, its entry in handlers(), and, where it
// is no combination of existing graph operators, a struct in graph.hpp (see README.md).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/command/error.hpp"
#include "host/golden/arith.hpp"
#include "host/graph/attributes.hpp"
#include "host/graph/builder.hpp"
#include "host/graph/constants.hpp"
#include "host/graph/node_shapes.hpp"

namespace systole::graph {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr const char* kFloatBias = "a bias that is not int32, or that beta scales";

// Per-tensor or per-channel parameters as one per channel of `axis`.
template <typename T>
std::vector<T> per_channel(const std::vector<T>& values, size_t channels) {
  return values.size() == 1 ? std::vector<T>(channels, values[0]) : values;
}

void require_axis(const Dequantized& weights, int64_t axis, const std::string& where) {
  if (!weights.per_tensor() && weights.axis != axis) {
    throw Error("weights are quantized per channel along the wrong axis", where,
                fmt::format("axis {}, the output channels", axis),
                fmt::format("axis {}", weights.axis));
  }
}

// Activations and weights that the judge has no integer product for.
bool is_s8_by_u8(DataType x, DataType w) { return x == DataType::S8 && w == DataType::U8; }

// Whether `a` stands still along the innermost dimension in which `b` moves.
bool is_inner_scalar(const Shape& a, const Shape& b) {
  for (size_t i = 1; i <= b.size(); ++i) {
    const int64_t da = i <= a.size() ? a[a.size() - i] : 1;
    if (da != 1) return false;
    if (b[b.size() - i] != 1) return true;
  }
  return false;
}

}  // namespace

const std::map<std::string, Builder::Handler>& Builder::handlers() {
  static const std::map<std::string, Handler> table = {
      {"Add", &Builder::add},
      {"ArgMax", &Builder::arg_max},
      {"AveragePool", &Builder::average_pool},
      {"Cast", &Builder::cast},
      {"Clip", &Builder::clip},
      {"Concat", &Builder::concat},
      {"Constant", &Builder::constant},
      {"Conv", &Builder::conv},
      {"ConvInteger", &Builder::conv_integer},
      {"DequantizeLinear", &Builder::dequantize_linear},
      {"Div", &Builder::div},
      {"Dropout", &Builder::identity},
      {"DynamicQuantizeLinear", &Builder::dynamic_quantize_linear},
      {"Flatten", &Builder::flatten},
      {"Gather", &Builder::gather},
      {"Gemm", &Builder::gemm},
      {"GlobalAveragePool", &Builder::global_average_pool},
      {"GlobalMaxPool", &Builder::global_max_pool},
      {"HardSigmoid", &Builder::hard_sigmoid},
      {"HardSwish", &Builder::hard_swish},
      {"Identity", &Builder::identity},
      {"LeakyRelu", &Builder::leaky_relu},
      {"MatMul", &Builder::matmul},
      {"MatMulInteger", &Builder::matmul_integer},
      {"MaxPool", &Builder::max_pool},
      {"Mul", &Builder::mul},
      {"Pad", &Builder::pad},
      {"QLinearConv", &Builder::qlinear_conv},
      {"QLinearMatMul", &Builder::qlinear_matmul},
      {"QuantizeLinear", &Builder::quantize_linear},
      {"ReduceMean", &Builder::reduce_mean},
      {"Relu", &Builder::relu},
      {"Reshape", &Builder::reshape},
      {"Resize", &Builder::resize},
      {"Shape", &Builder::shape},
      {"Slice", &Builder::slice},
      {"Split", &Builder::split},
      {"Sigmoid", &Builder::sigmoid},
      {"Softmax", &Builder::softmax},
      {"Squeeze", &Builder::squeeze},
      {"Sub", &Builder::sub},
      {"Tanh", &Builder::tanh},
      {"Transpose", &Builder::transpose_node},
      {"Unsqueeze", &Builder::unsqueeze},
      {"Upsample", &Builder::resize},
      {"com.microsoft.DequantizeLinear", &Builder::dequantize_linear},
      {"com.microsoft.QLinearAdd", &Builder::qlinear_add},
      {"com.microsoft.QLinearAveragePool", &Builder::qlinear_average_pool},
      {"com.microsoft.QLinearConcat", &Builder::qlinear_concat},
      {"com.microsoft.QLinearGlobalAveragePool", &Builder::qlinear_global_average_pool},
      {"com.microsoft.QLinearLeakyRelu", &Builder::qlinear_leaky_relu},
      {"com.microsoft.QLinearMul", &Builder::qlinear_mul},
      {"com.microsoft.QLinearReduceMean", &Builder::qlinear_reduce_mean},
      {"com.microsoft.QLinearSigmoid", &Builder::qlinear_sigmoid},
      {"com.microsoft.QLinearSoftmax", &Builder::qlinear_softmax},
      {"com.microsoft.QuantizeLinear", &Builder::quantize_linear},
  };
  return table;
}

// ---- quantization
// --------------------------------------------------------------------------------

DataType Builder::output_type(const onnx::Node& node, DataType of_zero_point) const {
  const int64_t given = integer(node, "output_dtype", 0);
  if (given == 0) return of_zero_point;
  const bool is_u8 = given == 2;
  const bool differs = has_input(node, 2) && (of_zero_point == DataType::U8) != is_u8;
  if ((!is_u8 && given != 3) || differs) {
    throw Error("attribute 'output_dtype' is not supported", where(node),
                "uint8 (2) or int8 (3), as the zero point", fmt::format("{}", given));
  }
  return is_u8 ? DataType::U8 : DataType::S8;
}

void Builder::quantize_linear(const onnx::Node& node) {
  if (integer(node, "block_size", 0) != 0) return quantize_blocks(node);
  if (has_run_time_parameters(node)) return quantize_at_run_time(node);
  const Dequantized y =
      parameters(node, 1, shape_of(node, 0), integer(node, "axis", 1), std::nullopt);
  Dequantized typed = y;
  typed.type = output_type(node, y.type);
  const Symbol& input = symbol(node, 0);
  if (std::holds_alternative<ValueId>(input)) {
    throw Error("input is not float32", where(node), "float32",
                to_string(graph_.value(std::get<ValueId>(input)).type));
  }
  if (const auto* tensor = std::get_if<0>(&input)) {
    if ((*tensor)->type() != DataType::F32) {
      throw Error("input is not float32", where(node), "float32", to_string((*tensor)->type()));
    }
    define(node, std::make_shared<const Tensor>(quantize_constant(**tensor, typed)));
    return;
  }
  const Expression expression = take(node, 0);
  const auto* source = std::get_if<Dequantized>(&expression.source);
  if (source && source->is_constant() && expression.steps.empty()) {
    const Tensor real = dequantize_constant(*source);
    define(node, std::make_shared<const Tensor>(quantize_constant(real, typed)));
    return;
  }
  define(node, quantize_expression(node, expression, typed));
}

void Builder::dequantize_linear(const onnx::Node& node) {
  if (integer(node, "block_size", 0) != 0) return dequantize_blocks(node);
  if (has_run_time_parameters(node)) return dequantize_at_run_time(node);
  const Symbol& input = symbol(node, 0);
  if (std::holds_alternative<Expression>(input)) {
    throw Error(fmt::format("input '{}' is float32", node.inputs[0]), where(node), "int8 or uint8");
  }
  const bool is_constant = input.index() == 0;
  const DataType type =
      is_constant ? std::get<0>(input)->type() : graph_.value(std::get<ValueId>(input)).type;
  if (type != DataType::S8 && type != DataType::U8 && type != DataType::S32) {
    throw Error(fmt::format("input '{}' has the wrong type", node.inputs[0]), where(node),
                "int8, uint8 or int32", to_string(type));
  }
  const Shape shape = shape_of(node, 0);
  Dequantized source = parameters(node, 1, shape, integer(node, "axis", 1), type);
  source.type = type;
  if (!is_constant && type == DataType::S32) return dequantize_sums(node, source);
  if (is_constant) {
    source.q = std::get<0>(input);
  } else {
    source.q = std::get<ValueId>(input);
  }
  define(node, Expression{source, {}, shape, false});
}

// ---- products
// ------------------------------------------------------------------------------------

Pending Builder::start_pending(const onnx::Node& node, Operator op, std::vector<ValueId> inputs,
                               Shape shape) const {
  Pending pending;
  pending.op = std::move(op);
  pending.inputs = std::move(inputs);
  pending.node = node.label();
  pending.tensor = node.outputs[0];
  pending.shape = std::move(shape);
  return pending;
}

Expression Builder::make_conv(const onnx::Node& node, Operand x, const Weights& w,
                              const std::vector<int32_t>& bias) {
  const Shape given = graph_.value(x.value).shape;
  const Shape& w_given = w.constant().shape();
  require_rank(given, 3, 4, where(node));
  require_rank(w_given, given.size(), given.size(), where(node) + ", weights");
  const Shape shape = as_image(given);
  QConv op;
  op.weights = w.constant().reshaped(as_image(w_given));
  const Shape& w_shape = op.weights.shape();
  op.group = integer(node, "group", 1);
  if (op.group < 1 || op.group > shape[1] || w_shape[1] * op.group != shape[1] ||
      w_shape[0] % op.group != 0) {
    throw Error("channels, weights and attribute 'group' do not match", where(node),
                fmt::format("{} input channels = {} of the weights x group", shape[1], w_shape[1]),
                fmt::format("group {}, weights {}", op.group, to_string(w_given)));
  }
  WindowAttributes attributes = window_attributes(node);
  const std::vector<int64_t> kernel(w_given.begin() + 2, w_given.end());
  if (!attributes.kernel.empty() && attributes.kernel != kernel) {
    throw Error("attribute 'kernel_shape' is not that of the weights", where(node),
                to_string(kernel), to_string(attributes.kernel));
  }
  attributes.kernel = kernel;
  const PlacedWindow placed = place_window(attributes, shape[2], shape[3], where(node));
  const auto channels = static_cast<size_t>(w_shape[0]);
  require_axis(w, 0, where(node));
  op.window = placed.window;
  op.x = x.params;
  op.w_scale = per_channel(w.scale, channels);
  op.w_zero_point = per_channel(w.zero_point, channels);
  op.bias = bias;
  const Shape out{shape[0], w_shape[0], placed.height, placed.width};
  element_count(out, where(node));
  x.value = reshape_value(x.value, shape, node.label(), node.outputs[0] + "#x");
  std::vector<ValueId> inputs = {x.value};
  if (x.given_zero) {
    inputs[0] = padded_value(node, x.value, *x.given_zero, op.window, out[2], out[3]);
    inputs.push_back(*x.given_zero);
    op.window.pads = {};
  }
  Pending pending = start_pending(node, op, inputs, out);
  pending.fusible = x.direct && !is_s8_by_u8(graph_.value(x.value).type, w.type);
  Expression result{std::move(pending), {}, out, false};
  if (given.size() == 3) {
    result.shape = {out[0], out[1], out[3]};
    result.steps.push_back(ReshapeStep{result.shape});
    std::get<Pending>(result.source).own_steps = 1;
  }
  return result;
}

void Builder::conv(const onnx::Node& node) {
  const Operand x = operand(node, 0);
  const Weights w = weights(node, 1);
  const auto channels =
      static_cast<size_t>(w.constant().shape().empty() ? 0 : w.constant().shape()[0]);
  require_axis(w, 0, where(node));
  const auto w_scale = per_channel(w.scale, channels);
  if (has_input(node, 2) &&
      product(shape_of(node, 2), 0, shape_of(node, 2).size()) != static_cast<int64_t>(channels)) {
    throw Error("bias has the wrong length", where(node), fmt::format("{}", channels),
                to_string(shape_of(node, 2)));
  }
  const Biases biases = bias(node, 2, x.params.scale, w_scale, 1.0f, true);
  Expression result = make_conv(node, x, w, biases.values);
  std::get<Pending>(result.source).off_scale = biases.off_scale;
  define(node, std::move(result));
}

Expression Builder::make_matmul(const onnx::Node& node, Operand a, const Dequantized& b) {
  const Shape a_given = graph_.value(a.value).shape;
  const Shape b_given =
      b.is_constant() ? b.constant().shape() : graph_.value(std::get<ValueId>(b.q)).shape;
  require_rank(a_given, 1, 8, where(node));
  require_rank(b_given, 1, 8, where(node));
  const Shape a_shape = a_given.size() == 1 ? Shape{1, a_given[0]} : a_given;
  const Shape b_shape = b_given.size() == 1 ? Shape{b_given[0], 1} : b_given;
  const size_t ra = a_shape.size();
  const size_t rb = b_shape.size();
  const int64_t m = a_shape[ra - 2];
  const int64_t k = a_shape[ra - 1];
  const int64_t n = b_shape[rb - 1];
  if (b_shape[rb - 2] != k) {
    throw Error("inner dimensions differ", where(node), to_string(a_given), to_string(b_given));
  }
  const Shape a_batch(a_shape.begin(), a_shape.end() - 2);
  const Shape b_batch(b_shape.begin(), b_shape.end() - 2);
  const Shape batch = broadcast(a_batch, b_batch, where(node));
  const int64_t a_count = product(a_batch, 0, a_batch.size());
  const int64_t b_count = product(b_batch, 0, b_batch.size());
  const int64_t count = product(batch, 0, batch.size());
  Shape out = batch;
  if (a_given.size() > 1) out.push_back(m);
  if (b_given.size() > 1) out.push_back(n);
  element_count(out, where(node));
  require_axis(b, static_cast<int64_t>(b_given.size()) - 1, where(node));
  if (b_given.size() == 1 && !b.per_tensor()) {
    throw Error("weights are quantized per channel along the wrong axis", where(node),
                "per tensor");
  }
  const auto channels = static_cast<size_t>(n);
  const std::string name = node.outputs[0];
  Expression result;
  Shape product_shape;
  if (b.is_constant() && b_count == 1 && !b.given_zero) {
    QGemm op;
    op.x = a.params;
    op.weights = b.constant().reshaped({k, n});
    op.w_scale = per_channel(b.scale, channels);
    op.w_zero_point = per_channel(b.zero_point, channels);
    op.bias.assign(channels, 0);
    const ValueId x = reshape_value(a.value, {a_count * m, k}, node.label(), name + "#x");
    product_shape = {a_count * m, n};
    std::vector<ValueId> inputs = {x};
    if (a.given_zero) inputs.push_back(*a.given_zero);
    result.source = start_pending(node, std::move(op), std::move(inputs), product_shape);
  } else {
    QMatMul op;
    op.a = a.params;
    op.b_scale = per_channel(b.scale, channels);
    op.b_zero_point = per_channel(b.zero_point, channels);
    op.bias.assign(channels, 0);
    // One B for all: the batch of A is more rows.
    const bool flat = b_count == 1;
    const Shape a3 = flat ? Shape{1, a_count * m, k} : Shape{a_count, m, k};
    const auto a_strides = broadcast_strides(a_batch, batch);
    const auto b_strides = broadcast_strides(b_batch, batch);
    for (int64_t p = 0; p < (flat ? 1 : count); ++p) {
      int64_t at_a = 0;
      int64_t at_b = 0;
      int64_t rest = p;
      for (size_t d = batch.size(); d-- > 0;) {
        at_a += rest % batch[d] * a_strides[d];
        at_b += rest % batch[d] * b_strides[d];
        rest /= batch[d];
      }
      op.a_batch.push_back(at_a);
      op.b_batch.push_back(at_b);
    }
    product_shape = {static_cast<int64_t>(op.a_batch.size()), a3[1], n};
    const ValueId b_value =
        b.is_constant() ? constant_value(std::get<1>(b.q), name + "#b") : std::get<ValueId>(b.q);
    const ValueId a_value = reshape_value(a.value, a3, node.label(), name + "#a");
    const ValueId b3 = reshape_value(b_value, {b_count, k, n}, node.label(), name + "#b");
    std::vector<ValueId> inputs = {a_value, b3};
    op.gives_a_zero = a.given_zero.has_value();
    op.gives_b_zero = b.given_zero.has_value();
    for (const auto& zero : {a.given_zero, b.given_zero}) {
      if (zero) inputs.push_back(*zero);
    }
    result.source = start_pending(node, std::move(op), std::move(inputs), product_shape);
  }
  result.shape = out;
  if (out != product_shape) result.steps.push_back(ReshapeStep{out});
  Product product;
  product.tensor = name;
  if (is_s8_by_u8(graph_.value(a.value).type, b.type)) {
    product.binary32_for = "int8 times uint8";
  } else if (!a.direct) {
    product.binary32_for = "Relu, Clip or Flatten between DequantizeLinear and the product";
  }
  auto& pending = std::get<Pending>(result.source);
  pending.fusible = product.binary32_for.empty();
  pending.own_steps = result.steps.size();
  pending.product = product;
  return result;
}

void Builder::matmul(const onnx::Node& node) {
  Operand a = operand(node, 0);
  const auto* expression = std::get_if<Expression>(&symbol(node, 1));
  const auto* source = expression ? std::get_if<Dequantized>(&expression->source) : nullptr;
  Dequantized b;
  if (source && source->is_constant() && expression->steps.empty()) {
    b = weights(node, 1);
  } else {
    const Operand second = operand(node, 1);
    a.direct &= second.direct;
    b.q = second.value;
    b.type = graph_.value(second.value).type;
    b.scale = {second.params.scale};
    b.zero_point = {second.params.zero_point};
  }
  Expression result = make_matmul(node, a, b);
  std::get<Pending>(result.source).product->joins_add = shape_of(node, 1).size() == 2;
  define(node, std::move(result));
}

void Builder::gemm(const onnx::Node& node) {
  const float alpha = attribute<float>(node, "alpha", 1.0f);
  const float beta = attribute<float>(node, "beta", 1.0f);
  if (!std::isfinite(alpha) || alpha == 0.0f || !std::isfinite(beta)) {
    throw Error("attributes 'alpha' and 'beta' are out of range", where(node),
                "finite, alpha not 0", fmt::format("alpha {}, beta {}", alpha, beta));
  }
  Operand a = operand(node, 0);
  require_rank(shape_of(node, 0), 2, 2, where(node));
  require_rank(shape_of(node, 1), 2, 2, where(node));
  if (integer(node, "transA", 0) != 0) {
    a.value = transpose_value(a.value, {1, 0}, node.label(), node.outputs[0] + "#a");
  }
  const bool transposed = integer(node, "transB", 0) != 0;
  const auto* expression = std::get_if<Expression>(&symbol(node, 1));
  const auto* source = expression ? std::get_if<Dequantized>(&expression->source) : nullptr;
  Dequantized b;
  if (!expression || (source && source->is_constant() && expression->steps.empty())) {
    b = weights(node, 1);
    if (transposed) b = transpose_constant(std::move(b), {1, 0});
  } else {
    const Operand second = operand(node, 1);
    a.direct &= second.direct;
    b.q = transposed ? transpose_value(second.value, {1, 0}, node.label(), node.outputs[0] + "#b")
                     : second.value;
    b.type = graph_.value(second.value).type;
    b.scale = {second.params.scale};
    b.zero_point = {second.params.zero_point};
  }
  Expression result = make_matmul(node, a, b);
  auto& pending = std::get<Pending>(result.source);
  pending.alpha = alpha;
  pending.product->swaps = !has_input(node, 2);
  if (has_input(node, 2)) {
    const Shape& c = shape_of(node, 2);
    const Shape out = broadcast(c, result.shape, where(node));
    const int64_t columns = c.empty() ? 1 : c.back();
    const int64_t elements = product(c, 0, c.size());
    if (out != result.shape || columns != elements) {
      throw Error("input C varies from row to row", where(node),
                  fmt::format("one row of {}", result.shape[1]), to_string(c));
    }
    auto* gemm_op = std::get_if<QGemm>(&pending.op);
    auto* matmul_op = std::get_if<QMatMul>(&pending.op);
    const std::vector<float>& w_scale = gemm_op ? gemm_op->w_scale : matmul_op->b_scale;
    auto biases = bias(node, 2, golden::binary32::mul(alpha, a.params.scale), w_scale, beta, true);
    (gemm_op ? gemm_op->bias : matmul_op->bias) = std::move(biases.values);
    pending.off_scale = std::move(biases.off_scale);
    if (!biases.as_is) pending.product->binary32_for = kFloatBias;
  }
  define(node, std::move(result));
}

// ---- elementwise
// ---------------------------------------------------------------------------------

namespace {

// Whether the judge takes an Add of constants behind a product, if they are s32, as its bias: one
// row behind a MatMul. In any other case it adds binary32 numbers.
bool joins(const Product& product, const Expression& expression, const Shape& addend) {
  const int64_t columns = expression.shape.back();
  const bool is_row =
      addend == Shape{columns} || (addend == Shape{1, columns} && expression.shape.size() == 2);
  return product.joins_add && is_row && !expression.shared;
}

void add_to(std::vector<int32_t>& sum, const std::vector<int32_t>& bias) {
  for (size_t c = 0; c < sum.size(); ++c) sum[c] = golden::wrapping_add(sum[c], bias[c]);
}

}  // namespace

bool Builder::fold_bias(const onnx::Node& node, size_t product_input, size_t constant) {
  if (!has_input(node, 0) || !has_input(node, 1)) return false;
  const auto* expression = std::get_if<Expression>(&symbol(node, product_input));
  const auto* pending = expression ? std::get_if<Pending>(&expression->source) : nullptr;
  if (!pending) return false;
  const Symbol& addend = symbol(node, constant);
  if (const auto* other = std::get_if<Expression>(&addend)) {
    const auto* source = std::get_if<Dequantized>(&other->source);
    if (!source || !source->is_constant() || !other->steps.empty()) return false;
  } else if (addend.index() != 0) {
    return false;
  }
  Expression result = take(node, product_input);
  Operator& op = std::get<Pending>(result.source).op;
  auto* conv_op = std::get_if<QConv>(&op);
  auto* gemm_op = std::get_if<QGemm>(&op);
  auto* matmul_op = std::get_if<QMatMul>(&op);
  if (!conv_op && !gemm_op && !matmul_op) return false;
  // Only the reshape that the product itself ends with.
  const bool plain =
      result.steps.empty() || (result.steps.size() == 1 && !conv_op &&
                               std::holds_alternative<ReshapeStep>(result.steps[0]) &&
                               !std::get<ReshapeStep>(result.steps[0]).is_flatten);
  const size_t channel_axis = conv_op ? 1 : result.shape.size() - 1;
  if (!plain || result.shape.empty()) return false;
  const Shape& given = shape_of(node, constant);
  if (broadcast(given, result.shape, where(node)) != result.shape) return false;
  const std::vector<float>& w_scale = conv_op   ? conv_op->w_scale
                                      : gemm_op ? gemm_op->w_scale
                                                : matmul_op->b_scale;
  if (result.shape[channel_axis] != static_cast<int64_t>(w_scale.size())) return false;
  const size_t skipped = result.shape.size() - given.size();
  for (size_t i = 0; i < given.size(); ++i) {
    if (i + skipped != channel_axis && given[i] != 1) return false;
  }
  const QuantParams x = conv_op ? conv_op->x : gemm_op ? gemm_op->x : matmul_op->a;
  const float x_scale = golden::binary32::mul(std::get<Pending>(result.source).alpha, x.scale);
  auto& sum = std::get<Pending>(result.source);
  const bool joined = sum.product && joins(*sum.product, result, given);
  const Biases added = bias(node, constant, x_scale, w_scale, 1.0f, joined);
  add_to(conv_op ? conv_op->bias : gemm_op ? gemm_op->bias : matmul_op->bias, added.values);
  if (joined) {
    sum.off_scale = added.off_scale;
    if (!added.as_is) sum.product->binary32_for = kFloatBias;
    sum.product->reshapes = result.shape.size() != 2;
  } else {
    // The judge adds to a float result; that of a product it still sums in integers.
    if (sum.product && binary32_for(*sum.product).empty()) sum.off_scale.reset();
    if (sum.off_scale && sum.off_scale->rescaled) add_to(*sum.off_scale->rescaled, added.values);
    if (sum.product) sum.product->binary32_for = "an Add behind it that does not become its bias";
    sum.fusible = false;
  }
  if (sum.product) {
    sum.product->joins_add = false;
    sum.product->tensor = node.outputs[0];
  }
  define(node, std::move(result));
  return true;
}

Expression Builder::make_add(const onnx::Node& node, Operand a, Operand b) {
  // The judge's kernel takes the broadcast operand second, and its formula is not symmetric.
  if (is_inner_scalar(graph_.value(a.value).shape, graph_.value(b.value).shape)) std::swap(a, b);
  const Shape shape =
      broadcast(graph_.value(a.value).shape, graph_.value(b.value).shape, where(node));
  QAdd op;
  op.a = a.params;
  op.b = b.params;
  Pending pending = start_pending(node, op, {a.value, b.value}, shape);
  pending.fusible = a.direct && b.direct;
  return {std::move(pending), {}, shape, false};
}

void Builder::add(const onnx::Node& node) {
  refuse_old_broadcast(node);
  if (fold_bias(node, 0, 1) || fold_bias(node, 1, 0)) return;
  if (wrapping_binary(node, BinaryFunction::Add)) return;
  const Operand a = real_operand(node, 0);
  const Operand b = real_operand(node, 1);
  define(node, is_quantized(a) && is_quantized(b) ? make_add(node, a, b)
                                                  : make_binary(node, BinaryFunction::Add, a, b));
}

void Builder::clamp(const onnx::Node& node, float lo, float hi) {
  const Symbol& input = symbol(node, 0);
  if (input.index() == 0) {
    throw Error("input is a constant", where(node), "a tensor computed at run time");
  }
  if (const auto* value = std::get_if<ValueId>(&input)) {
    const Value& x = graph_.value(*value);
    if (x.type != DataType::S8 && x.type != DataType::U8) {
      throw Error("input has the wrong type", where(node), "float32, int8 or uint8",
                  to_string(x.type));
    }
    const Clamp range = type_range(x.type);
    const auto bound = [range](float v) {
      return static_cast<int32_t>(
          std::clamp(v, static_cast<float>(range.lo), static_cast<float>(range.hi)));
    };
    const Clamp limits{std::min(bound(lo), bound(hi)), bound(hi)};
    define(node, emit(node.label(), Requantize{{}, {}, limits}, {*value}, x.type, x.shape,
                      node.outputs[0]));
    return;
  }
  Expression expression = take(node, 0);
  append_clamp(expression, {lo, hi});
  define(node, std::move(expression));
}

void Builder::relu(const onnx::Node& node) { clamp(node, 0.0f, kInfinity); }

void Builder::clip(const onnx::Node& node) {
  const float lo = scalar_input(node, 1, attribute<float>(node, "min", -kInfinity));
  const float hi = scalar_input(node, 2, attribute<float>(node, "max", kInfinity));
  clamp(node, lo, hi);
}

// ---- QOperator forms
// -----------------------------------------------------------------------------

void Builder::finish_qlinear(const onnx::Node& node, Expression expression, const Dequantized& y) {
  if (y.type == DataType::S32) {
    throw Error("output has the wrong type", where(node), "int8 or uint8", "int32");
  }
  define(node, quantize_expression(node, expression, y));
}

void Builder::qlinear_conv(const onnx::Node& node) {
  const Operand x = qlinear_operand(node, 0);
  const Tensor& tensor = constant_input(node, 3, "weights");
  if (tensor.type() != DataType::S8 && tensor.type() != DataType::U8) {
    throw Error("weights have the wrong type", where(node), "int8 or uint8",
                to_string(tensor.type()));
  }
  require_rank(tensor.shape(), 3, 4, where(node) + ", weights");
  require_elements(node, 3);
  Weights w = parameters(node, 4, tensor.shape(), 0, tensor.type());
  w.q = std::get<0>(symbol(node, 3));
  const Dequantized y = parameters(node, 6, {}, 0, std::nullopt);
  std::vector<int32_t> bias(static_cast<size_t>(tensor.shape()[0]), 0);
  if (has_input(node, 8)) {
    const Tensor& given = constant_input(node, 8, "bias");
    if (given.type() != DataType::S32 || given.size() != tensor.shape()[0]) {
      throw Error("bias has the wrong type or length", where(node),
                  fmt::format("int32 [{}]", tensor.shape()[0]),
                  fmt::format("{} {}", to_string(given.type()), to_string(given.shape())));
    }
    bias.assign(given.data<int32_t>(), given.data<int32_t>() + given.size());
  }
  finish_qlinear(node, make_conv(node, x, w, bias), y);
}

void Builder::qlinear_matmul(const onnx::Node& node) {
  const Operand a = qlinear_operand(node, 0);
  const Dequantized y = parameters(node, 6, {}, 0, std::nullopt);
  const Symbol& second = symbol(node, 3);
  if (std::holds_alternative<Expression>(second)) {
    throw Error(fmt::format("input '{}' is float32", node.inputs[3]), where(node), "int8 or uint8");
  }
  require_elements(node, 3);
  const bool is_constant = second.index() == 0;
  const DataType type =
      is_constant ? std::get<0>(second)->type() : graph_.value(std::get<ValueId>(second)).type;
  if (type != DataType::S8 && type != DataType::U8) {
    throw Error(fmt::format("input '{}' has the wrong type", node.inputs[3]), where(node),
                "int8 or uint8", to_string(type));
  }
  Dequantized b = parameters(node, 4, shape_of(node, 3), -1, type);
  if (is_constant) {
    b.q = std::get<0>(second);
  } else {
    b.q = std::get<ValueId>(second);
  }
  finish_qlinear(node, make_matmul(node, a, b), y);
}

void Builder::qlinear_add(const onnx::Node& node) {
  const Operand a = qlinear_operand(node, 0);
  const Operand b = qlinear_operand(node, 3);
  finish_qlinear(node, make_add(node, a, b), parameters(node, 6, {}, 0, std::nullopt));
}

}  // namespace systole::graph
