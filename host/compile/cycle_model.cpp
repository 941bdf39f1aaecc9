#include "host/compile/cycle_model.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "host/command/error.hpp"
#include "host/compile/layer_spans.hpp"

namespace systole::compile {
namespace {

// What the firmware's launch takes (measured on programs of one load, tests/chip/
// cycle_model_test.cpp): from the request's start to the first tile's launch, without the way to
// the tile, from one tile's to the next's, and from the last tile's end to the request's.
constexpr timing::Cycle kToLaunch = 18;
constexpr timing::Cycle kBetweenLaunches = 11;
constexpr timing::Cycle kBehindEnd = 24;
constexpr timing::Cycle kAwakeBehindLaunch = 31;  // the core, behind the last launch
// And before: from the end of loading to the start of the first request.
constexpr timing::Cycle kToFirstRequest = 460;
constexpr timing::Cycle kToFirstRequestPerTile = 47;

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

/// The commands of a unit that run once an input.
struct Body {
  uint32_t first = 0, loop = ~0u;
};

Body body_of(const TileProgram& tile, spec::Unit unit) {
  const std::vector<spec::CommandWords> commands = commands_of(tile, unit);
  for (uint32_t pc = 0; pc < commands.size(); ++pc) {
    if (spec::CommandHeader::decode(commands[pc]).opcode == spec::Opcode::Loop)
      return {spec::LoopCommand::decode(commands[pc]).target, pc};
  }
  return {};
}

/// Commands in front of the loop (constants, once a request) and behind it belong to no layer.
LayerSpans spans_of(const CompiledModel& model, const RequestCycles& request) {
  std::vector<std::array<Body, spec::NumUnits>> bodies(model.tiles.size());
  for (std::size_t t = 0; t < bodies.size(); ++t) {
    for (std::size_t u = 0; u < spec::NumUnits; ++u)
      bodies[t][u] = body_of(model.tiles[t], static_cast<spec::Unit>(u));
  }
  LayerSpans spans(model.layers.size());
  for (const timing::Event& event : request.events) {
    const auto unit = static_cast<std::size_t>(event.unit);
    const Body& body = bodies[event.launch][unit];
    const std::vector<int>& layers = model.tiles[event.launch].layer_of_command[unit];
    const std::size_t length = layers.size() / model.phases;
    if (event.pc < body.first || event.pc > body.loop || event.pc >= length) continue;
    const int layer = layers[event.iteration % model.phases * length + event.pc];
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
  chip.core_awake(at - kBetweenLaunches + kAwakeBehindLaunch);
  if (!chip.run(start + kMaxCycles)) throw Error("a program waits for what never comes", "cycles");
  return {chip.end() + kBehindEnd - start, chip.take_events(), chip.refusals()};
}

CyclePrediction predict_cycles(const CompiledModel& model, const CycleQuestion& question) {
  CycleQuestion asked = question;
  if (!question.start) asked.inputs = std::min(question.inputs, kStream);
  const RequestCycles request = run_request(model, asked);
  const LayerSpans spans = spans_of(model, request);
  const std::size_t left_out = question.inputs > asked.inputs ? 1 : 0;  // it has no successor
  const auto steady = [&](std::size_t input) {
    return asked.inputs == 1 || (input > 0 && input + left_out < asked.inputs);
  };
  CyclePrediction prediction;
  prediction.spacing = spans.mean_spacing(steady);
  prediction.cycles =
      static_cast<double>(request.cycles) + (question.inputs - asked.inputs) * prediction.spacing;
  prediction.refusals = request.refusals;
  for (std::size_t layer = 0; layer < model.layers.size(); ++layer)
    prediction.layers.push_back(spans.mean_cycles(layer, steady));
  return prediction;
}

void predict_stream(CompiledModel& model, const std::string& dram) {
  const CyclePrediction stream = predict_cycles(model, {kStream + 1, dram, {}});
  model.spacing = stream.spacing;
  for (std::size_t layer = 0; layer < model.layers.size(); ++layer)
    model.layers[layer].predicted_cycles = static_cast<uint64_t>(std::lround(stream.layers[layer]));
}

void predict_latency(CompiledModel& model, const std::string& dram) {
  model.latency = static_cast<uint64_t>(predict_cycles(model, {1, dram, {}}).cycles);
}

timing::Cycle start_of_first_request(timing::Cycle loaded, std::size_t tiles) {
  return loaded + kToFirstRequest + kToFirstRequestPerTile * tiles;
}

}  // namespace systole::compile
