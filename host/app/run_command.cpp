#include "host/app/run_command.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>

#include "host/app/explain.hpp"
#include "host/app/failure.hpp"
#include "host/app/prepared_run.hpp"
#include "host/app/samples.hpp"
#include "host/app/show.hpp"
#include "host/command/error.hpp"
#include "host/command/output_file.hpp"
#include "host/command/unwritable.hpp"
#include "host/compile/cycle_model.hpp"
#include "host/driver/batch.hpp"
#include "host/golden/graph_reference.hpp"
#include "host/golden/model_device.hpp"
#include "host/import/npy.hpp"
#include "host/report/command_log.hpp"
#include "host/report/html.hpp"
#include "host/report/run_recorder.hpp"
#include "host/report/run_report.hpp"

namespace systole::app {
namespace {

using Clock = std::chrono::steady_clock;

/// Cycles between checkpoints that are held for an explanation.
constexpr uint64_t kExplainCheckpoint = 60'000;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// ------------------------------------------------------------------------------------------- files

/// Which output goes to which file: index in the graph's outputs, path.
std::vector<std::pair<std::size_t, std::string>> output_files(const graph::Graph& graph,
                                                              const std::vector<NamedFile>& files) {
  std::vector<std::pair<std::size_t, std::string>> result;
  std::size_t position = 0;
  for (const auto& [given, file] : files) {
    std::size_t index = given.empty() ? position++ : 0;
    while (!given.empty() && index < graph.outputs.size() &&
           graph.value(graph.outputs[index]).name != given)
      ++index;
    if (index >= graph.outputs.size()) {
      throw Error("the model has no such output", "--output " + (given.empty() ? file : given));
    }
    result.emplace_back(index, file);
  }
  return result;
}

/// Throws unless the file can be written; before the run, so that no run is lost.
void require_writable(const std::string& path) {
  if (path.empty()) return;
  const bool existed = ::access(path.c_str(), F_OK) == 0;
  std::FILE* file = std::fopen(path.c_str(), "ab");
  if (file == nullptr) throw unwritable(path, errno);
  std::fclose(file);
  if (!existed) std::remove(path.c_str());
}

void make_folder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error || ::access(path.c_str(), W_OK) != 0)
    throw Error("cannot be written", path, "a folder", error.message());
}

void write_text(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.stream() << text;
  file.commit();
}

// ---------------------------------------------------------------------------------------- verdicts

/// Compares outputs record by record; prints the first difference.
bool same_outputs(const Batch& batch, const std::vector<Record>& got,
                  const std::vector<Record>& expected, const char* judge) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    for (std::size_t k = 0; k < got[i].size(); ++k) {
      const Tensor& a = expected[i][k];
      const Tensor& b = got[i][k];
      if (a == b) continue;
      const std::size_t size = element_size(a.type());
      std::size_t element = 0;
      while (std::memcmp(&a.bytes()[element * size], &b.bytes()[element * size], size) == 0)
        ++element;
      uint32_t expected_bits = 0, got_bits = 0;
      std::memcpy(&expected_bits, &a.bytes()[element * size], size);
      std::memcpy(&got_bits, &b.bytes()[element * size], size);
      fmt::print(stderr,
                 "input {}, output {}, element {}: {} has 0x{:0{}x}, the device 0x{:0{}x}\n", i,
                 batch.graph.value(batch.graph.outputs[k]).name, element, judge, expected_bits,
                 2 * size, got_bits, 2 * size);
      return false;
    }
  }
  return true;
}

std::vector<Record> reference_outputs(const Batch& batch) {
  std::vector<Record> outputs;
  for (const Record& record : batch.records) {
    graph::Tensors inputs;
    for (std::size_t i = 0; i < record.size(); ++i)
      inputs[batch.graph.value(batch.graph.inputs[i]).name] = record[i];
    graph::Tensors result = golden::run(batch.graph, inputs);
    Record output;
    for (const graph::ValueId id : batch.graph.outputs)
      output.push_back(result.at(batch.graph.value(id).name));
    outputs.push_back(std::move(output));
  }
  return outputs;
}

template <typename T>
int64_t argmax(const Tensor& tensor) {
  const T* values = tensor.data<T>();
  return std::max_element(values, values + tensor.size()) - values;
}

int64_t argmax(const Tensor& tensor) {
  if (tensor.type() == DataType::F32) return argmax<float>(tensor);
  int64_t best = 0;
  for (int64_t i = 1; i < tensor.size(); ++i) {
    if (tensor.integer(i) > tensor.integer(best)) best = i;
  }
  return best;
}

/// One integer an input.
Tensor load_labels(const std::string& file, std::size_t inputs) {
  Tensor labels = npy::load(file);
  if (labels.type() == DataType::F32 || labels.size() != static_cast<int64_t>(inputs)) {
    throw Error("wrong labels", file, fmt::format("{} integers", inputs),
                fmt::format("{} {}", to_string(labels.type()), to_string(labels.shape())));
  }
  return labels;
}

/// Share of inputs whose first output's argmax is the label.
double accuracy(const std::vector<Record>& outputs, const Tensor& labels) {
  std::size_t right = 0;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    right += argmax(outputs[i].at(0)) == labels.integer(static_cast<int64_t>(i)) ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(outputs.size());
}

// -------------------------------------------------------------------------------------------- runs

std::vector<Record> run_on_model(const compile::CompiledModel& model, const Batch& batch,
                                 SessionOptions session) {
  golden::ModelDevice device(model.config, Session::host_memory_bytes(model, batch.records.size()));
  return Session(model, device, std::move(session)).run(batch.records);
}

/// Every command agreed, and yet an output is wrong: whose fault is that?
void tell_disagreement(const PreparedRun& run, const RunOptions& options,
                       const std::vector<Record>& got) {
  const auto model = run_on_model(run.model, run.batch, session_options(options));
  const bool same = std::equal(got.begin(), got.end(), model.begin(), model.end());
  fmt::print(stderr, "  every command did what the functional model did, {}\n",
             same ? "and so are the outputs: the compiler is at fault, or the functional model "
                    "with the chip alike"
                  : "and yet it has other outputs: what writes, moves or reads the host's memory "
                    "without a command is at fault");
}

std::string checkpoint_folder(const RunOptions& options) {
  const std::string& given = options.simulation.checkpoint_folder;
  if (!given.empty()) return given;
  return "build/checkpoints/" + std::filesystem::path(options.model).stem().string();
}

/// An explanation without a bundle is better than none.
void bundle_failure(const RunOptions& options, const std::string& folder) {
  try {
    if (!options.bundle.empty()) pack(folder, options.bundle);
  } catch (const Error& trouble) {
    fmt::print(stderr, "systole: no bundle: {}\n", trouble.what());
  }
}

/// Explains a failure; false, with what is known printed, when that was not to be or cannot be
/// done.
bool tell_failure(const FailedRun& run) {
  try {
    if (run.options.explain) return bundle_failure(run.options, explain(run)), true;
  } catch (const Error& trouble) {
    fmt::print(stderr, "systole: no explanation: {}\n", trouble.what());
  }
  if (run.chip.mismatch()) fmt::print(stderr, "systole: {}\n", run.chip.mismatch()->text());
  return false;
}

/// What ended the run is told all the same.
void tell_lost_waves(SimulatedChip& chip) {
  try {
    chip.close_waves();
  } catch (const Error& trouble) {
    fmt::print(stderr, "systole: {}\n", trouble.what());
  }
}

/// Throws when no cycle of the run lay in the window of waves that was asked for; leaves no file.
void require_traced(const SimulationOptions& simulation, uint64_t cycles) {
  if (simulation.trace_to == 0 || cycles > simulation.trace_from) return;
  std::remove(simulation.trace_file.c_str());
  throw Error("the trace window lies outside the run",
              fmt::format("--trace {}:{}", simulation.trace_from, simulation.trace_to),
              fmt::format("a cycle below {}", cycles), std::to_string(simulation.trace_from));
}

void record(const RunOptions& options, report::RunRecorder& recorder, const Session& session,
            report::RunReport& report) {
  const uint64_t launch = session.reports().empty() ? 0 : session.reports().front().start;
  recorder.finish(launch, report);
  if (!options.timeline.empty()) recorder.write_timeline(options.timeline, session.reports());
}

/// What the first request will take, of a chip that has loaded its programs by `loaded`; of a run
/// that has no other, its cycles and its inputs' spacing, too: between requests is the host's time.
void predict(const RunOptions& options, const compile::CompiledModel& model, uint64_t loaded,
             report::RunReport& report) {
  const auto all = static_cast<unsigned>(report.inputs);
  const unsigned inputs = std::min(all, options.inputs_per_request);
  const uint64_t start = compile::start_of_first_request(loaded, model.tiles.size());
  const auto predicted = compile::predict_cycles(model, {inputs, options.simulation.dram, start});
  for (std::size_t i = 0; i < report.layers.size(); ++i)
    report.layers[i].predicted_cycles = predicted.layers[i];
  if (inputs != all) return;
  report.predicted_cycles = predicted.cycles;
  report.predicted_spacing = predicted.spacing;
  report.predicted_refusals = predicted.refusals;
}

/// Adds what the chip says of itself to the report. Returns the outputs; none when a command
/// differed from the functional model, where the run ends.
std::vector<Record> run_on_chip(const RunOptions& options, const PreparedRun& run,
                                report::RunReport& report, std::optional<ChipFailure>& failure) {
  const Batch& batch = run.batch;
  const compile::CompiledModel& model = run.model;
  SimulationOptions simulation = options.simulation;
  simulation.host_memory_bytes = Session::host_memory_bytes(model, batch.records.size());
  simulation.identity = identity_of(options, model, batch.records);
  if (simulation.checkpoint_every > 0) {
    simulation.checkpoint_folder = checkpoint_folder(options);
    make_folder(simulation.checkpoint_folder);
  } else if (options.explain) {
    simulation.checkpoint_every = kExplainCheckpoint;
  }
  const auto chip = load_simulated_chip(chip_build(options, model.config), simulation);
  report::RunRecorder recorder(model, *chip, {!options.timeline.empty(), options.sample_cycles});
  report::CommandLog log;
  if (options.events) {
    chip->observe([&](const CommandEvent& event) {
      recorder.add(event);
      log.add(event);
    });
  }
  std::optional<Session> session;
  std::optional<RequestFailure> request;
  const auto tell = [&] {
    return tell_failure({options, run.model, run.batch.records, simulation, *chip, *failure,
                         request, log, recorder.trace(), session});
  };
  std::vector<Record> outputs;
  try {
    session.emplace(model, *chip, session_options(options));
    recorder.loaded();
    const uint64_t loaded = chip->cycles();
    report.loading_cycles = loaded;
    predict(options, model, loaded, report);
    const double before = chip->simulation_seconds();
    outputs = session->run(batch.records);
    report.sim_cycles_per_s =
        static_cast<double>(chip->cycles() - loaded) / (chip->simulation_seconds() - before);
    report.chip_cycles = session->reports().back().end - session->reports().front().start;
    for (const RequestReport& done : session->reports()) report.core_awake_cycles += done.awake;
  } catch (const Error& error) {
    failure = failure_of(error, *chip, &request);
    tell_lost_waves(*chip);
    if (!failure) throw;
    const bool explained = tell();
    if (!chip->mismatch()) {
      if (explained) throw Error(error.problem(), error.where());
      throw;
    }
    report.matches_model = false;
    if (session) record(options, recorder, *session, report);
    return {};
  }
  require_traced(simulation, chip->cycles());
  chip->close_waves();
  failure = chip->failure();
  if (chip->mismatch() && failure) tell();
  report.lockstep_commands = chip->lockstep_commands();
  if (simulation.lockstep) report.matches_model = !chip->mismatch();
  record(options, recorder, *session, report);
  return outputs;
}

/// Compares the samples' outputs with what was recorded of them.
void judge(const Samples& samples, const Batch& batch, const std::vector<Record>& outputs,
           report::RunReport& report) {
  const Likeness likeness = compare(batch.graph, join_outputs(batch, outputs), samples.outputs);
  report.matches_recorded = likeness.within;
  report.recorded = likeness.text();
}

report::RunReport start_report(const RunOptions& options, const compile::CompiledModel& model,
                               std::size_t inputs) {
  report::RunReport report;
  report.model = options.model;
  report.device = options.device;
  report.config = model.config.name;
  report.cols = model.config.num_cols;
  report.rows = model.config.num_rows;
  report.commit = options.commit;
  report.dram = options.simulation.dram;
  report.events = options.events;
  report.tiles = static_cast<unsigned>(model.tiles.size());
  report.groups = model.division.groups;
  report.in_flight = model.division.in_flight;
  report.stages = model.division.stages;
  report.inputs = inputs;
  for (const compile::Layer& layer : model.layers) {
    report.layers.push_back({layer.name, layer.op, 0, layer.mac, 0, "", {}, {}});
    report.mac += layer.mac;
  }
  return report;
}

/// Returns the exit status.
int finish(const RunOptions& options, const PreparedRun& run, report::RunReport& report,
           Clock::time_point start) {
  report.wall_s = seconds_since(start);
  if (options.scaling && report.agrees()) {
    report.scaling = report::scale(run.batch.graph, run.model.config, options.simulation.dram);
  }
  if (!options.json.empty()) write_text(options.json, report::json(report));
  if (!options.report.empty()) write_text(options.report, report::html(report));
  fmt::print("{}", report::table(report));
  return report.agrees() ? 0 : 1;
}

}  // namespace

int run(const RunOptions& given, std::optional<ChipFailure>& failure) {
  const auto start = Clock::now();
  RunOptions options = given;
  std::optional<Samples> samples;
  if (!given.samples.empty()) {
    samples = load_samples(onnx::load(given.model), given.samples);
    options.inputs = samples->inputs;
  }
  const PreparedRun prepared = prepare(options);
  const Batch& batch = prepared.batch;
  const compile::CompiledModel& model = prepared.model;
  const std::size_t sampled = samples ? inferences_of(*samples, batch, options.samples) : 0;
  if (batch.records.size() < sampled)
    throw Error("fewer inferences than samples", "--samples " + options.samples,
                fmt::format("at least {}", sampled), std::to_string(batch.records.size()));
  const auto files = output_files(batch.graph, options.outputs);
  for (const auto& file : files) require_writable(file.second);
  for (const auto& path : {options.json, options.timeline, options.report, options.bundle})
    require_writable(path);
  std::optional<Tensor> labels;
  if (!options.labels.empty()) labels = load_labels(options.labels, batch.records.size());

  report::RunReport report = start_report(options, model, batch.records.size());
  report.compile_s = prepared.compile_s;
  std::vector<Record> outputs;
  if (options.device == "chip") {
    outputs = run_on_chip(options, prepared, report, failure);
    if (outputs.empty()) return finish(options, prepared, report, start);
    if (!report.matches_model && options.check) {
      const auto expected = run_on_model(model, batch, session_options(options));
      report.matches_model = same_outputs(batch, outputs, expected, "the functional model");
    }
  } else {
    outputs = run_on_model(model, batch, session_options(options));
  }
  if (options.check) {
    report.matches_reference =
        same_outputs(batch, outputs, reference_outputs(batch), "the graph reference");
    const bool agreed = report.matches_model.value_or(false);
    if (options.device == "chip" && agreed && !*report.matches_reference)
      tell_disagreement(prepared, options, outputs);
  }
  if (labels) report.accuracy = accuracy(outputs, *labels);
  if (samples) {
    const std::vector<Record> first(outputs.begin(),
                                    outputs.begin() + static_cast<std::ptrdiff_t>(sampled));
    judge(*samples, batch, first, report);
  }
  const std::vector<Tensor> joined = join_outputs(batch, outputs);
  for (const auto& [index, path] : files) npy::save(path, joined[index]);
  return finish(options, prepared, report, start);
}

}  // namespace systole::app
