#include "host/app/prepared_run.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "host/app/tensor_file.hpp"
#include "host/command/digest.hpp"
#include "host/command/error.hpp"

namespace systole::app {
namespace {

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

/// The files of each model input, in the order in which they were given.
std::map<std::string, std::vector<std::string>> files_by_input(
    const onnx::Model& model, const std::vector<NamedFile>& files) {
  const std::vector<std::string> names = onnx::run_time_inputs(model);
  std::map<std::string, std::vector<std::string>> result;
  std::set<std::string> by_position;
  for (const auto& [given, file] : files) {
    const bool named = !given.empty();
    if (!named && by_position.size() >= names.size()) {
      throw Error("too many inputs", "--input " + file,
                  fmt::format("{} for this model; NAME=FILE for a stream", names.size()));
    }
    const std::string name = named ? given : names[by_position.size()];
    if (named ? by_position.count(name) > 0 : result.count(name) > 0)
      throw Error("given twice, by name and by position", "--input " + name);
    if (!named) by_position.insert(name);
    result[name].push_back(file);
  }
  return result;
}

graph::Tensors load_inputs(const onnx::Model& model, const std::vector<NamedFile>& files) {
  for (const onnx::Port& port : model.inputs) require_type(model, port);
  const std::vector<std::string> parameters = graph::parameter_inputs(model);
  graph::Tensors tensors;
  for (const auto& [name, paths] : files_by_input(model, files)) {
    std::vector<Tensor> parts;
    for (const std::string& path : paths) parts.push_back(load_tensor(path));
    const bool parameter = std::count(parameters.begin(), parameters.end(), name) > 0;
    tensors.emplace(name, parameter ? all_alike(parts, name) : stack(parts, "--input " + name));
  }
  return tensors;
}

/// Files that follow one another are inferences of their own, as many of each input. Throws Error
/// where the model works on all of them at once.
void check_stream(const onnx::Model& model, const std::vector<NamedFile>& files,
                  const Batch& batch) {
  const std::vector<std::string> parameters = graph::parameter_inputs(model);
  std::optional<std::pair<std::string, std::size_t>> first;
  for (const auto& [name, paths] : files_by_input(model, files)) {
    if (std::count(parameters.begin(), parameters.end(), name) > 0) continue;
    if (!first) first = {name, paths.size()};
    if (paths.size() != first->second) {
      throw Error("inputs have not as many files", "--input " + name,
                  fmt::format("{}, as of '{}'", first->second, first->first),
                  std::to_string(paths.size()));
    }
    if (paths.size() > 1 && !batch.split)
      throw Error("several files are no stream: the model works on all of them at once",
                  fmt::format("{}: input '{}'", model.file, name), "one file");
  }
}

/// The first `count` records, or all of them over and over.
void repeat(std::vector<Record>& records, std::size_t count) {
  const std::size_t given = records.size();
  records.resize(count);
  for (std::size_t i = given; i < count; ++i) records[i] = records[i - given];
}

compile::CompileOptions compile_options(const RunOptions& options, const Batch& batch) {
  compile::CompileOptions out;
  out.use_tiles = options.tiles;
  out.use_channels = options.channels;
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

namespace {

PreparedRun prepare(const RunOptions& options, const onnx::Model& model,
                    const graph::Tensors& inputs) {
  PreparedRun run;
  run.batch = make_batch(model, inputs);
  check_stream(model, options.inputs, run.batch);
  if (options.stream > 0) repeat(run.batch.records, options.stream);
  const auto start = std::chrono::steady_clock::now();
  run.model = compile::compile(run.batch.graph, chip_config(options.config),
                               compile_options(options, run.batch));
  run.compile_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return run;
}

/// Zeros. An open dimension is taken as 1: the leading one stands for inferences, of which this is
/// one; others are refused with the graph.
Tensor zeros(const onnx::Model& model, const onnx::Port& port) {
  const std::string where = fmt::format("{}: input '{}'", model.file, port.name);
  if (!port.has_shape) throw Error("the model does not say the input's shape", where, "a shape");
  Shape shape;
  for (const onnx::Dimension& dimension : port.shape)
    shape.push_back(dimension.is_static() ? dimension.value : 1);
  element_count(shape, where);
  return Tensor(*port.type, shape);
}

}  // namespace

PreparedRun prepare(const RunOptions& options) {
  const onnx::Model model = onnx::load(options.model);
  return prepare(options, model, load_inputs(model, options.inputs));
}

PreparedRun prepare_without_data(const RunOptions& options) {
  const onnx::Model model = onnx::load(options.model);
  graph::Tensors inputs = load_inputs(model, options.inputs);
  const std::vector<std::string> needed = onnx::run_time_inputs(model);
  const std::vector<std::string> parameters = graph::parameter_inputs(model);
  for (const onnx::Port& port : model.inputs) {
    const bool is_data = std::count(needed.begin(), needed.end(), port.name) > 0 &&
                         std::count(parameters.begin(), parameters.end(), port.name) == 0;
    if (is_data && inputs.count(port.name) == 0) inputs.emplace(port.name, zeros(model, port));
  }
  return prepare(options, model, inputs);
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
