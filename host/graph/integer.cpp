// ConvInteger and MatMulInteger, whose results are the sums of integer products themselves, and
// Cast, by which those become binary32 numbers.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <type_traits>

#include "host/command/error.hpp"
#include "host/graph/attributes.hpp"
#include "host/graph/builder.hpp"
#include "host/graph/node_shapes.hpp"
#include "host/graph/shapes.hpp"

namespace systole::graph {
namespace {

// Types by their number in an onnx.TensorProto.
std::optional<DataType> type_by_number(int64_t number) {
  switch (number) {
    case 1:
      return DataType::F32;
    case 2:
      return DataType::U8;
    case 3:
      return DataType::S8;
    case 6:
      return DataType::S32;
    case 7:
      return DataType::S64;
    default:
      return std::nullopt;
  }
}

// Numbers that the integer type has, cut toward zero; C++ leaves open what becomes of others.
template <typename To>
To cut(float value, const std::string& where) {
  if constexpr (std::is_integral_v<To>) {
    // Both are powers of two, or 0: exact.
    const double low = static_cast<double>(std::numeric_limits<To>::min());
    const double end = 2.0 * static_cast<double>(std::numeric_limits<To>::max() / 2 + 1);
    if (!((double{value} >= low || double{value} > low - 1) && double{value} < end)) {
      throw Error("constant does not fit the type", where, to_string(Tensor::type_of<To>()),
                  fmt::format("{}", value));
    }
  }
  return static_cast<To>(value);
}

template <typename To>
void convert(const Tensor& from, Tensor& to, const std::string& where) {
  for (int64_t i = 0; i < from.size(); ++i) {
    to.data<To>()[i] = from.type() == DataType::F32 ? cut<To>(from.data<float>()[i], where)
                                                    : static_cast<To>(from.integer(i));
  }
}

Tensor converted(const Tensor& from, DataType type, const std::string& where) {
  Tensor to(type, from.shape());
  switch (type) {
    case DataType::F32:
      convert<float>(from, to, where);
      break;
    case DataType::S8:
      convert<int8_t>(from, to, where);
      break;
    case DataType::U8:
      convert<uint8_t>(from, to, where);
      break;
    case DataType::S32:
      convert<int32_t>(from, to, where);
      break;
    case DataType::S64:
      convert<int64_t>(from, to, where);
      break;
  }
  return to;
}

}  // namespace

Dequantized Builder::integer_input(const onnx::Node& node, size_t i, size_t zero, int64_t axis) {
  const Symbol& input = symbol(node, i);
  require_elements(node, i);
  Dequantized result;
  result.type = type_of(node, i);
  if (result.type != DataType::S8 && result.type != DataType::U8) {
    throw Error(fmt::format("input '{}' has the wrong type", node.inputs[i]), where(node),
                "int8 or uint8", to_string(result.type));
  }
  if (const auto* tensor = std::get_if<0>(&input)) {
    result.q = *tensor;
  } else {
    result.q = std::get<ValueId>(input);
  }
  result.zero_point = {0};
  if (has_input(node, zero) && symbol(node, zero).index() != 0) {
    result.given_zero = single_value(node, zero, "zero point");
    const DataType type = graph_.value(*result.given_zero).type;
    if (type != result.type) {
      throw Error(fmt::format("zero point '{}' has the wrong type", node.inputs[zero]), where(node),
                  to_string(result.type), to_string(type));
    }
  } else if (has_input(node, zero)) {
    const Tensor& given = constant_input(node, zero, "zero point");
    const Shape& shape = shape_of(node, i);
    result.axis = resolve_axis(axis, static_cast<int64_t>(shape.size()), where(node));
    const int64_t channels = shape[static_cast<size_t>(result.axis)];
    // One, or one a channel in a row: [N] or [.., 1, N].
    const bool is_row =
        given.size() == channels && (given.shape().size() < 2 || given.shape().back() == channels);
    if (given.type() != result.type || (given.size() != 1 && !is_row)) {
      throw Error(fmt::format("zero point '{}' has the wrong type or shape", node.inputs[zero]),
                  where(node), fmt::format("{}, 1 or {}", to_string(result.type), channels),
                  fmt::format("{} {}", to_string(given.type()), to_string(given.shape())));
    }
    result.zero_point.resize(static_cast<size_t>(given.size()));
    for (int64_t c = 0; c < given.size(); ++c) {
      result.zero_point[static_cast<size_t>(c)] = static_cast<int32_t>(given.integer(c));
    }
  }
  result.scale.assign(result.zero_point.size(), 1.0f);
  return result;
}

Builder::Operand Builder::integer_operand(const onnx::Node& node, size_t i, size_t zero) {
  const Dequantized input = integer_input(node, i, zero, -1);
  if (!input.per_tensor()) {
    throw Error(fmt::format("input '{}' has a zero point for each row", node.inputs[i]),
                where(node), "one");
  }
  const ValueId value = input.is_constant() ? constant_value(std::get<1>(input.q), node.inputs[i])
                                            : std::get<ValueId>(input.q);
  return {value, input.params(), true, input.given_zero};
}

void Builder::define_sums(const onnx::Node& node, const Expression& expression) {
  const Pending& pending = std::get<Pending>(expression.source);
  Operator op = pending.op;
  if (auto* conv = std::get_if<QConv>(&op)) {
    conv->multiplier.assign(conv->w_scale.size(), 1.0f);
  } else if (auto* gemm = std::get_if<QGemm>(&op)) {
    gemm->multiplier.assign(gemm->w_scale.size(), 1.0f);
  } else {
    auto& matmul = std::get<QMatMul>(op);
    matmul.multiplier.assign(matmul.b_scale.size(), 1.0f);
  }
  const std::string& name = node.outputs[0];
  const ValueId value =
      emit(node.label(), std::move(op), pending.inputs, DataType::S32, pending.shape, name);
  define(node, emit_steps(value, expression.steps, node.label(), name));
}

void Builder::conv_integer(const onnx::Node& node) {
  const Operand x = integer_operand(node, 0, 2);
  const Weights w = integer_input(node, 1, 3, 0);
  if (!w.is_constant()) {
    throw Error(fmt::format("weights '{}' are computed at run time", node.inputs[1]), where(node),
                "an initializer, a Constant or a model input");
  }
  require_rank(w.constant().shape(), 3, 4, where(node) + ", weights");
  if (w.given_zero) {
    throw Error(
        fmt::format("zero point '{}' of the weights is computed at run time", node.inputs[3]),
        where(node), "a constant");
  }
  const std::vector<int32_t> bias(static_cast<size_t>(w.constant().shape()[0]), 0);
  define_sums(node, make_conv(node, x, w, bias));
}

void Builder::matmul_integer(const onnx::Node& node) {
  const Operand a = integer_operand(node, 0, 2);
  define_sums(node, make_matmul(node, a, integer_input(node, 1, 3, -1)));
}

void Builder::cast(const onnx::Node& node) {
  const auto type = type_by_number(integer(node, "to", 0));
  const DataType from = type_of(node, 0);
  const Symbol& input = symbol(node, 0);
  if (!type) {
    throw Error("attribute 'to' is not supported", where(node),
                "float32, int8, uint8, int32 or int64",
                fmt::format("ONNX type {}", integer(node, "to", 0)));
  }
  if (const auto* tensor = std::get_if<0>(&input)) {
    define(node, std::make_shared<const Tensor>(converted(**tensor, *type, where(node))));
    return;
  }
  if (*type == from) return identity(node);
  const auto* value = std::get_if<ValueId>(&input);
  if (!value || *type != DataType::F32 || from == DataType::S64) {
    throw Error("cast is not supported", where(node), "int8, uint8 or int32 to float32",
                fmt::format("{} to {}", to_string(from), to_string(*type)));
  }
  const Shape shape = graph_.value(*value).shape;
  const ValueId real = emit(node.label(), Dequantize{{1.0f}, {0}, 0, {}}, {*value}, DataType::F32,
                            shape, node.outputs[0]);
  define(node, Expression{FloatInput{real}, {}, shape, false});
}

}  // namespace systole::graph
