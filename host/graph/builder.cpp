#include "host/graph/builder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/command/error.hpp"
#include "host/golden/arith.hpp"
#include "host/graph/attributes.hpp"
#include "host/graph/constants.hpp"

namespace systole::graph {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr const char* kNeedsQdq =
    "integers: a QuantizeLinear and a DequantizeLinear (QDQ) before the node";

// What binary32 loses: a bias is whole in units of the accumulator while it is so within this.
constexpr double kBinary32Noise = 0x1p-21;

// `q` units of `given` in units of `unit`, if they are whole.
std::optional<int32_t> rescaled(int64_t q, double given, double unit) {
  const double value = static_cast<double>(q) * (given / unit);
  const double whole = std::nearbyint(value);
  const bool is_whole = std::abs(value - whole) <= kBinary32Noise * std::abs(value);
  if (!is_whole || std::abs(whole) > std::numeric_limits<int32_t>::max()) return std::nullopt;
  return static_cast<int32_t>(whole);
}

// Whether one window is the whole image and nothing else.
bool covers(const Window& window, const Shape& image) {
  return window.pads == std::array<int64_t, 4>{} &&
         window.kernel == std::array<int64_t, 2>{image[2], image[3]};
}

// Whether a QuantizeLinear behind the step stays there: the judge moves it to before other
// movements.
bool stops_quantization(const Step& step) {
  if (const auto* reshape = std::get_if<ReshapeStep>(&step)) return reshape->is_flatten;
  const auto* select = std::get_if<SelectStep>(&step);
  return select && !select->is_slice;
}

// Whether the judge sees the QuantizeLinear behind these steps right behind the operator: it moves
// it to before them, where nothing stops it, and drops an activation that stands right before it
// at first or behind Transpose alone.
bool reaches_operator(const std::vector<Step>& steps, size_t own_steps) {
  bool moved = false;
  for (size_t i = own_steps; i < steps.size(); ++i) {
    if (stops_quantization(steps[i])) return false;
    const bool is_clamp = std::holds_alternative<ClampStep>(steps[i]);
    if (is_clamp && moved) return false;
    moved |= !is_clamp && !std::holds_alternative<TransposeStep>(steps[i]);
  }
  return true;
}

// Relu and Clip bounds as integers of the output.
Clamp integer_clamp(float lo, float hi, QuantParams params, DataType type) {
  const Clamp range = type_range(type);
  Clamp clamp = range;
  if (lo > -kInfinity) clamp.lo = golden::quantize(lo, params.scale, params.zero_point, range);
  if (hi < kInfinity) clamp.hi = golden::quantize(hi, params.scale, params.zero_point, range);
  clamp.lo = std::min(clamp.lo, clamp.hi);
  return clamp;
}

bool is_full(Clamp clamp, DataType type) {
  return clamp.lo == type_range(type).lo && clamp.hi == type_range(type).hi;
}

// Whether a bound changes nothing or is itself a multiple of the scale.
bool on_grid(float bound, QuantParams params, DataType type) {
  const Clamp range = type_range(type);
  const int32_t q = golden::quantize(bound, params.scale, params.zero_point, range);
  const float back = golden::dequantize(q, params.scale, params.zero_point);
  return back == bound || (q == range.lo && bound < back) || (q == range.hi && bound > back);
}

// A fill value as an element of `type`.
Tensor fill_of(const Tensor& fill, DataType type, std::optional<QuantParams> params) {
  if (fill.type() == type) return fill;
  const QuantParams p = params.value_or(QuantParams{});
  Tensor q(type, {});
  q.bytes()[0] = static_cast<uint8_t>(
      golden::quantize(*fill.data<float>(), p.scale, p.zero_point, type_range(type)));
  return q;
}

// Whether every value that the steps put in is a multiple of the scale.
bool fills_on_grid(const std::vector<Step>& steps, QuantParams params, DataType type) {
  return std::all_of(steps.begin(), steps.end(), [&](const Step& step) {
    const auto* select = std::get_if<SelectStep>(&step);
    if (!select || !has_fill(select->index)) return true;
    const Tensor q = fill_of(select->fill, type, params);
    const auto integer = static_cast<int32_t>(q.integer(0));
    return golden::dequantize(integer, params.scale, params.zero_point) ==
           *select->fill.data<float>();
  });
}

// Movement, with one activation before it at most: here it is known what the judge fuses.
bool is_plain_tail(const std::vector<Step>& steps, size_t own_steps) {
  for (size_t i = own_steps + 1; i < steps.size(); ++i) {
    if (std::holds_alternative<ClampStep>(steps[i])) return false;
  }
  return true;
}

Error off_scale_error(const std::string& name, const std::string& where) {
  return Error(fmt::format("bias '{}' has a scale of its own", name), where,
               "int32 of scale x_scale * w_scale, or a node that ONNX Runtime fuses with its bias",
               "a node that it may compute in float32");
}

// Puts other biases in the place of those of `op`, which has some.
void set_bias(Operator& op, const std::vector<int32_t>& bias) {
  if (auto* conv = std::get_if<QConv>(&op)) {
    conv->bias = bias;
  } else if (auto* gemm = std::get_if<QGemm>(&op)) {
    gemm->bias = bias;
  } else {
    std::get<QMatMul>(op).bias = bias;
  }
}

}  // namespace

Clamp type_range(DataType type) { return type == DataType::S8 ? Clamp{-128, 127} : Clamp{0, 255}; }

FloatClamp combined_clamp(const std::vector<Step>& steps) {
  FloatClamp result;
  for (const Step& step : steps) {
    if (const auto* clamp = std::get_if<ClampStep>(&step)) {
      result.lo = std::min(std::max(result.lo, clamp->lo), clamp->hi);
      result.hi = std::min(std::max(result.hi, clamp->lo), clamp->hi);
    }
  }
  return result;
}

bool moves_only(const std::vector<Step>& steps) {
  return std::none_of(steps.begin(), steps.end(), [](const Step& step) {
    return std::holds_alternative<ClampStep>(step) || stops_quantization(step);
  });
}

void append_clamp(Expression& expression, FloatClamp limits) {
  // An expression clamps where it starts; what a step puts in later is clamped here.
  for (Step& step : expression.steps) {
    if (auto* select = std::get_if<SelectStep>(&step)) {
      float& fill = *select->fill.data<float>();
      fill = std::min(std::max(fill, limits.lo), limits.hi);
    }
  }
  expression.steps.push_back(ClampStep{limits.lo, limits.hi});
}

bool has_fill(const std::vector<Step>& steps) {
  return std::any_of(steps.begin(), steps.end(), [](const Step& step) {
    const auto* select = std::get_if<SelectStep>(&step);
    return select && has_fill(select->index);
  });
}

std::vector<float> multipliers(float x_scale, const std::vector<float>& w_scale, float y_scale) {
  std::vector<float> result;
  for (float w : w_scale) result.push_back(golden::accumulator_multiplier(x_scale, w, y_scale));
  return result;
}

// ---- symbols
// -------------------------------------------------------------------------------------

std::string Builder::where(const onnx::Node& node) const {
  return fmt::format("{}: node {}", model_.file, node.label());
}

std::string Builder::where_of(const Pending& pending) const {
  return fmt::format("{}: node {}", model_.file, pending.node);
}

bool Builder::has_input(const onnx::Node& node, size_t i) const {
  return i < node.inputs.size() && !node.inputs[i].empty();
}

const Symbol& Builder::symbol(const onnx::Node& node, size_t i) const {
  if (!has_input(node, i)) {
    throw Error(fmt::format("input {} is missing", i), where(node));
  }
  const auto found = symbols_.find(node.inputs[i]);
  if (found != symbols_.end()) return found->second;
  const auto unreadable = model_.unreadable.find(node.inputs[i]);
  if (unreadable != model_.unreadable.end()) {
    throw Error(fmt::format("constant '{}' has an unsupported type", node.inputs[i]), where(node),
                "float32, int8, uint8, int32 or int64", unreadable->second);
  }
  throw Error(fmt::format("input {} is a tensor that nothing writes", i), where(node), "",
              node.inputs[i]);
}

void Builder::require_elements(const onnx::Node& node, size_t i) const {
  const Shape& shape = shape_of(node, i);
  if (element_count(shape, where(node)) > 0) return;
  throw Error(fmt::format("input '{}' has no elements", node.inputs[i]), where(node),
              "dimensions of 1 and more", to_string(shape));
}

const Shape& Builder::shape_of(const onnx::Node& node, size_t i) const {
  const Symbol& input = symbol(node, i);
  if (const auto* tensor = std::get_if<0>(&input)) return (*tensor)->shape();
  if (const auto* value = std::get_if<ValueId>(&input)) return graph_.value(*value).shape;
  return std::get<Expression>(input).shape;
}

const Tensor& Builder::constant_input(const onnx::Node& node, size_t i, const char* role) const {
  const auto* tensor = std::get_if<0>(&symbol(node, i));
  if (!tensor) {
    throw Error(fmt::format("{} '{}' is computed at run time", role, node.inputs[i]), where(node),
                "an initializer, a Constant or a model input");
  }
  return **tensor;
}

std::vector<int64_t> Builder::integers_input(const onnx::Node& node, size_t i,
                                             const char* role) const {
  const Tensor& tensor = constant_input(node, i, role);
  if (tensor.type() != DataType::S64 || tensor.shape().size() > 1) {
    throw Error(fmt::format("{} has the wrong type", role), where(node), "int64 in one dimension",
                fmt::format("{} {}", to_string(tensor.type()), to_string(tensor.shape())));
  }
  const auto* data = tensor.data<int64_t>();
  return std::vector<int64_t>(data, data + tensor.size());
}

float Builder::scalar_input(const onnx::Node& node, size_t i, float otherwise) const {
  if (!has_input(node, i)) {
    if (std::isnan(otherwise)) throw Error("attribute is NaN", where(node), "a number");
    return otherwise;
  }
  const auto* expression = std::get_if<Expression>(&symbol(node, i));
  const auto* source = expression ? std::get_if<Dequantized>(&expression->source) : nullptr;
  const Tensor tensor = source && source->is_constant() ? dequantize_constant(*source)
                                                        : constant_input(node, i, "bound");
  if (tensor.size() != 1) {
    throw Error(fmt::format("input {} is no scalar", i), where(node), "one element",
                to_string(tensor.shape()));
  }
  const float value = tensor.type() == DataType::F32 ? *tensor.data<float>()
                                                     : static_cast<float>(tensor.integer(0));
  if (std::isnan(value)) throw Error(fmt::format("input {} is NaN", i), where(node));
  return value;
}

Dequantized Builder::parameters(const onnx::Node& node, size_t i, const Shape& shape, int64_t axis,
                                std::optional<DataType> type) const {
  const Tensor& scale = constant_input(node, i, "scale");
  // One dimension, or QLinearMatMul's [1, .., 1, N].
  const bool is_row = scale.shape().size() < 2 || scale.shape().back() == scale.size();
  if (scale.type() != DataType::F32 || !is_row || scale.size() == 0) {
    throw Error("scale has the wrong type or shape", where(node),
                "float32, per tensor or per channel",
                fmt::format("{} {}", to_string(scale.type()), to_string(scale.shape())));
  }
  Dequantized result;
  result.type = type.value_or(DataType::U8);
  result.scale.assign(scale.data<float>(), scale.data<float>() + scale.size());
  result.zero_point.assign(result.scale.size(), 0);
  for (float s : result.scale) {
    if (!std::isfinite(s) || s <= 0.0f) {
      throw Error(fmt::format("scale '{}' is out of range", node.inputs[i]), where(node),
                  "finite and positive", fmt::format("{}", s));
    }
  }
  if (!result.per_tensor()) {
    result.axis = resolve_axis(axis, static_cast<int64_t>(shape.size()), where(node));
    const int64_t channels = shape[static_cast<size_t>(result.axis)];
    if (channels != scale.size()) {
      throw Error(fmt::format("scale '{}' does not fit axis {}", node.inputs[i], axis), where(node),
                  fmt::format("1 or {} elements", channels), fmt::format("{}", scale.size()));
    }
  }
  if (!has_input(node, i + 1)) return result;
  const Tensor& zero = constant_input(node, i + 1, "zero point");
  result.type = zero.type();
  if (zero.type() == DataType::F32 || zero.type() == DataType::S64 ||
      (type && zero.type() != *type) || (!type && zero.type() == DataType::S32)) {
    throw Error(fmt::format("zero point '{}' has the wrong type", node.inputs[i + 1]), where(node),
                type ? to_string(*type) : "int8 or uint8", to_string(zero.type()));
  }
  if (zero.size() != 1 && zero.size() != scale.size()) {
    throw Error("zero point does not fit the scale", where(node),
                fmt::format("{} elements", scale.size()), fmt::format("{}", zero.size()));
  }
  for (size_t c = 0; c < result.scale.size(); ++c) {
    result.zero_point[c] =
        static_cast<int32_t>(zero.integer(zero.size() == 1 ? 0 : static_cast<int64_t>(c)));
  }
  return result;
}

Expression Builder::take(const onnx::Node& node, size_t i) const {
  Expression expression = std::get<Expression>(symbol(node, i));
  expression.shared |= consumers_.at(node.inputs[i]) > 1;
  return expression;
}

DataType Builder::type_of(const onnx::Node& node, size_t i) const {
  const Symbol& input = symbol(node, i);
  if (const auto* tensor = std::get_if<0>(&input)) return (*tensor)->type();
  if (const auto* value = std::get_if<ValueId>(&input)) return graph_.value(*value).type;
  return DataType::F32;
}

void Builder::define_output(const onnx::Node& node, size_t output, Symbol result) {
  if (node.outputs[output].empty()) return;
  symbols_.insert_or_assign(node.outputs[output], std::move(result));
}

void Builder::define(const onnx::Node& node, Symbol result) {
  for (size_t i = 1; i < node.outputs.size(); ++i) {
    const auto found = consumers_.find(node.outputs[i]);
    if (!node.outputs[i].empty() && found != consumers_.end()) {
      throw Error(fmt::format("output '{}' is not supported", node.outputs[i]), where(node),
                  "only the first output is used");
    }
  }
  symbols_.insert_or_assign(node.outputs[0], std::move(result));
}

// ---- operands
// ------------------------------------------------------------------------------------

bool Builder::has_integers(const Expression& expression) const {
  const auto* source = std::get_if<Dequantized>(&expression.source);
  if (!source || !source->per_tensor()) return false;
  if (source->type != DataType::S8 && source->type != DataType::U8) return false;
  const auto [lo, hi] = combined_clamp(expression.steps);
  return on_grid(lo, source->params(), source->type) &&
         on_grid(hi, source->params(), source->type) &&
         fills_on_grid(expression.steps, source->params(), source->type);
}

Builder::Operand Builder::operand(const onnx::Node& node, size_t i) {
  const std::string& name = i < node.inputs.size() ? node.inputs[i] : std::string();
  const auto known = operands_.find(name);
  if (known != operands_.end()) return known->second;
  const auto* expression = std::get_if<Expression>(&symbol(node, i));
  require_elements(node, i);
  const std::string input = fmt::format("input '{}'", name);
  if (!expression) {
    const bool is_value = symbol(node, i).index() == 1;
    throw Error(input + (is_value ? " is not dequantized" : " is a constant without QDQ"),
                where(node), kNeedsQdq);
  }
  if (const auto* pending = std::get_if<Pending>(&expression->source)) {
    throw Error(fmt::format("{} is float32, the output of {}", input, pending->node), where(node),
                kNeedsQdq);
  }
  if (std::holds_alternative<FloatInput>(expression->source)) {
    throw Error(input + " is float32", where(node), kNeedsQdq);
  }
  if (std::holds_alternative<Joined>(expression->source)) {
    const auto joined = joined_operand(node, *expression);
    if (!joined) throw Error(input + " joins float32 or other scales", where(node), kNeedsQdq);
    operands_.emplace(name, *joined);
    return *joined;
  }
  const auto& source = std::get<Dequantized>(expression->source);
  if (!source.per_tensor() || (source.type != DataType::S8 && source.type != DataType::U8)) {
    throw Error(input + " is not quantized as activations are", where(node),
                "int8 or uint8, per tensor",
                fmt::format("{}, {} scales", to_string(source.type), source.scale.size()));
  }
  const auto [lo, hi] = combined_clamp(expression->steps);
  const QuantParams params = source.params();
  if (!fills_on_grid(expression->steps, params, source.type)) {
    throw Error(input + " is padded between the integers of its scale", where(node), kNeedsQdq);
  }
  if (!on_grid(lo, params, source.type) || !on_grid(hi, params, source.type)) {
    throw Error(input + " is clipped between the integers of its scale", where(node), kNeedsQdq);
  }
  Operand result{0, params, moves_only(expression->steps)};
  result.value = source.is_constant() ? constant_value(std::get<1>(source.q), name + "#q")
                                      : std::get<ValueId>(source.q);
  const Clamp clamp = integer_clamp(lo, hi, params, source.type);
  if (!is_full(clamp, source.type)) {
    const Shape shape = graph_.value(result.value).shape;
    result.value = emit(node.label(), Requantize{params, params, clamp}, {result.value},
                        source.type, shape, name + "#clamped");
  }
  result.value = emit_steps(result.value, expression->steps, node.label(), name + "#q", params);
  operands_.emplace(name, result);
  return result;
}

std::optional<Builder::Operand> Builder::joined_operand(const onnx::Node& node,
                                                        const Expression& expression) {
  std::optional<Dequantized> common;
  std::vector<Step> steps = expression.steps;
  for (const Expression& part : *std::get<Joined>(expression.source).parts) {
    const auto* source = std::get_if<Dequantized>(&part.source);
    if (!source || !source->per_tensor() || source->type == DataType::S32) return std::nullopt;
    if (common && (!(common->params() == source->params()) || common->type != source->type)) {
      return std::nullopt;
    }
    common = *source;
    steps.insert(steps.end(), part.steps.begin(), part.steps.end());
  }
  const QuantParams params = common->params();
  const auto [lo, hi] = combined_clamp(steps);
  if (!on_grid(lo, params, common->type) || !on_grid(hi, params, common->type) ||
      !fills_on_grid(steps, params, common->type)) {
    return std::nullopt;
  }
  return Operand{quantize_joined(node, expression, *common), params, false};
}

Builder::Operand Builder::qlinear_operand(const onnx::Node& node, size_t i) {
  const Symbol& input = symbol(node, i);
  require_elements(node, i);
  if (std::holds_alternative<Expression>(input)) {
    throw Error(fmt::format("input '{}' is float32", node.inputs[i]), where(node), "int8 or uint8");
  }
  ValueId value = 0;
  if (const auto* tensor = std::get_if<0>(&input)) {
    value = constant_value(*tensor, node.inputs[i]);
  } else {
    value = std::get<ValueId>(input);
  }
  const DataType type = graph_.value(value).type;
  if (type != DataType::S8 && type != DataType::U8) {
    throw Error(fmt::format("input '{}' has the wrong type", node.inputs[i]), where(node),
                "int8 or uint8", to_string(type));
  }
  const Dequantized params = parameters(node, i + 1, shape_of(node, i), 0, type);
  if (!params.per_tensor()) {
    throw Error(fmt::format("input '{}' is quantized per channel", node.inputs[i]), where(node),
                "per tensor");
  }
  return {value, params.params(), true};
}

Builder::Weights Builder::weights(const onnx::Node& node, size_t i) const {
  const auto* expression = std::get_if<Expression>(&symbol(node, i));
  const auto* source = expression ? std::get_if<Dequantized>(&expression->source) : nullptr;
  if (!source || !source->is_constant() || !expression->steps.empty()) {
    throw Error(fmt::format("weights '{}' are not quantized constants", node.inputs[i]),
                where(node), "int8 or uint8 through DequantizeLinear (QDQ)");
  }
  if (source->type != DataType::S8 && source->type != DataType::U8) {
    throw Error(fmt::format("weights '{}' have the wrong type", node.inputs[i]), where(node),
                "int8 or uint8", to_string(source->type));
  }
  require_elements(node, i);
  return *source;
}

Builder::Biases Builder::integer_bias(const onnx::Node& node, const std::string& name,
                                      const Dequantized& source, float x_scale,
                                      const std::vector<float>& w_scale, float beta,
                                      bool joins) const {
  if (source.is_moved && source.per_tensor()) {
    // The judge quantizes what was moved once more, to eight bits of the same scale.
    throw Error(fmt::format("bias '{}' is moved behind its DequantizeLinear", name), where(node),
                "int32 in the shape that the node needs, or a scale per channel");
  }
  const Tensor& given = source.constant();
  std::vector<int32_t> as_is, real;
  for (size_t c = 0; c < w_scale.size(); ++c) {
    const size_t at = given.size() == 1 ? 0 : c;
    const size_t channel = source.per_tensor() ? 0 : at;
    const int32_t q = given.data<int32_t>()[at];
    as_is.push_back(q);
    const auto value =
        rescaled(int64_t{q} - source.zero_point[channel], double{beta} * source.scale[channel],
                 golden::binary32::mul(x_scale, w_scale[c]));
    if (value) real.push_back(*value);
  }
  const bool is_whole = real.size() == as_is.size();
  Biases result;
  result.as_is = joins && beta == 1.0f && !source.is_moved;
  if (!result.as_is) {
    if (!is_whole) throw off_scale_error(name, where(node));
    result.values = std::move(real);
  } else {
    if (!is_whole) {
      result.off_scale = OffScaleBias{name, std::nullopt};
    } else if (real != as_is) {
      result.off_scale = OffScaleBias{name, std::move(real)};
    }
    result.values = std::move(as_is);
  }
  return result;
}

Builder::Biases Builder::bias(const onnx::Node& node, size_t i, float x_scale,
                              const std::vector<float>& w_scale, float beta, bool joins) const {
  Biases result;
  result.values.assign(w_scale.size(), 0);
  if (!has_input(node, i)) return result;
  const Symbol& input = symbol(node, i);
  const auto* expression = std::get_if<Expression>(&input);
  const auto* source = expression ? std::get_if<Dequantized>(&expression->source) : nullptr;
  if (expression && (!source || !source->is_constant() || !expression->steps.empty())) {
    throw Error(fmt::format("bias '{}' is computed at run time", node.inputs[i]), where(node),
                "a constant");
  }
  if (source && source->type == DataType::S32) {
    return integer_bias(node, node.inputs[i], *source, x_scale, w_scale, beta, joins);
  }
  const Tensor real = source ? dequantize_constant(*source) : constant_input(node, i, "bias");
  if (real.type() != DataType::F32) {
    throw Error(fmt::format("bias '{}' has the wrong type", node.inputs[i]), where(node),
                "float32, or int32 through DequantizeLinear", to_string(real.type()));
  }
  result.as_is = false;
  for (size_t c = 0; c < w_scale.size(); ++c) {
    const float given = real.data<float>()[real.size() == 1 ? 0 : c];
    const float value = golden::binary32::mul(beta, given);
    result.values[c] = golden::quantize_bias(value, x_scale, w_scale[c]);
  }
  return result;
}

// ---- emission
// ------------------------------------------------------------------------------------

ValueId Builder::add_value(const std::string& name, DataType type, Shape shape) {
  element_count(shape, fmt::format("{}: tensor '{}'", model_.file, name));
  std::string unique = name;
  for (int i = 1; !value_names_.insert(unique).second; ++i) unique = fmt::format("{}#{}", name, i);
  graph_.values.push_back({unique, type, std::move(shape), std::nullopt});
  return static_cast<ValueId>(graph_.values.size()) - 1;
}

ValueId Builder::constant_value(const std::shared_ptr<const Tensor>& tensor,
                                const std::string& name) {
  const ValueId id = add_value(name, tensor->type(), tensor->shape());
  graph_.values.back().constant = *tensor;
  return id;
}

ValueId Builder::emit(const std::string& node, Operator op, std::vector<ValueId> inputs,
                      DataType type, Shape shape, const std::string& name) {
  // An output that is a constant without elements comes by as a Reshape.
  const bool moves = std::holds_alternative<Reshape>(op);
  const std::string at = fmt::format("{}: node {}", model_.file, node);
  if (element_count(shape, at) == 0 && !moves) {
    throw Error("result has no elements", at, "dimensions of 1 and more", to_string(shape));
  }
  const ValueId output = add_value(name, type, std::move(shape));
  graph_.nodes.push_back({node, std::move(op), std::move(inputs), output});
  return output;
}

ValueId Builder::reshape_value(ValueId value, const Shape& shape, const std::string& node,
                               const std::string& name) {
  const Value& input = graph_.value(value);
  if (input.shape == shape) return value;
  return emit(node, Reshape{}, {value}, input.type, shape, name);
}

ValueId Builder::transpose_value(ValueId value, const std::vector<int64_t>& perm,
                                 const std::string& node, const std::string& name) {
  if (std::is_sorted(perm.begin(), perm.end())) return value;
  const Value& input = graph_.value(value);
  const Shape shape = transpose_target(input.shape, perm);
  return emit(node, Transpose{perm}, {value}, input.type, shape, name);
}

ValueId Builder::emit_steps(ValueId value, const std::vector<Step>& steps, const std::string& node,
                            const std::string& name, std::optional<QuantParams> params) {
  for (const Step& step : steps) {
    if (const auto* reshape = std::get_if<ReshapeStep>(&step)) {
      value = reshape_value(value, reshape->shape, node, name);
    } else if (const auto* transpose = std::get_if<TransposeStep>(&step)) {
      value = transpose_value(value, transpose->perm, node, name);
    } else if (const auto* pool = std::get_if<MaxPoolStep>(&step)) {
      value =
          emit(node, QMaxPool{pool->window}, {value}, graph_.value(value).type, pool->shape, name);
    } else if (const auto* select = std::get_if<SelectStep>(&step)) {
      const DataType type = graph_.value(value).type;
      Select op{select->index, fill_of(select->fill, type, params)};
      value = emit(node, std::move(op), {value}, type, select->shape, name);
    }
  }
  return value;
}

bool Builder::is_fused(const Pending& pending, const OutputParams& out) const {
  const Clamp clamp = integer_clamp(out.lo, out.hi, out.y, out.type);
  if (!pending.fusible || !out.direct || !is_full(clamp, out.type)) return false;
  // The second operand of a MatMul may have another type.
  const bool is_product = std::holds_alternative<QMatMul>(pending.op);
  const auto end = is_product ? pending.inputs.begin() + 1 : pending.inputs.end();
  return std::all_of(pending.inputs.begin(), end,
                     [this, &out](ValueId input) { return graph_.value(input).type == out.type; });
}

ValueId Builder::emit_pending(const Pending& pending, const OutputParams& out,
                              const std::string& name) {
  const Clamp clamp = integer_clamp(out.lo, out.hi, out.y, out.type);
  const bool fused = is_fused(pending, out);
  const Rounding rounding = fused ? Rounding::AfterOffset : Rounding::BeforeOffset;
  Operator op = pending.op;
  if (pending.off_scale && !fused) {
    const OffScaleBias& bias = *pending.off_scale;
    if (!bias.rescaled) throw off_scale_error(bias.name, where_of(pending));
    set_bias(op, *bias.rescaled);
  }
  if (auto* conv = std::get_if<QConv>(&op)) {
    conv->multiplier = multipliers(conv->x.scale, conv->w_scale, out.y.scale);
    conv->y = out.y;
    conv->clamp = clamp;
  } else if (auto* gemm = std::get_if<QGemm>(&op)) {
    const float x_scale = golden::binary32::mul(pending.alpha, gemm->x.scale);
    gemm->multiplier = multipliers(x_scale, gemm->w_scale, out.y.scale);
    gemm->y = out.y;
    gemm->clamp = clamp;
  } else if (auto* product = std::get_if<QMatMul>(&op)) {
    const float a_scale = golden::binary32::mul(pending.alpha, product->a.scale);
    product->multiplier = multipliers(a_scale, product->b_scale, out.y.scale);
    product->y = out.y;
    product->clamp = clamp;
  } else if (auto* sum = std::get_if<QAdd>(&op)) {
    sum->y = out.y;
    sum->clamp = clamp;
    sum->rounding = rounding;
  } else if (auto* average = std::get_if<QAveragePool>(&op)) {
    average->y = out.y;
    average->clamp = clamp;
    average->rounding = rounding;
    if (fused && average->counted == Counted::Padded) average->counted = Counted::Window;
    if (fused && covers(average->window, graph_.value(pending.inputs[0]).shape)) {
      op = QGlobalAveragePool{average->x, out.y, clamp};
    }
  } else if (auto* global = std::get_if<QGlobalAveragePool>(&op)) {
    global->y = out.y;
    global->clamp = clamp;
    if (!fused) {
      const Shape& input = graph_.value(pending.inputs[0]).shape;
      QAveragePool whole;
      whole.window.kernel = {input[2], input[3]};
      whole.x = global->x;
      whole.y = out.y;
      whole.rounding = rounding;
      whole.clamp = clamp;
      op = whole;
    }
  } else if (auto* binary = std::get_if<Binary>(&op)) {
    binary->y = out.y;
    binary->clamp = clamp;
    if (binary->function == BinaryFunction::Mul) binary->rounding = rounding;
  } else if (auto* unary = std::get_if<Unary>(&op)) {
    unary->y = out.y;
    unary->clamp = clamp;
  } else if (auto* softmax = std::get_if<Softmax>(&op)) {
    softmax->y = out.y;
    softmax->clamp = clamp;
  } else if (auto* mean = std::get_if<RowMean>(&op)) {
    mean->y = out.y;
    mean->clamp = clamp;
  }
  return emit(pending.node, std::move(op), pending.inputs, out.type, pending.shape, name);
}

ValueId Builder::quantize_value(const onnx::Node& node, ValueId value, const Expression& expression,
                                const Dequantized& y) {
  const std::string& name = node.outputs[0];
  const FloatClamp limits = combined_clamp(expression.steps);
  if (!y.per_tensor()) {
    value = real_steps(value, expression.steps, name + "#f");
    const Quantize op{y.scale, y.zero_point, y.axis, type_range(y.type)};
    return emit(node.label(), op, {value}, y.type, expression.shape, name);
  }
  const Clamp clamp = integer_clamp(limits.lo, limits.hi, y.params(), y.type);
  const Shape shape = graph_.value(value).shape;
  value =
      emit(node.label(), Quantize{y.scale, y.zero_point, 0, clamp}, {value}, y.type, shape, name);
  return emit_steps(value, expression.steps, node.label(), name, y.params());
}

ValueId Builder::quantize_expression(const onnx::Node& node, const Expression& expression,
                                     const Dequantized& y, const std::string& tensor) {
  const std::string& name = node.outputs[0];
  const auto [lo, hi] = combined_clamp(expression.steps);
  if (const auto* input = std::get_if<FloatInput>(&expression.source)) {
    return quantize_value(node, input->value, expression, y);
  }
  const auto* dequantized = std::get_if<Dequantized>(&expression.source);
  if (!y.per_tensor() || (dequantized && !dequantized->per_tensor())) {
    const ValueId value = real_value(expression, tensor, where(node));
    const Quantize op{y.scale, y.zero_point, y.axis, type_range(y.type)};
    return emit(node.label(), op, {value}, y.type, expression.shape, name);
  }
  if (const auto* pending = std::get_if<Pending>(&expression.source)) {
    if (pending->off_scale && !is_plain_tail(expression.steps, pending->own_steps)) {
      throw off_scale_error(pending->off_scale->name, where_of(*pending));
    }
    if (is_float_product(expression)) {
      return quantize_value(node, emit_float_product(*pending, {}), expression, y);
    }
    const bool direct =
        !expression.shared && reaches_operator(expression.steps, pending->own_steps);
    const ValueId value = emit_pending(*pending, {y.params(), y.type, lo, hi, direct}, name);
    return emit_steps(value, expression.steps, node.label(), name, y.params());
  }
  if (std::holds_alternative<Joined>(expression.source)) {
    return quantize_joined(node, expression, y);
  }
  const auto& source = std::get<Dequantized>(expression.source);
  ValueId value = source.is_constant() ? constant_value(std::get<1>(source.q), name + "#q")
                                       : std::get<ValueId>(source.q);
  const Clamp clamp = integer_clamp(lo, hi, y.params(), y.type);
  const bool same = source.params() == y.params() && source.type == y.type;
  const bool moves = same && is_full(clamp, y.type);
  const auto requantize = [&](ValueId x) {
    const Shape shape = graph_.value(x).shape;
    return emit(node.label(), Requantize{source.params(), y.params(), clamp}, {x}, y.type, shape,
                name);
  };
  // What a step puts in need not be a number of the source's scale.
  const bool first = has_fill(expression.steps);
  if (!moves && first) value = requantize(value);
  value = emit_steps(value, expression.steps, node.label(), name, y.params());
  return moves || first ? value : requantize(value);
}

ValueId Builder::quantize_joined(const onnx::Node& node, const Expression& expression,
                                 const Dequantized& y) {
  const Joined& joined = std::get<Joined>(expression.source);
  const FloatClamp limits = combined_clamp(expression.steps);
  std::vector<ValueId> parts;
  for (size_t i = 0; i < joined.parts->size(); ++i) {
    Expression part = (*joined.parts)[i];
    if (!limits.is_full()) append_clamp(part, limits);
    // A Concat is between the part and its QuantizeLinear: nothing fuses.
    part.shared = true;
    parts.push_back(quantize_expression(node, part, y, joined.tensors[i]));
  }
  const std::string& name = node.outputs[0];
  const ValueId value = emit(joined.node, Concat{joined.axis}, parts, y.type, joined.shape, name);
  return emit_steps(value, expression.steps, node.label(), name, y.params());
}

// ---- the whole
// -----------------------------------------------------------------------------------

Graph Builder::build() {
  for (const onnx::Node& node : model_.nodes) {
    for (const std::string& input : node.inputs) ++consumers_[input];
  }
  for (const onnx::Port& port : model_.outputs) ++consumers_[port.name];
  const std::set<size_t> live = live_nodes();
  for (size_t i = 0; i < model_.nodes.size(); ++i) {
    if (!live.count(i)) continue;
    const onnx::Node& node = model_.nodes[i];
    const std::string key = node.domain.empty() ? node.op_type : node.domain + "." + node.op_type;
    const auto handler = handlers().find(key);
    if (handler == handlers().end()) {
      throw Error(fmt::format("operator {} is not supported", key), where(node));
    }
    (this->*handler->second)(node);
  }
  finish_outputs();
  prune();
  return std::move(graph_);
}

}  // namespace systole::graph
