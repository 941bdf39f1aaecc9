// Ten minutes with the C++ API: load a quantized ONNX model, compile it, run it on the simulated
// chip, and watch one command retire. `make test-example_digits` builds and runs this file.
#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "host/compile/compiled_model.hpp"
#include "host/driver/batch.hpp"
#include "host/driver/session.hpp"
#include "host/driver/simulated_chip.hpp"
#include "host/golden/graph_reference.hpp"
#include "host/import/npy.hpp"

using namespace systole;

namespace {

int run(const std::string& folder, const std::string& config) {
  // 1. A model and its inputs. The file holds 360 images; make_batch splits them into records, one
  // an inference.
  const onnx::Model model = onnx::load(folder + "/mlp.onnx");
  const Tensor images = npy::load(folder + "/mlp_images.npy");
  Batch batch = make_batch(model, {{"image", images}});
  batch.records.resize(8);

  // 2. Programs for every tile of a chip.
  const compile::CompiledModel compiled = compile::compile(batch.graph, chip_config(config));
  for (const compile::Layer& layer : compiled.layers) {
    fmt::print("layer {:40} {:10} {:>8} MAC\n", layer.name, layer.op, layer.mac);
  }

  // 3. A chip, with the lockstep judge on: a wrong element anywhere ends the run with an Error that
  // names it.
  SimulationOptions options;
  options.host_memory_bytes = Session::host_memory_bytes(compiled, batch.records.size());
  const auto chip = load_simulated_chip(compiled.config, options);
  uint64_t commands = 0, last_cycle = 0;
  chip->observe([&](const CommandEvent& event) {
    commands += event.retired ? 1 : 0;
    last_cycle = event.cycle;
  });

  // 4. A session: boots the firmware, loads programs and weights, runs records.
  Session session(compiled, *chip);
  const std::vector<Record> outputs = session.run(batch.records);
  fmt::print("{} commands retired, the last at cycle {}\n", commands, last_cycle);

  // 5. The answers, and the second opinion.
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& scores = outputs[i].at(0);
    const float* first = scores.data<float>();
    const auto digit = std::max_element(first, first + scores.size()) - first;
    const graph::Tensors reference = golden::run(batch.graph, {{"image", batch.records[i].at(0)}});
    const bool same = reference.at("scores") == scores;
    fmt::print("image {}: a {}, {}\n", i, digit,
               same ? "as the reference says" : "NOT what the reference says");
    if (!same) return 1;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "tests/models/digits", argc > 2 ? argv[2] : "small");
  } catch (const std::exception& error) {
    fmt::print(stderr, "digits: {}\n", error.what());
    return 2;
  }
}
