// DynamicQuantizeLinear, and QuantizeLinear and DequantizeLinear with scales and zero points that
// are computed at run time.
#include <fmt/format.h>

#include <algorithm>
#include <array>

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

void Builder::dynamic_quantize_linear(const onnx::Node& node) {
  if (type_of(node, 0) != DataType::F32) {
    throw Error(fmt::format("input '{}' has the wrong type", node.inputs[0]), where(node),
                "float32", to_string(type_of(node, 0)));
  }
  const Symbol& input = symbol(node, 0);
  const std::string& name = node.outputs[0];
  const auto* tensor = std::get_if<0>(&input);
  const ValueId x = tensor ? constant_value(*tensor, node.inputs[0])
                           : real_value(take(node, 0), node.inputs[0], where(node));
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
  if (type_of(node, 0) != DataType::F32) {
    throw Error("input is not float32", where(node), "float32", to_string(type_of(node, 0)));
  }
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
  const Symbol& input = symbol(node, 0);
  const auto* tensor = std::get_if<0>(&input);
  const ValueId x = tensor ? constant_value(*tensor, node.inputs[0])
                           : real_value(take(node, 0), node.inputs[0], where(node));
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
    Binary op;
    op.function = function;
    const ValueId scalar = reshape_value(by, {}, node.label(), result + "#scalar");
    return emit(node.label(), op, {real, scalar}, DataType::F32, shape, result);
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
  const ValueId unit = constant_value(
      std::make_shared<const Tensor>(Shape{}, std::vector<float>{1.0f}), name + "#unit");
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
