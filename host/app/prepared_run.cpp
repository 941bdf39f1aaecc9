#include "host/app/prepared_run.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "host/command/digest.hpp"
#include "host/command/error.hpp"
#include "host/import/npy.hpp"

namespace systole::app {
namespace {

/// An ONNX TensorProto, as the ONNX node tests keep them, or numpy's format.
Tensor load_tensor(const std::string& file) {
  const bool is_proto = std::filesystem::path(file).extension() == ".pb";
  return is_proto ? onnx::load_tensor_proto(file) : npy::load(file);
}

/// Before the file is read: the model says more about a type that we have no use for.
void require_type(const onnx::Model& model, const onnx::Port& port) {
  if (port.type) return;
  const auto reader = std::find_if(model.nodes.begin(), model.nodes.end(), [&](const auto& node) {
    return std::count(node.inputs.begin(), node.inputs.end(), port.name) > 0;
  });
  const std::string of = reader == model.nodes.end() ? "" : " of node " + reader->label();
  throw Error("unsupported element type",
              fmt::format("{}: input '{}'{}", model.file, port.name, of),
              "float32, int8, uint8, int32 or int64", port.type_name);
}

/// The model inputs by name, from the files given by name or by position.
graph::Tensors load_inputs(const onnx::Model& model, const std::vector<NamedFile>& files) {
  for (const onnx::Port& port : model.inputs) require_type(model, port);
  std::vector<std::string> names;
  for (const onnx::Port& port : model.inputs) {
    if (model.initializers.count(port.name) == 0) names.push_back(port.name);
  }
  graph::Tensors tensors;
  std::size_t position = 0;
  for (const auto& [given, file] : files) {
    if (given.empty() && position >= names.size()) {
      throw Error("too many inputs", "--input " + file,
                  fmt::format("{} for this model", names.size()));
    }
    const std::string name = given.empty() ? names[position++] : given;
    if (!tensors.emplace(name, load_tensor(file)).second)
      throw Error("given twice", "--input " + name);
  }
  return tensors;
}

compile::CompileOptions compile_options(const RunOptions& options, const Batch& batch) {
  compile::CompileOptions out;
  out.use_tiles = options.tiles;
  out.dram = options.simulation.dram;
  if (options.optimize == "throughput") {
    out.inputs = std::max<std::size_t>(2, batch.records.size());
  } else if (options.optimize == "auto") {
    // A request ends when its last input does.
    out.inputs = std::min<std::size_t>(batch.records.size(), options.inputs_per_request);
  }
  if (options.groups > 0 || options.in_flight > 0 || options.stages > 0) {
    out.division = {std::max(options.groups, 1u), std::max(options.in_flight, 1u),
                    std::max(options.stages, 1u)};
  }
  return out;
}

class Progress {
 public:
  explicit Progress(bool quiet) : on_(!quiet && ::isatty(STDERR_FILENO) != 0) {}
  void operator()(std::size_t done, std::size_t all) const {
    if (!on_) return;
    fmt::print(stderr, "\r  {} of {} inputs", done, all);
    if (done == all) fmt::print(stderr, "\r{:40}\r", "");
    std::fflush(stderr);
  }

 private:
  bool on_;
};

}  // namespace

PreparedRun prepare(const RunOptions& options) {
  const onnx::Model onnx_model = onnx::load(options.model);
  PreparedRun run{make_batch(onnx_model, load_inputs(onnx_model, options.inputs)), {}};
  run.model = compile::compile(run.batch.graph, chip_config(options.config),
                               compile_options(options, run.batch));
  return run;
}

SessionOptions session_options(const RunOptions& options) {
  SessionOptions session;
  if (!options.firmware.empty()) session.firmware = options.firmware;
  session.inputs_per_request = options.inputs_per_request;
  session.timeout_cycles = options.timeout_cycles;
  session.progress = Progress(options.quiet);
  return session;
}

ChipConfig chip_build(const RunOptions& options, ChipConfig config) {
  if (!options.build.empty()) config.name = options.build;
  return config;
}

std::vector<std::pair<std::string, std::string>> identity_of(const RunOptions& options,
                                                             const compile::CompiledModel& model,
                                                             const std::vector<Record>& records) {
  const auto file = [](const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  Digest inputs;
  for (const Record& record : records) {
    for (const Tensor& tensor : record) inputs.add(tensor.bytes().data(), tensor.bytes().size());
  }
  return {{"configuration", model.config.name},
          {"the compiled model", model.digest()},
          {"an input", inputs.text()},
          {"the firmware", Digest().add(file(session_options(options).firmware)).text()},
          {"--dram", options.simulation.dram},
          {"--lockstep", options.simulation.lockstep ? "on" : "off"},
          {"--events", options.events ? "on" : "off"},
          {"--requests-of", std::to_string(options.inputs_per_request)},
          {"--timeout", std::to_string(options.timeout_cycles)},
          {"--plusarg", fmt::format("{}", fmt::join(options.simulation.plusargs, " "))},
          {"--seed", std::to_string(options.simulation.random_reset)}};
}

}  // namespace systole::app
