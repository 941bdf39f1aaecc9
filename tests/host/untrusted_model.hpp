// A model that nobody vouches for, on the whole way from its bytes to its results: it is refused
// with an Error that names a place, or its programs compute what the graph reference computes.
// Whatever else happens is thrown, and a bug.
#pragma once

#include <algorithm>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>

#include "host/command/error.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/golden/graph_reference.hpp"
#include "host/graph/graph.hpp"
#include "host/import/model.hpp"
#include "tests/host/run_compiled.hpp"
#include "tests/support/seed.hpp"

namespace systole::test {

/// How far a model came.
enum class Fate { NotImported, NotBuilt, NotCompiled, TooMuchWork, Agreed };

/// An Error that says neither what is wrong nor where is as good as none.
inline void require_place(const Error& error) {
  if (error.problem().empty() || error.where().empty())
    throw std::logic_error(std::string("an error without a place: ") + error.what());
}

template <class Rng>
Tensor random_input(DataType type, const Shape& shape, Rng& rng) {
  Tensor tensor(type, shape);
  if (type == DataType::F32) {
    for (int64_t i = 0; i < tensor.size(); ++i)
      tensor.data<float>()[i] = static_cast<float>(uniform(rng, -2000, 2000)) / 256.0f;
  } else {
    for (uint8_t& byte : tensor.bytes()) byte = static_cast<uint8_t>(uniform(rng, 0, 255));
  }
  return tensor;
}

/// Tensors for what must be known when the graph is built; open dimensions are 2.
template <class Rng>
graph::Tensors needed_inputs(const onnx::Model& model, Rng& rng) {
  std::vector<std::string> names = graph::parameter_inputs(model);
  for (const std::string& name : graph::dynamic_inputs(model)) names.push_back(name);
  graph::Tensors tensors;
  for (const onnx::Port& port : model.inputs) {
    const bool needed = std::count(names.begin(), names.end(), port.name) > 0;
    if (!needed || model.initializers.count(port.name) || !port.type) continue;
    Shape shape;
    int64_t elements = 1;
    for (const onnx::Dimension& dim : port.shape) {
      shape.push_back(dim.is_static() ? std::min<int64_t>(dim.value, 1 << 12) : 2);
      if ((elements *= shape.back()) > 1 << 20) return tensors;
    }
    tensors[port.name] = random_input(*port.type, shape, rng);
  }
  return tensors;
}

/// Multiplications and elements of a graph, roughly; what is larger than `most` is not counted on.
inline int64_t work_of(const graph::Graph& graph, int64_t most) {
  int64_t work = 0;
  const auto add = [&](int64_t a, int64_t b) {
    work = b != 0 && a > (most - std::min(work, most)) / b ? most + 1 : work + a * b;
  };
  for (const graph::Node& node : graph.nodes) {
    const int64_t outputs = element_count(graph.output_of(node).shape);
    add(outputs, 4);
    for (const graph::ValueId id : node.inputs) add(element_count(graph.value(id).shape), 1);
    if (const auto* conv = std::get_if<graph::QConv>(&node.op)) {
      add(outputs, conv->weights.size() / std::max<int64_t>(conv->weights.shape()[0], 1));
    } else if (const auto* gemm = std::get_if<graph::QGemm>(&node.op)) {
      add(outputs, gemm->weights.shape()[0]);
    } else if (std::holds_alternative<graph::QMatMul>(node.op)) {
      add(outputs, graph.value(node.inputs[0]).shape.back());
    } else if (const auto* most_of = std::get_if<graph::QMaxPool>(&node.op)) {
      add(outputs, most_of->window.kernel[0] * most_of->window.kernel[1]);
    } else if (const auto* mean_of = std::get_if<graph::QAveragePool>(&node.op)) {
      add(outputs, mean_of->window.kernel[0] * mean_of->window.kernel[1]);
    }
    if (work > most) return work;
  }
  return work;
}

inline void require_same(const graph::Tensors& got, const graph::Tensors& wanted) {
  for (const auto& [name, tensor] : wanted) {
    if (!(got.at(name) == tensor)) throw std::logic_error("wrong answer in output " + name);
  }
}

/// Throws for all that is neither a refusal nor right. Graphs of more than `most` are not compiled.
template <class Rng>
Fate examine_model(const std::string& bytes, const ChipConfig& config, int64_t most, Rng& rng) {
  Fate fate = Fate::NotImported;
  graph::Graph graph;
  compile::CompiledModel compiled;
  try {
    const onnx::Model model = onnx::parse(bytes.data(), bytes.size(), "model");
    fate = Fate::NotBuilt;
    graph = graph::build(model, needed_inputs(model, rng));
    if (work_of(graph, most) > most) return Fate::TooMuchWork;
    fate = Fate::NotCompiled;
    compiled = compile::compile(graph, config);
  } catch (const Error& error) {
    require_place(error);
    return fate;
  }
  graph::Tensors inputs;
  for (const graph::ValueId id : graph.inputs) {
    const graph::Value& value = graph.value(id);
    inputs[value.name] = random_input(value.type, value.shape, rng);
  }
  require_same(run_compiled(compiled, {inputs})[0], golden::run(graph, inputs));
  return Fate::Agreed;
}

}  // namespace systole::test
