// Gemm and MatMul whose result stays float: where ONNX Runtime sums integers (QGemm,
// MatMulIntegerToFloat) they are f32(accumulator) * scale; where it sums binary32 numbers, in an
// order of its own, they are refused. Which of the two it does was measured: see README.md.
#include <fmt/format.h>

#include <algorithm>

#include "host/command/error.hpp"
#include "host/golden/arith.hpp"
#include "host/graph/builder.hpp"

namespace systole::graph {
namespace {

bool is_activation(const onnx::Node& node) {
  return node.op_type == "Relu" || node.op_type == "Clip";
}

bool is_movement(const onnx::Node& node) {
  const std::string& op = node.op_type;
  return op == "Transpose" || op == "Reshape" || op == "Flatten" || op == "Squeeze" ||
         op == "Unsqueeze";
}

// What its first output is, its first input was.
bool passes_on(const onnx::Node& node) {
  return node.op_type == "Identity" || node.op_type == "Dropout";
}

bool has_max_pool(const std::vector<Step>& steps) {
  return std::any_of(steps.begin(), steps.end(),
                     [](const Step& step) { return std::holds_alternative<MaxPoolStep>(step); });
}

}  // namespace

Builder::Readers Builder::readers_of(const std::string& tensor) const {
  Readers readers;
  readers.is_output =
      std::any_of(model_.outputs.begin(), model_.outputs.end(),
                  [&tensor](const onnx::Port& port) { return port.name == tensor; });
  if (tensor.empty()) return readers;  // an output that is left out
  for (const onnx::Node& node : model_.nodes) {
    if (passes_on(node)) {
      if (node.inputs.empty() || node.inputs[0] != tensor) continue;
      const Readers behind = readers_of(node.outputs[0]);
      readers.nodes.insert(readers.nodes.end(), behind.nodes.begin(), behind.nodes.end());
      readers.is_output |= behind.is_output;
    } else {
      const auto times = std::count(node.inputs.begin(), node.inputs.end(), tensor);
      readers.nodes.insert(readers.nodes.end(), static_cast<size_t>(times), &node);
    }
  }
  return readers;
}

// A QuantizeLinear, or an activation that may vanish into the one behind it.
bool Builder::is_quantized_by(const onnx::Node& reader) const {
  if (reader.op_type == "QuantizeLinear") return true;
  if (!is_activation(reader)) return false;
  const onnx::Node* next = readers_of(reader.outputs[0]).only();
  return next && next->op_type == "QuantizeLinear";
}

// Whether a Transpose of the tensor is quantized: the judge takes that QuantizeLinear to before the
// Transpose, and then has the tensor itself in eight bits.
bool Builder::is_transposed_and_quantized(const std::string& tensor) const {
  const Readers readers = readers_of(tensor);
  return std::any_of(readers.nodes.begin(), readers.nodes.end(), [this](const onnx::Node* node) {
    if (node->op_type != "Transpose") return false;
    while (node && is_movement(*node)) node = readers_of(node->outputs[0]).only();
    return node && node->op_type == "QuantizeLinear";
  });
}

std::string Builder::binary32_for(const Product& product) const {
  if (!product.binary32_for.empty() || product.reshapes) return product.binary32_for;
  const Readers readers = readers_of(product.tensor);
  for (const onnx::Node* reader : readers.nodes) {
    if (is_quantized_by(*reader)) return "a result that is quantized for one of its readers";
    if (product.swaps && reader->op_type == "Transpose") return "a Transpose behind a Gemm";
  }
  const onnx::Node* activation = readers.only();
  if (!activation || !is_activation(*activation)) return "";
  const onnx::Node* next = readers_of(activation->outputs[0]).only();
  return next ? fmt::format("{} and {} behind it", activation->op_type, next->op_type) : "";
}

bool Builder::is_float_product(const Expression& expression) const {
  const Pending& pending = std::get<Pending>(expression.source);
  if (!pending.product) return false;
  const size_t own = pending.own_steps;
  const bool activated_first =
      expression.steps.size() > own && std::holds_alternative<ClampStep>(expression.steps[own]);
  const bool joined = !expression.shared && (moves_only(expression.steps) ||
                                             (activated_first && !pending.product->reshapes));
  return !joined && binary32_for(*pending.product).empty();
}

ValueId Builder::emit_float_product(const Pending& pending, FloatClamp clamp) {
  const std::string& tensor = pending.product->tensor;
  const auto key = std::make_tuple(tensor, clamp.lo, clamp.hi);
  const auto known = float_products_.find(key);
  if (known != float_products_.end()) return known->second;
  Operator op = pending.op;
  if (auto* gemm = std::get_if<QGemm>(&op)) {
    gemm->multiplier =
        multipliers(golden::binary32::mul(pending.alpha, gemm->x.scale), gemm->w_scale, 1.0f);
    gemm->float_clamp = clamp;
  } else {
    auto& matmul = std::get<QMatMul>(op);
    matmul.multiplier =
        multipliers(golden::binary32::mul(pending.alpha, matmul.a.scale), matmul.b_scale, 1.0f);
    matmul.float_clamp = clamp;
  }
  const ValueId value =
      emit(pending.node, std::move(op), pending.inputs, DataType::F32, pending.shape, tensor);
  float_products_.emplace(key, value);
  return value;
}

void Builder::check_float_product(const Pending& pending, const std::vector<Step>& steps,
                                  const std::string& tensor, const std::string& where) const {
  std::string reason = binary32_for(*pending.product);
  if (reason.empty() && has_max_pool(steps)) reason = "a MaxPool behind it";
  if (reason.empty() && is_transposed_and_quantized(tensor)) {
    reason = "a Transpose of it that is quantized";
  }
  if (reason.empty()) return;
  throw Error(fmt::format("output is float32 straight from {}", pending.node), where,
              "a QuantizeLinear and a DequantizeLinear (QDQ) behind the node",
              "a product that ONNX Runtime may compute otherwise, for " + reason);
}

}  // namespace systole::graph
