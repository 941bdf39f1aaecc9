#include "host/app/record.hpp"

#include <filesystem>

#include "host/app/prepared_run.hpp"

namespace systole::app {
namespace {

bundle::RecordedFile recorded(const std::string& file) {
  return {std::filesystem::absolute(file).string(), bundle::digest_of(file)};
}

/// By name, for files that were given in the model's order: a bundle names files otherwise.
std::vector<bundle::RecordedInput> recorded_inputs(const FailedRun& run) {
  std::vector<bundle::RecordedInput> inputs;
  std::size_t position = 0;
  for (const auto& [given, file] : run.options.inputs)
    inputs.push_back(
        {given.empty() ? run.model.inputs.at(position++).name : given, recorded(file)});
  return inputs;
}

}  // namespace

bundle::FailureRecord record_of(const FailedRun& run) {
  const SimulationOptions& simulation = run.simulation;
  const ChipConfig build = chip_build(run.options, run.model.config);
  bundle::FailureRecord record;
  record.commit = run.options.commit;
  record.config = run.model.config.name;
  record.build = build.name;
  record.build_id = chip_build_id(build);
  record.identity = simulation.identity;
  record.tiles = run.options.tiles;
  record.channels = run.options.channels;
  record.optimize = run.options.optimize;
  record.groups = run.options.groups;
  record.in_flight = run.options.in_flight;
  record.stages = run.options.stages;
  record.stream = run.options.stream;
  record.dram = simulation.dram;
  record.lockstep = simulation.lockstep;
  record.inputs_per_request = run.options.inputs_per_request;
  record.timeout_cycles = run.options.timeout_cycles;
  record.watchdog_cycles = simulation.watchdog_cycles;
  record.cycles_per_wait = simulation.cycles_per_wait;
  record.seed = simulation.random_reset;
  record.plusargs = simulation.plusargs;
  record.model = recorded(run.options.model);
  record.inputs = recorded_inputs(run);
  record.firmware = recorded(session_options(run.options).firmware);
  record.failure = run.failure;
  return record;
}

}  // namespace systole::app
