// Float tensors as values of the graph: what ONNX Runtime computes in binary32, node by node.
#include <fmt/format.h>

#include <algorithm>

#include "host/command/error.hpp"
#include "host/graph/builder.hpp"
#include "host/graph/constants.hpp"

namespace systole::graph {

bool Builder::is_quantized(const Operand& operand) const {
  return graph_.value(operand.value).type != DataType::F32;
}

Builder::Operand Builder::real_operand(const onnx::Node& node, size_t i) {
  const Symbol& input = symbol(node, i);
  const std::string& name = node.inputs[i];
  require_elements(node, i);
  if (const auto* value = std::get_if<ValueId>(&input)) {
    throw Error(fmt::format("input '{}' has the wrong type", name), where(node), "float32",
                to_string(graph_.value(*value).type));
  }
  if (const auto* tensor = std::get_if<0>(&input)) {
    if ((*tensor)->type() != DataType::F32) {
      throw Error(fmt::format("input '{}' has the wrong type", name), where(node), "float32",
                  to_string((*tensor)->type()));
    }
    const auto known = reals_.find(name);
    if (known == reals_.end()) reals_.emplace(name, constant_value(*tensor, name));
    return {reals_.at(name), {}, false};
  }
  const Expression expression = take(node, i);
  if (has_integers(expression)) return operand(node, i);
  return {real_value(expression, name, where(node)), {}, false};
}

ValueId Builder::real_value(const Expression& expression, const std::string& tensor,
                            const std::string& where) {
  const auto known = reals_.find(tensor);
  if (known != reals_.end()) return known->second;
  ValueId value = 0;
  if (const auto* input = std::get_if<FloatInput>(&expression.source)) {
    value = real_steps(input->value, expression.steps, tensor);
  } else if (const auto* pending = std::get_if<Pending>(&expression.source)) {
    if (pending->product) {
      check_float_product(*pending, expression.steps, tensor, where);
      value = emit_float_product(*pending, combined_clamp(expression.steps));
      value = emit_steps(value, expression.steps, pending->node, tensor);
    } else {
      value = real_steps(real_pending(*pending, where), expression.steps, tensor);
    }
  } else if (std::holds_alternative<Joined>(expression.source)) {
    value = real_joined(expression, tensor, where);
  } else {
    value = real_dequantized(expression, tensor);
  }
  reals_.emplace(tensor, value);
  return value;
}

ValueId Builder::real_dequantized(const Expression& expression, const std::string& tensor) {
  const auto& source = std::get<Dequantized>(expression.source);
  if (source.is_constant()) {
    auto real = std::make_shared<const Tensor>(dequantize_constant(source));
    return real_steps(constant_value(real, tensor), expression.steps, tensor);
  }
  // Activations and movement commute with the dequantization of integers.
  const Dequantize op{source.scale, source.zero_point, source.axis,
                      combined_clamp(expression.steps)};
  const ValueId q = std::get<ValueId>(source.q);
  const std::string node = "tensor " + tensor;
  if (source.per_tensor() && !has_fill(expression.steps)) {
    const ValueId moved = emit_steps(q, expression.steps, node, tensor + "#q");
    return emit(node, op, {moved}, DataType::F32, expression.shape, tensor);
  }
  const Shape shape = graph_.value(q).shape;
  return emit_steps(emit(node, op, {q}, DataType::F32, shape, tensor), expression.steps, node,
                    tensor);
}

ValueId Builder::real_joined(const Expression& expression, const std::string& tensor,
                             const std::string& where) {
  const Joined& joined = std::get<Joined>(expression.source);
  std::vector<ValueId> parts;
  for (size_t i = 0; i < joined.parts->size(); ++i) {
    parts.push_back(real_value((*joined.parts)[i], joined.tensors[i], where));
  }
  const ValueId value =
      emit(joined.node, Concat{joined.axis}, parts, DataType::F32, joined.shape, tensor);
  return real_steps(value, expression.steps, tensor);
}

ValueId Builder::real_pending(const Pending& pending, const std::string& where) {
  const auto known = real_pending_.find(pending.tensor);
  if (known != real_pending_.end()) return known->second;
  Operator op = pending.op;
  if (std::holds_alternative<QConv>(op)) {
    throw Error(fmt::format("'{}' is float32 straight from {}", pending.tensor, pending.node),
                where, "a QuantizeLinear and a DequantizeLinear (QDQ) behind the node");
  }
  if (const auto* add = std::get_if<QAdd>(&op)) {
    op = Binary{BinaryFunction::Add, add->a, add->b, {}, Rounding::BeforeOffset, {}};
  } else if (auto* average = std::get_if<QAveragePool>(&op)) {
    average->rounding = Rounding::BeforeOffset;
  } else if (const auto* global = std::get_if<QGlobalAveragePool>(&op)) {
    const Shape& input = graph_.value(pending.inputs[0]).shape;
    QAveragePool whole;
    whole.window.kernel = {input[2], input[3]};
    whole.x = global->x;
    whole.rounding = Rounding::BeforeOffset;
    op = whole;
  }
  const ValueId value = emit(pending.node, std::move(op), pending.inputs, DataType::F32,
                             pending.shape, pending.tensor);
  real_pending_.emplace(pending.tensor, value);
  return value;
}

ValueId Builder::real_steps(ValueId value, const std::vector<Step>& steps,
                            const std::string& tensor) {
  const FloatClamp limits = combined_clamp(steps);
  const std::string node = "tensor " + tensor;
  if (!limits.is_full()) {
    Unary clip;
    clip.alpha = limits.lo;
    clip.beta = limits.hi;
    const Shape shape = graph_.value(value).shape;
    value = emit(node, clip, {value}, DataType::F32, shape, tensor);
  }
  return emit_steps(value, steps, node, tensor);
}

}  // namespace systole::graph
