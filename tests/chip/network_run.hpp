// Runs of networks on a simulated chip, for tests that compare runs.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "host/compile/compiled_model.hpp"
#include "host/driver/batch.hpp"
#include "host/driver/session.hpp"
#include "host/driver/simulated_chip.hpp"
#include "host/golden/graph_reference.hpp"
#include "host/import/npy.hpp"

namespace systole::test {

/// A network and what it is to compute, from first to last input.
struct Network {
  Batch batch;
  std::vector<Record> expected;  // by the graph reference
};

inline Network make_network(const onnx::Model& model, const graph::Tensors& inputs) {
  Network network{make_batch(model, inputs), {}};
  const graph::Graph& graph = network.batch.graph;
  for (const Record& record : network.batch.records) {
    graph::Tensors one;
    for (std::size_t i = 0; i < record.size(); ++i)
      one[graph.value(graph.inputs[i]).name] = record[i];
    const graph::Tensors result = golden::run(graph, one);
    Record outputs;
    for (const graph::ValueId id : graph.outputs)
      outputs.push_back(result.at(graph.value(id).name));
    network.expected.push_back(std::move(outputs));
  }
  return network;
}

/// A digits network on its first images.
inline Network digits_network(const std::string& name, int64_t images) {
  const std::string folder = "tests/models/digits/";
  const Tensor all = npy::load(folder + name + "_images.npy");
  Shape shape = all.shape();
  shape[0] = images;
  Tensor first(all.type(), shape);
  std::memcpy(first.bytes().data(), all.bytes().data(), first.bytes().size());
  return make_network(onnx::load(folder + name + ".onnx"), {{"image", first}});
}

struct NetworkRun {
  std::vector<Record> outputs;
  uint64_t chip_cycles = 0;  // as in the report of `systole run`
};

/// Runs a network on build/<build>; the outputs must be what the network is to compute.
inline NetworkRun run_network(const Network& network, const std::string& config,
                              const std::string& build, SimulationOptions options = {}) {
  setenv("SYSTOLE_BUILD", "build", 1);
  const auto model = compile::compile(network.batch.graph, chip_config(config), {});
  options.host_memory_bytes = Session::host_memory_bytes(model, network.batch.records.size());
  ChipConfig library = model.config;
  library.name = build;
  const auto chip = load_simulated_chip(library, options);
  Session session(model, *chip);
  NetworkRun run;
  run.outputs = session.run(network.batch.records);
  run.chip_cycles = session.reports().back().end - session.reports().front().start;
  CHECK(run.outputs == network.expected);
  return run;
}

}  // namespace systole::test
