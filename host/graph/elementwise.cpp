// Sub, Mul, Div and functions of one number. Their results are quantized by the QuantizeLinear that
// follows, or stay float (real.cpp).
#include <fmt/format.h>

#include <cmath>

#include "host/command/error.hpp"
#include "host/graph/attributes.hpp"
#include "host/graph/builder.hpp"

namespace systole::graph {
namespace {

float finite(const onnx::Node& node, const std::string& name, float otherwise,
             const std::string& where) {
  const float value = attribute<float>(node, name, otherwise);
  if (std::isfinite(value)) return value;
  throw Error(fmt::format("attribute '{}' is out of range", name), where, "a finite number",
              fmt::format("{}", value));
}

Unary function(Function name, float alpha = 0.0f, float beta = 0.0f) {
  Unary op;
  op.function = name;
  op.alpha = alpha;
  op.beta = beta;
  return op;
}

}  // namespace

// ---- two operands
// --------------------------------------------------------------------------------

Expression Builder::make_binary(const onnx::Node& node, BinaryFunction function, Operand a,
                                Operand b) {
  const Shape shape =
      broadcast(graph_.value(a.value).shape, graph_.value(b.value).shape, where(node));
  Binary op;
  op.function = function;
  op.a = a.params;
  op.b = b.params;
  Pending pending = start_pending(node, op, {a.value, b.value}, shape);
  pending.fusible = function == BinaryFunction::Mul && a.direct && b.direct;
  return {std::move(pending), {}, shape, false};
}

bool Builder::wrapping_binary(const onnx::Node& node, BinaryFunction function) {
  std::vector<ValueId> inputs;
  for (size_t i : {0, 1}) {
    const Symbol& input = symbol(node, i);
    if (const auto* value = std::get_if<ValueId>(&input)) {
      inputs.push_back(*value);
    } else if (const auto* tensor = std::get_if<0>(&input)) {
      const DataType type = (*tensor)->type();
      if (type != DataType::S8 && type != DataType::U8) return false;
      inputs.push_back(constant_value(*tensor, node.inputs[i]));
    } else {
      return false;
    }
  }
  const Value& a = graph_.value(inputs[0]);
  const Value& b = graph_.value(inputs[1]);
  if (a.type != b.type) {
    throw Error("integers of these types are not supported", where(node), "int8 or uint8, both",
                fmt::format("{} and {}", to_string(a.type), to_string(b.type)));
  }
  Binary op;
  op.function = function;
  op.wraps = true;
  const Shape shape = broadcast(a.shape, b.shape, where(node));
  define(node, emit(node.label(), op, inputs, a.type, shape, node.outputs[0]));
  return true;
}

// Before opset 7 the second operand could be lined up otherwise than at the end.
void Builder::refuse_old_broadcast(const onnx::Node& node) const {
  if (node.attributes.count("axis") == 0) return;
  throw Error("attribute 'axis' is not supported", where(node), "operands that broadcast by rank");
}

void Builder::binary(const onnx::Node& node, BinaryFunction function) {
  refuse_old_broadcast(node);
  if (wrapping_binary(node, function)) return;
  const Operand a = real_operand(node, 0);
  const Operand b = real_operand(node, 1);
  define(node, make_binary(node, function, a, b));
}

void Builder::sub(const onnx::Node& node) { binary(node, BinaryFunction::Sub); }
void Builder::mul(const onnx::Node& node) { binary(node, BinaryFunction::Mul); }
void Builder::div(const onnx::Node& node) { binary(node, BinaryFunction::Div); }

void Builder::qlinear_mul(const onnx::Node& node) {
  const Operand a = qlinear_operand(node, 0);
  const Operand b = qlinear_operand(node, 3);
  finish_qlinear(node, make_binary(node, BinaryFunction::Mul, a, b),
                 parameters(node, 6, {}, 0, std::nullopt));
}

// ---- one operand
// ---------------------------------------------------------------------------------

Expression Builder::make_unary(const onnx::Node& node, Operand x, Unary op) {
  const Shape shape = graph_.value(x.value).shape;
  op.x = x.params;
  return {start_pending(node, op, {x.value}, shape), {}, shape, false};
}

void Builder::leaky_relu(const onnx::Node& node) {
  const float alpha = finite(node, "alpha", 0.01f, where(node));
  define(node, make_unary(node, real_operand(node, 0), function(Function::LeakyRelu, alpha)));
}

void Builder::hard_sigmoid(const onnx::Node& node) {
  const float alpha = finite(node, "alpha", 0.2f, where(node));
  const float beta = finite(node, "beta", 0.5f, where(node));
  define(node,
         make_unary(node, real_operand(node, 0), function(Function::HardSigmoid, alpha, beta)));
}

void Builder::hard_swish(const onnx::Node& node) {
  define(node, make_unary(node, real_operand(node, 0), function(Function::HardSwish)));
}

void Builder::sigmoid(const onnx::Node& node) {
  define(node, make_unary(node, real_operand(node, 0), function(Function::Sigmoid)));
}

void Builder::tanh(const onnx::Node& node) {
  define(node, make_unary(node, real_operand(node, 0), function(Function::Tanh)));
}

void Builder::qlinear_unary(const onnx::Node& node, const Unary& op) {
  const Dequantized y = parameters(node, 3, {}, 0, std::nullopt);
  finish_qlinear(node, make_unary(node, qlinear_operand(node, 0), op), y);
}

void Builder::qlinear_leaky_relu(const onnx::Node& node) {
  qlinear_unary(node, function(Function::LeakyRelu, finite(node, "alpha", 0.01f, where(node))));
}

void Builder::qlinear_sigmoid(const onnx::Node& node) {
  qlinear_unary(node, function(Function::Sigmoid));
}

}  // namespace systole::graph
