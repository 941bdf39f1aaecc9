#include "host/driver/batch.hpp"

#include <algorithm>
#include <cstring>
#include <optional>

#include "host/command/error.hpp"

namespace systole {
namespace {

Tensor slice(const Tensor& tensor, int64_t index) {
  Shape shape = tensor.shape();
  shape[0] = 1;
  Tensor part(tensor.type(), shape);
  const std::size_t bytes = part.bytes().size();
  std::memcpy(part.bytes().data(), tensor.bytes().data() + static_cast<std::size_t>(index) * bytes,
              bytes);
  return part;
}

/// The leading dimension that all run-time inputs share and the model would take as 1; 1 when there
/// is none.
int64_t leading_dimension(const onnx::Model& model, const graph::Tensors& inputs) {
  const std::vector<std::string> parameters = graph::parameter_inputs(model);
  std::optional<int64_t> leading;
  for (const onnx::Port& port : model.inputs) {
    const auto given = inputs.find(port.name);
    const bool parameter =
        std::find(parameters.begin(), parameters.end(), port.name) != parameters.end();
    if (parameter || given == inputs.end()) continue;
    const Shape& shape = given->second.shape();
    const bool open = port.has_shape && !port.shape.empty() &&
                      (!port.shape[0].is_static() || port.shape[0].value == 1);
    if (!open || shape.size() != port.shape.size() || (leading && *leading != shape[0])) return 1;
    leading = shape[0];
  }
  return leading.value_or(1);
}

graph::Tensors first_slices(const onnx::Model& model, const graph::Tensors& inputs) {
  const std::vector<std::string> parameters = graph::parameter_inputs(model);
  graph::Tensors slices = inputs;
  for (auto& [name, tensor] : slices) {
    if (std::find(parameters.begin(), parameters.end(), name) == parameters.end())
      tensor = slice(tensor, 0);
  }
  return slices;
}

/// Whether `whole` is `count` copies of `one` side by side along the leading dimension.
bool is_parallel(const graph::Graph& whole, const graph::Graph& one, int64_t count) {
  if (whole.nodes.size() != one.nodes.size() || whole.values.size() != one.values.size())
    return false;
  for (std::size_t i = 0; i < one.values.size(); ++i) {
    Shape expected = one.values[i].shape;
    if (one.values[i].constant) continue;
    if (expected.empty()) return false;
    expected[0] *= count;
    if (whole.values[i].shape != expected) return false;
  }
  return std::all_of(one.nodes.begin(), one.nodes.end(), [&](const graph::Node& node) {
    if (const auto* transpose = std::get_if<graph::Transpose>(&node.op))
      return transpose->perm[0] == 0;
    if (const auto* select = std::get_if<graph::Select>(&node.op))
      return graph::is_identity(select->index[0], one.value(node.inputs[0]).shape[0]);
    if (const auto* concat = std::get_if<graph::Concat>(&node.op)) {
      // A constant is the same for every slice only where it says so.
      return concat->axis != 0 &&
             std::none_of(node.inputs.begin(), node.inputs.end(),
                          [&](graph::ValueId id) { return one.value(id).constant.has_value(); });
    }
    if (const auto* quantize = std::get_if<graph::Quantize>(&node.op)) {
      return quantize->scale.size() == 1 || quantize->axis != 0;
    }
    if (const auto* dequantize = std::get_if<graph::Dequantize>(&node.op)) {
      return dequantize->scale.size() == 1 || dequantize->axis != 0;
    }
    if (std::holds_alternative<graph::QAdd>(node.op)) {
      // A constant with a leading dimension of its own may differ from slice to slice.
      return std::all_of(node.inputs.begin(), node.inputs.end(), [&](graph::ValueId id) {
        const graph::Value& value = one.value(id);
        return !value.constant || value.shape.size() < one.output_of(node).shape.size() ||
               value.shape[0] == 1;
      });
    }
    return true;
  });
}

/// None when the model does not work with a leading dimension of 1, or has an output without
/// dimensions, of which there can't be several side by side.
std::optional<graph::Graph> single_graph(const onnx::Model& model, const graph::Tensors& inputs) {
  try {
    graph::Graph graph = graph::build(model, first_slices(model, inputs));
    const bool apart =
        std::none_of(graph.outputs.begin(), graph.outputs.end(),
                     [&](graph::ValueId id) { return graph.value(id).shape.empty(); });
    if (apart) return graph;
    return std::nullopt;
  } catch (const Error&) {
    return std::nullopt;
  }
}

Record whole_record(const graph::Graph& graph, const graph::Tensors& inputs) {
  Record record;
  for (const graph::ValueId id : graph.inputs) record.push_back(inputs.at(graph.value(id).name));
  return record;
}

/// The model's graph for all inputs at once. A model with a fixed leading dimension of 1 has none.
std::optional<graph::Graph> whole_graph(const onnx::Model& model, const graph::Tensors& inputs,
                                        bool fixed) {
  if (fixed) return std::nullopt;
  return graph::build(model, inputs);
}

bool has_fixed_batch(const onnx::Model& model, const graph::Tensors& inputs) {
  return std::any_of(model.inputs.begin(), model.inputs.end(), [&](const onnx::Port& port) {
    return inputs.count(port.name) != 0 && port.has_shape && !port.shape.empty() &&
           port.shape[0].value == 1;
  });
}

}  // namespace

Batch make_batch(const onnx::Model& model, const graph::Tensors& inputs) {
  Batch batch;
  const int64_t count = leading_dimension(model, inputs);
  if (count > 1) {
    std::optional<graph::Graph> one = single_graph(model, inputs);
    const auto whole =
        one ? whole_graph(model, inputs, has_fixed_batch(model, inputs)) : std::nullopt;
    if (one && (!whole || is_parallel(*whole, *one, count))) {
      batch.graph = std::move(*one);
      batch.split = true;
      graph::check_inputs(batch.graph, model, first_slices(model, inputs));
      for (int64_t i = 0; i < count; ++i) {
        Record record;
        for (const graph::ValueId id : batch.graph.inputs) {
          record.push_back(slice(inputs.at(batch.graph.value(id).name), i));
        }
        batch.records.push_back(std::move(record));
      }
      return batch;
    }
  }
  batch.graph = graph::build(model, inputs);
  graph::check_inputs(batch.graph, model, inputs);
  batch.records = {whole_record(batch.graph, inputs)};
  return batch;
}

std::vector<Tensor> join_outputs(const Batch& batch, const std::vector<Record>& outputs) {
  if (!batch.split) return outputs.at(0);
  std::vector<Tensor> joined;
  for (std::size_t k = 0; k < batch.graph.outputs.size(); ++k) {
    const Tensor& first = outputs.at(0)[k];
    Shape shape = first.shape();
    shape[0] *= static_cast<int64_t>(outputs.size());
    Tensor tensor(first.type(), shape);
    uint8_t* to = tensor.bytes().data();
    for (const Record& record : outputs) {
      std::memcpy(to, record[k].bytes().data(), record[k].bytes().size());
      to += record[k].bytes().size();
    }
    joined.push_back(std::move(tensor));
  }
  return joined;
}

}  // namespace systole
