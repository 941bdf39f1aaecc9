// DynamicQuantizeLinear, and QuantizeLinear and DequantizeLinear with scales and zero points that
// are computed at run time, or given by block.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "host/command/error.hpp"
#include "host/graph/attributes.hpp"
#include "host/graph/builder.hpp"

namespace systole::graph {

ValueId Builder::single_value(const onnx::Node& node, size_t i, const char* role) {
  const Symbol& input = symbol(node, i);
  ValueId value = 0;
  if (const auto* known = std::get_if<ValueId>(&input)) {
    value = *known;
  } else if (const auto* tensor = std::get_if<0>(&input)) {
    value = constant_value(*tensor, node.inputs[i]);
  } else {
    value = real_value(take(node, i), node.inputs[i], where(node));
  }
  if (element_count(graph_.value(value).shape) != 1) {
    throw Error(fmt::format("{} '{}' is computed at run time and has several elements", role,
                            node.inputs[i]),
                where(node), "one element", to_string(graph_.value(value).shape));
  }
  return value;
}

ValueId Builder::float_value(const onnx::Node& node, size_t i) {
  const std::string& name = node.inputs[i];
  if (type_of(node, i) != DataType::F32) {
    throw Error(fmt::format("input '{}' has the wrong type", name), where(node), "float32",
                to_string(type_of(node, i)));
  }
  const Symbol& input = symbol(node, i);
  if (const auto* tensor = std::get_if<0>(&input)) return constant_value(*tensor, name);
  return real_value(take(node, i), name, where(node));
}

ValueId Builder::float_constant(float value, const std::string& name) {
  return constant_value(std::make_shared<const Tensor>(Shape{}, std::vector<float>{value}), name);
}

ValueId Builder::emit_binary(const onnx::Node& node, BinaryFunction function, ValueId a, ValueId b,
                             const std::string& name) {
  Binary op;
  op.function = function;
  const Shape shape = graph_.value(a).shape;
  return emit(node.label(), op, {a, b}, DataType::F32, shape, name);
}

// ---- parameters that are computed
// ---------------------------------------------------------------------------

void Builder::dynamic_quantize_linear(const onnx::Node& node) {
  const std::string& name = node.outputs[0];
  const ValueId x = float_value(node, 0);
  const auto output = [&](size_t i, const char* otherwise) {
    const bool named = i < node.outputs.size() && !node.outputs[i].empty();
    return named ? node.outputs[i] : name + otherwise;
  };
  const ValueId reach = emit(node.label(), Reach{}, {x}, DataType::F32, {2}, name + "#reach");
  const ValueId scale =
      emit(node.label(), DynamicParameter{false}, {reach}, DataType::F32, {}, output(1, "#scale"));
  const ValueId zero =
      emit(node.label(), DynamicParameter{true}, {reach}, DataType::U8, {}, output(2, "#zero"));
  const Shape shape = graph_.value(x).shape;
  const ValueId y =
      emit(node.label(), DynamicQuantize{}, {x, scale, zero}, DataType::U8, shape, name);
  define_output(node, 0, y);
  if (node.outputs.size() > 1) {
    define_output(node, 1, Expression{FloatInput{scale}, {}, {}, false});
  }
  if (node.outputs.size() > 2) define_output(node, 2, zero);
}

bool Builder::has_run_time_parameters(const onnx::Node& node) const {
  const auto is_computed = [&](size_t i) {
    return has_input(node, i) && symbol(node, i).index() != 0;
  };
  return is_computed(1) || is_computed(2);
}

void Builder::quantize_at_run_time(const onnx::Node& node) {
  const ValueId x = float_value(node, 0);
  const ValueId scale = single_value(node, 1, "scale");
  ValueId zero = 0;
  if (has_input(node, 2)) {
    zero = single_value(node, 2, "zero point");
  } else {
    zero = constant_value(std::make_shared<const Tensor>(DataType::U8, Shape{}),
                          node.outputs[0] + "#zero");
  }
  const DataType type = graph_.value(zero).type;
  if (graph_.value(scale).type != DataType::F32 || (type != DataType::S8 && type != DataType::U8)) {
    throw Error("scale or zero point has the wrong type", where(node), "float32, and int8 or uint8",
                fmt::format("{}, {}", to_string(graph_.value(scale).type), to_string(type)));
  }
  const Shape shape = graph_.value(x).shape;
  define(node,
         emit(node.label(), DynamicQuantize{}, {x, scale, zero}, type, shape, node.outputs[0]));
}

ValueId Builder::number_value(const onnx::Node& node, ValueId value, const std::string& name) {
  const Shape shape = graph_.value(value).shape;
  return emit(node.label(), Dequantize{{1.0f}, {0}, 0, {}}, {value}, DataType::F32, shape, name);
}

// f32(q) - f32(zero) is exact.
void Builder::dequantize_at_run_time(const onnx::Node& node) {
  const Symbol& input = symbol(node, 0);
  const DataType type = type_of(node, 0);
  if (type != DataType::S8 && type != DataType::U8) {
    throw Error(fmt::format("input '{}' has the wrong type", node.inputs[0]), where(node),
                "int8 or uint8", to_string(type));
  }
  const std::string& name = node.outputs[0];
  const auto* tensor = std::get_if<0>(&input);
  const ValueId q = tensor ? constant_value(*tensor, node.inputs[0]) : std::get<ValueId>(input);
  const Shape shape = graph_.value(q).shape;
  ValueId real = number_value(node, q, name + "#number");
  const auto binary = [&](BinaryFunction function, ValueId by, const std::string& result) {
    const ValueId scalar = reshape_value(by, {}, node.label(), result + "#scalar");
    return emit_binary(node, function, real, scalar, result);
  };
  if (has_input(node, 2)) {
    const ValueId zero = single_value(node, 2, "zero point");
    real =
        binary(BinaryFunction::Sub, number_value(node, zero, name + "#zero"), name + "#centered");
  }
  const ValueId scale = single_value(node, 1, "scale");
  if (graph_.value(scale).type != DataType::F32) {
    throw Error("scale has the wrong type", where(node), "float32",
                to_string(graph_.value(scale).type));
  }
  real = binary(BinaryFunction::Mul, scale, name);
  define(node, Expression{FloatInput{real}, {}, shape, false});
}

// ---- parameters by block
// ---------------------------------------------------------------------------------

ValueId Builder::by_element(const onnx::Node& node, size_t i, const char* role,
                            const Shape& shape) {
  const Tensor& given = constant_input(node, i, role);
  const int64_t block = integer(node, "block_size", 0);
  const auto axis = static_cast<size_t>(
      resolve_axis(integer(node, "axis", 1), static_cast<int64_t>(shape.size()), where(node)));
  Shape blocks = shape;
  if (block > 0) blocks[axis] = (shape[axis] + block - 1) / block;
  if (block <= 0 || given.shape() != blocks) {
    throw Error(
        fmt::format("{} '{}' does not fit the attribute 'block_size'", role, node.inputs[i]),
        where(node), to_string(blocks),
        fmt::format("{}, blocks of {}", to_string(given.shape()), block));
  }
  std::vector<IndexMap> maps;
  for (const int64_t size : shape) maps.push_back(identity_map(size));
  for (int64_t& index : maps[axis]) index /= block;
  const Tensor all = select(given, maps, Tensor(given.type(), {}));
  auto numbers = std::make_shared<Tensor>(DataType::F32, shape);
  const bool is_float = all.type() == DataType::F32;
  for (int64_t k = 0; k < all.size(); ++k) {
    const float number = is_float ? all.data<float>()[k] : static_cast<float>(all.integer(k));
    if (is_float && (!std::isfinite(number) || number <= 0.0f)) {
      throw Error(fmt::format("{} '{}' is out of range", role, node.inputs[i]), where(node),
                  "finite and positive", fmt::format("{}", number));
    }
    numbers->data<float>()[k] = number;
  }
  return constant_value(numbers, node.outputs[0] + "#" + role);
}

// Rounded to whole numbers by a large one; then the zero points are added.
void Builder::quantize_blocks(const onnx::Node& node) {
  constexpr float kLimit = 65536.0f, kMagic = 12582912.0f;  // 1.5 * 2^23
  const bool has_zero = has_input(node, 2);
  const DataType zero_type = has_zero ? type_of(node, 2) : DataType::U8;
  if (zero_type != DataType::S8 && zero_type != DataType::U8) {
    throw Error(fmt::format("zero point '{}' has the wrong type", node.inputs[2]), where(node),
                "int8 or uint8", to_string(zero_type));
  }
  const DataType type = output_type(node, zero_type);
  const std::string& name = node.outputs[0];
  const ValueId x = float_value(node, 0);
  const Shape shape = graph_.value(x).shape;
  const ValueId scale = by_element(node, 1, "scale", shape);
  ValueId value = emit_binary(node, BinaryFunction::Div, x, scale, name + "#quotient");
  Unary clip;
  clip.alpha = -kLimit;
  clip.beta = kLimit;
  value = emit(node.label(), clip, {value}, DataType::F32, shape, name + "#clipped");
  const ValueId magic = float_constant(kMagic, name + "#magic");
  value = emit_binary(node, BinaryFunction::Add, value, magic, name + "#whole");
  value = emit_binary(node, BinaryFunction::Sub, value, magic, name + "#whole");
  if (has_zero) {
    const ValueId zero = by_element(node, 2, "zero point", shape);
    value = emit_binary(node, BinaryFunction::Add, value, zero, name + "#sum");
  }
  const Quantize codes{{1.0f}, {0}, 0, type_range(type)};
  define(node, emit(node.label(), codes, {value}, type, shape, name));
}

// f32(q) - f32(zero) is exact.
void Builder::dequantize_blocks(const onnx::Node& node) {
  const DataType type = type_of(node, 0);
  if (type != DataType::S8 && type != DataType::U8) {
    throw Error(fmt::format("input '{}' has the wrong type", node.inputs[0]), where(node),
                "int8 or uint8", to_string(type));
  }
  const Symbol& input = symbol(node, 0);
  const std::string& name = node.outputs[0];
  const auto* tensor = std::get_if<0>(&input);
  const ValueId q = tensor ? constant_value(*tensor, node.inputs[0]) : std::get<ValueId>(input);
  const Shape shape = graph_.value(q).shape;
  ValueId real = number_value(node, q, name + "#number");
  if (has_input(node, 2)) {
    const ValueId zero = by_element(node, 2, "zero point", shape);
    real = emit_binary(node, BinaryFunction::Sub, real, zero, name + "#centered");
  }
  real = emit_binary(node, BinaryFunction::Mul, real, by_element(node, 1, "scale", shape), name);
  define(node, Expression{FloatInput{real}, {}, shape, false});
}

// ---- sums, and padding
// -----------------------------------------------------------------------------------

void Builder::dequantize_sums(const onnx::Node& node, const Dequantized& source) {
  const auto is_zero = [](int32_t zero) { return zero == 0; };
  if (!std::all_of(source.zero_point.begin(), source.zero_point.end(), is_zero)) {
    throw Error("an int32 tensor has a zero point", where(node), "0");
  }
  const ValueId q = std::get<ValueId>(symbol(node, 0));
  const Shape shape = graph_.value(q).shape;
  const ValueId real =
      emit(node.label(), Dequantize{source.scale, source.zero_point, source.axis, {}}, {q},
           DataType::F32, shape, node.outputs[0]);
  define(node, Expression{FloatInput{real}, {}, shape, false});
}

// A Concat along the width, then one along the height, with copies of the zero point: zeros,
// quantized.
ValueId Builder::padded_value(const onnx::Node& node, ValueId x, ValueId zero, const Window& window,
                              int64_t height, int64_t width) {
  const auto reach = [&](size_t axis, int64_t outputs) {
    return (outputs - 1) * window.stride[axis] + (window.kernel[axis] - 1) * window.dilation[axis] +
           1;
  };
  const std::array<int64_t, 2> needed = {reach(0, height), reach(1, width)};
  const std::string name = node.outputs[0] + "#padded";
  const ValueId unit = float_constant(1.0f, name + "#unit");
  const DataType type = graph_.value(x).type;
  for (const size_t axis : {1, 0}) {
    const size_t dim = axis + 2;
    Shape shape = graph_.value(x).shape;
    const int64_t before = window.pads[axis];
    const int64_t behind = std::max<int64_t>(needed[axis] - before - shape[dim], 0);
    std::vector<ValueId> parts;
    const auto add_copies = [&](int64_t count) {
      if (count == 0) return;
      Shape copies = shape;
      copies[dim] = count;
      const ValueId zeros =
          constant_value(std::make_shared<const Tensor>(DataType::F32, copies), name + "#zeros");
      parts.push_back(
          emit(node.label(), DynamicQuantize{}, {zeros, unit, zero}, type, copies, name));
    };
    add_copies(before);
    parts.push_back(x);
    add_copies(behind);
    if (parts.size() == 1) continue;
    shape[dim] += before + behind;
    x = emit(node.label(), Concat{static_cast<int64_t>(dim)}, parts, type, shape, name);
  }
  return x;
}

}  // namespace systole::graph
