// The ends of a model: its inputs, bound to tensors, and its outputs.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "host/command/error.hpp"
#include "host/graph/builder.hpp"
#include "host/graph/double_qdq.hpp"

namespace systole::graph {
namespace {

// Inputs of an operator that must be known when the graph is built.
struct ParameterSlots {
  const char* op_type;
  std::vector<size_t> slots;
};
const std::vector<ParameterSlots>& parameter_slots() {
  static const std::vector<ParameterSlots> table = {
      {"QuantizeLinear", {1, 2}},
      {"DequantizeLinear", {1, 2}},
      {"Conv", {1, 2}},
      {"Gemm", {2}},
      {"QLinearConv", {1, 2, 3, 4, 5, 6, 7, 8}},
      {"QLinearMatMul", {1, 2, 4, 5, 6, 7}},
      {"QLinearAdd", {1, 2, 4, 5, 6, 7}},
      {"QLinearMul", {1, 2, 4, 5, 6, 7}},
      {"QLinearLeakyRelu", {1, 2, 3, 4}},
      {"QLinearSigmoid", {1, 2, 3, 4}},
      {"QLinearSoftmax", {1, 2, 3, 4}},
      {"QLinearReduceMean", {1, 2, 3, 4}},
      {"ReduceMean", {1}},
      {"QLinearAveragePool", {1, 2, 3, 4}},
      {"QLinearGlobalAveragePool", {1, 2, 3, 4}},
      {"QLinearConcat", {0, 1, 3, 4, 6, 7, 9, 10, 12, 13}},
      {"Reshape", {1}},
      {"Clip", {1, 2}},
      {"Squeeze", {1}},
      {"Unsqueeze", {1}},
      {"Dropout", {1, 2}},
      {"ConvInteger", {1, 2, 3}},
      {"MatMulInteger", {2, 3}},
      {"Gather", {1}},
      {"Pad", {1, 2, 3}},
      {"Resize", {1, 2, 3}},
      {"Slice", {1, 2, 3, 4}},
      {"Split", {1}},
      {"Upsample", {1}},
  };
  return table;
}

// Operators whose constant input makes a constant output.
bool passes_constants(const std::string& op_type) {
  static const std::set<std::string> table = {"QuantizeLinear", "DequantizeLinear", "Identity",
                                              "Reshape",        "Transpose",        "Flatten",
                                              "Squeeze",        "Unsqueeze"};
  return table.count(op_type) > 0;
}

std::string port_text(const onnx::Port& port) {
  std::vector<std::string> dims;
  for (const onnx::Dimension& dim : port.shape) {
    dims.push_back(dim.is_static()      ? fmt::format("{}", dim.value)
                   : dim.symbol.empty() ? std::string("?")
                                        : dim.symbol);
  }
  return fmt::format("{} [{}]", port.type_name, fmt::join(dims, ", "));
}

std::string tensor_text(const Tensor& tensor) {
  return fmt::format("{} {}", to_string(tensor.type()), to_string(tensor.shape()));
}

void check_given(const onnx::Port& port, const Tensor& tensor, const std::string& where) {
  bool fits = port.type == tensor.type();
  if (port.has_shape) {
    fits &= port.shape.size() == tensor.shape().size();
    for (size_t i = 0; fits && i < port.shape.size(); ++i) {
      fits = !port.shape[i].is_static() || port.shape[i].value == tensor.shape()[i];
    }
  }
  if (!fits) throw Error("wrong input", where, port_text(port), tensor_text(tensor));
}

}  // namespace

std::vector<std::string> parameter_inputs(const onnx::Model& model) {
  std::map<std::string, const onnx::Node*> producer;
  for (const onnx::Node& node : model.nodes) {
    for (const std::string& output : node.outputs) producer[output] = &node;
  }
  producer.erase("");  // of outputs and inputs that are left out: no tensor
  std::set<std::string> found;
  for (const onnx::Node& node : model.nodes) {
    for (const ParameterSlots& entry : parameter_slots()) {
      if (node.op_type != entry.op_type) continue;
      for (size_t slot : entry.slots) {
        if (slot >= node.inputs.size()) continue;
        std::string name = node.inputs[slot];
        auto at = producer.find(name);
        while (at != producer.end() && passes_constants(at->second->op_type) &&
               !at->second->inputs.empty()) {
          name = at->second->inputs[0];
          at = producer.find(name);
        }
        found.insert(name);
      }
    }
  }
  std::vector<std::string> result;
  for (const onnx::Port& port : model.inputs) {
    if (found.count(port.name) || model.initializers.count(port.name)) {
      result.push_back(port.name);
    }
  }
  return result;
}

std::vector<std::string> dynamic_inputs(const onnx::Model& model) {
  std::vector<std::string> result;
  for (const onnx::Port& port : model.inputs) {
    if (!port.shape.empty() && !port.shape[0].is_static() && !model.initializers.count(port.name)) {
      result.push_back(port.name);
    }
  }
  return result;
}

Builder::Builder(const onnx::Model& model, const Tensors& inputs) : model_(model) {
  merge_double_qdq(model_);
  bind_inputs(inputs);
  bind_initializers();
}

void Builder::bind_initializers() {
  for (auto& [name, tensor] : model_.initializers) {
    symbols_.emplace(name, std::make_shared<const Tensor>(std::move(tensor)));
  }
}

void Builder::bind_inputs(const Tensors& inputs) {
  for (const auto& entry : inputs) {
    const auto known =
        std::find_if(model_.inputs.begin(), model_.inputs.end(),
                     [&entry](const onnx::Port& port) { return port.name == entry.first; });
    if (known == model_.inputs.end()) {
      std::vector<std::string> names;
      for (const onnx::Port& port : model_.inputs) names.push_back(port.name);
      throw Error(fmt::format("the model has no input '{}'", entry.first), model_.file,
                  fmt::format("one of: {}", fmt::join(names, ", ")));
    }
  }
  const auto parameters = parameter_inputs(model_);
  for (const onnx::Port& port : model_.inputs) {
    const auto given = inputs.find(port.name);
    const bool is_parameter =
        std::find(parameters.begin(), parameters.end(), port.name) != parameters.end();
    bind_input(port, given == inputs.end() ? nullptr : &given->second, is_parameter);
  }
}

void Builder::bind_input(const onnx::Port& port, const Tensor* given, bool is_parameter) {
  const std::string where = fmt::format("{}: input '{}'", model_.file, port.name);
  if (given) check_given(port, *given, where);
  if (is_parameter) {
    if (given) {
      symbols_.insert_or_assign(port.name, std::make_shared<const Tensor>(*given));
    } else if (!model_.initializers.count(port.name)) {
      throw Error("missing input", where, port_text(port) + ", which the program depends on");
    }
    return;
  }
  if (!port.type) {
    throw Error("unsupported element type", where, "float32, int8, uint8, int32 or int64",
                port.type_name);
  }
  Shape shape;
  for (size_t i = 0; i < port.shape.size(); ++i) {
    const onnx::Dimension& dim = port.shape[i];
    if (dim.is_static()) {
      shape.push_back(dim.value);
    } else if (i > 0) {
      throw Error(fmt::format("dimension {} is dynamic", i), where,
                  "numbers behind the batch dimension", port_text(port));
    } else if (!given) {
      throw Error("the batch dimension is dynamic", where, "an input tensor that says its size",
                  port_text(port));
    } else {
      shape.push_back(given->shape()[i]);
    }
  }
  if (!port.has_shape) throw Error("the model does not say the input's shape", where, "a shape");
  if (element_count(shape, where) == 0) {
    symbols_.emplace(port.name, std::make_shared<const Tensor>(*port.type, shape));
    return;
  }
  const ValueId value = add_value(port.name, *port.type, shape);
  graph_.inputs.push_back(value);
  if (port.type == DataType::F32) {
    symbols_.emplace(port.name, Expression{FloatInput{value}, {}, shape, false});
  } else {
    symbols_.emplace(port.name, value);
  }
}

std::set<size_t> Builder::live_nodes() const {
  std::set<std::string> wanted;
  for (const onnx::Port& port : model_.outputs) wanted.insert(port.name);
  std::set<size_t> live;
  for (size_t i = model_.nodes.size(); i-- > 0;) {
    const onnx::Node& node = model_.nodes[i];
    const bool needed =
        std::any_of(node.outputs.begin(), node.outputs.end(),
                    [&wanted](const std::string& output) { return wanted.count(output) > 0; });
    if (!needed) continue;
    live.insert(i);
    wanted.insert(node.inputs.begin(), node.inputs.end());
  }
  return live;
}

ValueId Builder::finish_output(const onnx::Port& port) {
  const std::string where = fmt::format("{}: output '{}'", model_.file, port.name);
  const auto found = symbols_.find(port.name);
  if (found == symbols_.end()) throw Error("nothing writes the output", where);
  for (const onnx::Port& input : model_.inputs) {
    if (input.name == port.name) throw Error("output is a model input", where, "a node's output");
  }
  if (const auto* tensor = std::get_if<0>(&found->second)) {
    return constant_value(*tensor, port.name + "#c");
  }
  if (const auto* value = std::get_if<ValueId>(&found->second)) return *value;
  const Expression& expression = std::get<Expression>(found->second);
  return real_value(expression, port.name, where);
}

void Builder::finish_outputs() {
  std::set<ValueId> taken(graph_.inputs.begin(), graph_.inputs.end());
  for (const onnx::Port& port : model_.outputs) {
    ValueId value = finish_output(port);
    const Value& written = graph_.value(value);
    if (written.constant || !taken.insert(value).second) {
      value =
          emit("output " + port.name, Reshape{}, {value}, written.type, written.shape, port.name);
      taken.insert(value);
    }
    graph_.outputs.push_back(value);
  }
  for (size_t i = 0; i < model_.outputs.size(); ++i) {
    const std::string& name = model_.outputs[i].name;
    for (Value& value : graph_.values) {
      if (value.name == name) value.name += "#inner";
    }
    graph_.values[static_cast<size_t>(graph_.outputs[i])].name = name;
  }
}

void Builder::prune() {
  std::set<ValueId> wanted(graph_.outputs.begin(), graph_.outputs.end());
  std::vector<Node> kept;
  for (size_t i = graph_.nodes.size(); i-- > 0;) {
    Node& node = graph_.nodes[i];
    if (!wanted.count(node.output)) continue;
    wanted.insert(node.inputs.begin(), node.inputs.end());
    kept.push_back(std::move(node));
  }
  std::reverse(kept.begin(), kept.end());
  graph_.nodes = std::move(kept);
  wanted.insert(graph_.inputs.begin(), graph_.inputs.end());
  std::map<ValueId, ValueId> renumbered;
  std::vector<Value> values;
  for (ValueId id : wanted) {
    renumbered[id] = static_cast<ValueId>(values.size());
    values.push_back(std::move(graph_.values[static_cast<size_t>(id)]));
  }
  graph_.values = std::move(values);
  for (Node& node : graph_.nodes) {
    node.output = renumbered.at(node.output);
    for (ValueId& input : node.inputs) input = renumbered.at(input);
  }
  for (ValueId& id : graph_.inputs) id = renumbered.at(id);
  for (ValueId& id : graph_.outputs) id = renumbered.at(id);
}

namespace {

// The chip divides by a scale s with 1/s in hand, which must be a number.
void check_divisor(const Node& node, float scale) {
  if (std::isfinite(1.0f / scale)) return;
  throw Error("scale is too small to divide by", node.name, "1/scale below 2^128",
              fmt::format("{}", scale));
}

void check_divisors(const Graph& graph) {
  for (const Node& node : graph.nodes) {
    if (const auto* quantize = std::get_if<Quantize>(&node.op)) {
      for (const float scale : quantize->scale) check_divisor(node, scale);
    } else if (const auto* requantize = std::get_if<Requantize>(&node.op)) {
      check_divisor(node, requantize->y.scale);
    } else if (const auto* pool = std::get_if<QAveragePool>(&node.op)) {
      check_divisor(node, pool->y.scale);
    }
  }
}

}  // namespace

Graph build(const onnx::Model& model, const Tensors& inputs) {
  Graph graph = Builder(model, inputs).build();
  check_divisors(graph);
  return graph;
}

}  // namespace systole::graph
