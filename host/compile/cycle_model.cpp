#include "host/compile/cycle_model.hpp"

#include <algorithm>
#include <cmath>

#include "host/command/error.hpp"
#include "host/compile/layer_spans.hpp"

namespace systole::compile {
namespace {

// What the firmware's launch takes (measured on programs of nothing but End, tests/chip/
// cycle_model_test.cpp): from the request's start to the first tile's launch, without the way to
// the tile, from one tile's to the next's, and from the last tile's end to the request's.
constexpr timing::Cycle kToLaunch = 18;
constexpr timing::Cycle kBetweenLaunches = 11;
constexpr timing::Cycle kBehindEnd = 25;

constexpr timing::Cycle kMaxCycles = timing::Cycle{1} << 40;
/// Inputs of a long stream that are run.
constexpr unsigned kStream = 4;

/// The programs of a tile, launched for so many inputs.
timing::TileLaunch launch_of(const CompiledModel& model, const TileProgram& tile, unsigned inputs) {
  timing::TileLaunch launch;
  launch.x = tile.x;
  launch.y = tile.y;
  launch.iterations = inputs * model.phases;
  std::copy(tile.fixed_param.begin(), tile.fixed_param.end(), launch.params.begin() + 4);
  launch.steps[0] = model.input_record / model.phases;
  launch.steps[1] = model.output_record / model.phases;
  // Records begin at multiples of the longest packet (host/driver/session.cpp).
  launch.params[1] = (inputs * model.input_record + spec::MaxPacketBytes - 1) /
                     spec::MaxPacketBytes * spec::MaxPacketBytes;
  for (std::size_t u = 0; u < spec::NumUnits; ++u) launch.units[u].address = tile.program[u];
  for (const std::vector<uint8_t>& image : images_of(model, tile)) {
    for (std::size_t u = 0; u < spec::NumUnits; ++u) {
      timing::UnitProgram& unit = launch.units[u];
      unit.words.push_back(commands_of(image, tile.program[u] - tile.local));
      unit.commands.emplace_back();
      for (const spec::CommandWords& words : unit.words.back())
        unit.commands.back().push_back(timing::decode(words));
    }
  }
  return launch;
}

LayerSpans spans_of(const CompiledModel& model, const RequestCycles& request) {
  LayerSpans spans(model.layers.size());
  for (const timing::Event& event : request.events) {
    const auto unit = static_cast<std::size_t>(event.unit);
    const std::vector<int>& layers = model.tiles[event.tile].layer_of_command[unit];
    const std::size_t length = layers.size() / model.phases;
    const std::size_t phase = event.iteration % model.phases;
    if (event.pc >= length) continue;
    const int layer = layers[phase * length + event.pc];
    if (layer < 0) continue;
    spans.add(static_cast<std::size_t>(layer), event.iteration / model.phases, event.cycle,
              event.retired);
  }
  return spans;
}

}  // namespace

RequestCycles run_request(const CompiledModel& model, const CycleQuestion& question) {
  timing::DramParameters dram = timing::dram_parameters(question.dram);
  dram.spread_refresh = !question.start;
  const timing::Cycle start = question.start.value_or(0);
  timing::ChipTiming chip(model.config, dram);
  std::vector<timing::TileLaunch> launches;
  for (const TileProgram& tile : model.tiles)
    launches.push_back(launch_of(model, tile, question.inputs));
  timing::Cycle at = start + kToLaunch;
  for (const timing::TileLaunch& launch : launches) {
    chip.launch(launch, at + launch.x + launch.y);
    at += kBetweenLaunches;
  }
  if (!chip.run(start + kMaxCycles)) throw Error("a program waits for what never comes", "cycles");
  return {chip.end() + kBehindEnd - start, chip.take_events(), chip.refusals()};
}

CyclePrediction predict_cycles(const CompiledModel& model, const CycleQuestion& question) {
  CycleQuestion asked = question;
  asked.inputs = std::min(question.inputs, kStream);
  const RequestCycles request = run_request(model, asked);
  const LayerSpans spans = spans_of(model, request);
  const std::size_t left_out = question.inputs > kStream ? 1 : 0;  // the last has no successor
  const auto steady = [&](std::size_t input) {
    return asked.inputs == 1 || (input > 0 && input + left_out < asked.inputs);
  };
  CyclePrediction prediction;
  prediction.spacing = spans.mean_spacing(steady);
  prediction.cycles =
      static_cast<double>(request.cycles) + (question.inputs - asked.inputs) * prediction.spacing;
  for (std::size_t layer = 0; layer < model.layers.size(); ++layer)
    prediction.layers.push_back(spans.mean_cycles(layer, steady));
  return prediction;
}

void predict(CompiledModel& model, const std::string& dram) {
  model.latency = static_cast<uint64_t>(predict_cycles(model, {1, dram, {}}).cycles);
  const CyclePrediction stream = predict_cycles(model, {kStream + 1, dram, {}});
  model.spacing = stream.spacing;
  for (std::size_t layer = 0; layer < model.layers.size(); ++layer)
    model.layers[layer].predicted_cycles = static_cast<uint64_t>(std::lround(stream.layers[layer]));
}

}  // namespace systole::compile
