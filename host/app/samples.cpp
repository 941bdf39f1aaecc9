#include "host/app/samples.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>

#include "host/app/tensor_file.hpp"
#include "host/command/error.hpp"

namespace systole::app {
namespace {

namespace fs = std::filesystem;

constexpr double kAbsolute = 1e-7, kRelative = 1e-3;

/// Files of one sample: of each input, then of each output. Empty when there is no such sample.
std::vector<fs::path> files_of(const fs::path& folder, std::size_t sample, std::size_t inputs,
                               std::size_t outputs) {
  const fs::path set = folder / fmt::format("test_data_set_{}", sample);
  if (fs::is_directory(set)) {
    std::vector<fs::path> files;
    for (std::size_t i = 0; i < inputs; ++i) files.push_back(set / fmt::format("input_{}.pb", i));
    for (std::size_t i = 0; i < outputs; ++i) files.push_back(set / fmt::format("output_{}.pb", i));
    return files;
  }
  const fs::path input = folder / fmt::format("input_{}.npy", sample);
  if (!fs::exists(input)) return {};
  if (inputs != 1 || outputs != 1) {
    throw Error("input_K.npy is a sample of one input and one output", input.string(),
                "test_data_set_K/input_I.pb for this model",
                fmt::format("a model of {} inputs, {} outputs", inputs, outputs));
  }
  return {input, folder / fmt::format("output_{}.npy", sample)};
}

bool is_approximated(const graph::Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const graph::Node& node) {
    const auto* unary = std::get_if<graph::Unary>(&node.op);
    return std::holds_alternative<graph::Softmax>(node.op) ||
           (unary != nullptr && (unary->function == graph::Function::Sigmoid ||
                                 unary->function == graph::Function::Tanh));
  });
}

/// What one code makes in an output: its scale where it is dequantized, 0 where it is no code.
double step_of(const graph::Graph& graph, graph::ValueId output) {
  const DataType type = graph.value(output).type;
  if (type != DataType::F32) return type == DataType::S8 || type == DataType::U8 ? 1 : 0;
  const auto node = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                 [&](const graph::Node& n) { return n.output == output; });
  if (node == graph.nodes.end()) return 0;
  const auto* op = std::get_if<graph::Dequantize>(&node->op);
  return op == nullptr ? 0 : double{*std::max_element(op->scale.begin(), op->scale.end())};
}

double value(const Tensor& tensor, int64_t i) {
  return tensor.type() == DataType::F32 ? double{tensor.data<float>()[i]}
                                        : static_cast<double>(tensor.integer(i));
}

/// The same number, or both none.
bool is_same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

double distance(double a, double b) {
  return std::isfinite(a) && std::isfinite(b) ? std::abs(a - b)
                                              : std::numeric_limits<double>::infinity();
}

}  // namespace

Samples load_samples(const onnx::Model& model, const std::string& folder) {
  if (!fs::is_directory(folder)) throw Error("no such folder", "--samples " + folder);
  const std::vector<std::string> inputs = onnx::run_time_inputs(model);
  std::vector<std::vector<Tensor>> outputs(model.outputs.size());
  Samples samples;
  for (;; ++samples.count) {
    const auto files = files_of(folder, samples.count, inputs.size(), outputs.size());
    if (files.empty()) break;
    for (std::size_t i = 0; i < inputs.size(); ++i)
      samples.inputs.emplace_back(inputs[i], files[i].string());
    for (std::size_t i = 0; i < outputs.size(); ++i)
      outputs[i].push_back(load_tensor(files[inputs.size() + i].string()));
  }
  if (samples.count == 0) {
    throw Error("no samples", "--samples " + folder,
                "input_0.npy and output_0.npy, or test_data_set_0/", "neither");
  }
  for (std::size_t i = 0; i < outputs.size(); ++i)
    samples.outputs.push_back(
        stack(outputs[i], "--samples " + folder + ": output '" + model.outputs[i].name + "'"));
  return samples;
}

std::size_t inferences_of(const Samples& samples, const Batch& batch, const std::string& folder) {
  std::optional<int64_t> count;
  for (std::size_t k = 0; k < samples.outputs.size(); ++k) {
    const graph::Value& value = batch.graph.value(batch.graph.outputs.at(k));
    const Tensor& recorded = samples.outputs[k];
    if (batch.split && !count && !recorded.shape().empty()) count = recorded.shape()[0];
    Shape expected = value.shape;
    if (batch.split) expected[0] *= count.value_or(1);
    if (recorded.type() != value.type || recorded.shape() != expected) {
      throw Error("a recorded output is another tensor",
                  fmt::format("--samples {}: '{}'", folder, value.name),
                  fmt::format("{} {}", to_string(value.type), to_string(expected)),
                  fmt::format("{} {}", to_string(recorded.type()), to_string(recorded.shape())));
    }
  }
  return static_cast<std::size_t>(count.value_or(1));
}

std::string Likeness::text() const {
  if (differing == 0) return "equal";
  return fmt::format("{} of {} elements differ, by {:.3g} at most{}", differing, elements, farthest,
                     within ? ", as approximated functions may" : "");
}

Likeness compare(const graph::Graph& graph, const std::vector<Tensor>& got,
                 const std::vector<Tensor>& recorded) {
  Likeness likeness;
  const bool approximated = is_approximated(graph);
  for (std::size_t k = 0; k < recorded.size(); ++k) {
    const Tensor &a = got.at(k), &b = recorded[k];
    const double step = step_of(graph, graph.outputs.at(k)) * (1 + kRelative);
    for (int64_t i = 0; i < a.size(); ++i) {
      const double x = value(a, i), y = value(b, i);
      ++likeness.elements;
      if (is_same(x, y)) continue;
      ++likeness.differing;
      const double apart = distance(x, y);
      const bool exact = step == 0 && a.type() != DataType::F32;  // indices, sums
      const double allowed = exact ? 0 : step > 0 ? step : kAbsolute + kRelative * std::abs(y);
      likeness.farthest = std::max(likeness.farthest, apart);
      likeness.within = likeness.within && approximated && apart <= allowed;
    }
  }
  return likeness;
}

}  // namespace systole::app
