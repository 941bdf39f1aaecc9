#include "host/graph/graph.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "host/command/error.hpp"

namespace systole::graph {
namespace {

// Elements of one dimension that count for the window at output index `out`.
int64_t covered(const Window& window, Counted counted, size_t d, int64_t size, int64_t out) {
  if (counted == Counted::Window) return window.kernel[d];
  const bool padded = counted == Counted::Padded;
  const int64_t low = padded ? -window.pads[d] : 0;
  const int64_t high = size + (padded ? window.pads[d + 2] : 0);
  int64_t count = 0;
  for (int64_t k = 0; k < window.kernel[d]; ++k) {
    const int64_t at = out * window.stride[d] - window.pads[d] + k * window.dilation[d];
    if (at >= low && at < high) ++count;
  }
  return count;
}

std::string known_inputs(const onnx::Model& model) {
  std::vector<std::string> names;
  for (const onnx::Port& port : model.inputs) names.push_back(port.name);
  return fmt::format("one of {}", fmt::join(names, ", "));
}

}  // namespace

std::string operator_name(const Operator& op) {
  static const char* const names[] = {"Quantize",
                                      "Dequantize",
                                      "Requantize",
                                      "Reach",
                                      "DynamicParameter",
                                      "DynamicQuantize",
                                      "QConv",
                                      "QGemm",
                                      "QMatMul",
                                      "QAdd",
                                      "Unary",
                                      "Binary",
                                      "Softmax",
                                      "RowMean",
                                      "ArgMax",
                                      "QMaxPool",
                                      "QAveragePool",
                                      "QGlobalAveragePool",
                                      "Reshape",
                                      "Transpose",
                                      "Select",
                                      "Concat"};
  static_assert(std::size(names) == std::variant_size_v<Operator>);
  return names[op.index()];
}

int64_t mac_count(const Graph& graph, const Node& node) {
  const int64_t outputs = element_count(graph.output_of(node).shape);
  if (const auto* conv = std::get_if<QConv>(&node.op)) {
    return outputs * (conv->weights.size() / conv->weights.shape()[0]);
  }
  if (const auto* gemm = std::get_if<QGemm>(&node.op)) return outputs * gemm->weights.shape()[0];
  if (std::holds_alternative<QMatMul>(node.op)) {
    return outputs * graph.value(node.inputs[0]).shape[2];
  }
  return 0;
}

int64_t average_divisor(const Window& window, Counted counted, int64_t height, int64_t width,
                        int64_t oh, int64_t ow) {
  const int64_t rows = covered(window, counted, 0, height, oh);
  return std::max<int64_t>(rows * covered(window, counted, 1, width, ow), 1);
}

std::string describe(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes) {
    std::vector<std::string> inputs;
    for (ValueId id : node.inputs) inputs.push_back(graph.value(id).name);
    const Value& output = graph.output_of(node);
    text += fmt::format("{:<18} {} = ({})  {} {}  from {}\n", operator_name(node.op), output.name,
                        fmt::join(inputs, ", "), to_string(output.type), to_string(output.shape),
                        node.name);
  }
  return text;
}

void check_inputs(const Graph& graph, const onnx::Model& model, const Tensors& inputs) {
  for (const auto& [name, tensor] : inputs) {
    const bool known = std::any_of(model.inputs.begin(), model.inputs.end(),
                                   [id = name](const onnx::Port& port) { return port.name == id; });
    if (!known) throw Error("unknown input", name, known_inputs(model));
  }
  for (ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    const std::string where = fmt::format("input '{}'", value.name);
    const std::string expected =
        fmt::format("{} {}", to_string(value.type), to_string(value.shape));
    const auto given = inputs.find(value.name);
    if (given == inputs.end()) throw Error("missing input", where, expected);
    const Tensor& tensor = given->second;
    if (tensor.type() != value.type || tensor.shape() != value.shape) {
      throw Error("wrong input", where, expected,
                  fmt::format("{} {}", to_string(tensor.type()), to_string(tensor.shape())));
    }
  }
}

}  // namespace systole::graph
