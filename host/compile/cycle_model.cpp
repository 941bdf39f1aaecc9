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
/// Inputs of a long stream that are run; two, when they have cost so much, or one.
constexpr unsigned kStream = 4;
constexpr uint64_t kEnoughWork = 1'000'000;
constexpr uint64_t kTooMuchWork = 5'000'000;
constexpr timing::Cycle kSlice = 2000;

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

/// A request under way.
class Request {
 public:
  Request(const CompiledModel& model, const CycleQuestion& question)
      : model_(model), start_(question.start.value_or(0)), chip_(model.config, dram_of(question)) {
    for (const TileProgram& tile : model.tiles)
      launches_.push_back(launch_of(model, tile, question.inputs));
    timing::Cycle at = start_ + kToLaunch;
    for (const timing::TileLaunch& launch : launches_) {
      chip_.launch(launch, at + launch.x + launch.y);
      at += kBetweenLaunches;
    }
    chip_.core_awake(at - kBetweenLaunches + kAwakeBehindLaunch);
    iterations_of_.assign(launches_.size(), {});
  }

  /// Runs for so many cycles more; true when the request has ended. Throws Error when nothing can
  /// happen any more.
  bool run(timing::Cycle cycles) {
    until_ += cycles;
    if (chip_.run(start_ + until_)) return true;
    if (chip_.stuck()) throw Error("a program waits for what never comes", "cycle model");
    return false;
  }

  RequestCycles result() {
    return {chip_.end() + kBehindEnd - start_, chip_.take_events(), chip_.refusals()};
  }

  uint64_t work() const { return chip_.work(); }
  /// Inputs that every unit of every tile has left behind.
  unsigned inputs_done() {
    const std::vector<timing::Event>& events = chip_.events();
    for (; seen_ < events.size(); ++seen_) {
      const timing::Event& event = events[seen_];
      if (!event.retired) continue;
      iterations_of_[event.launch][static_cast<std::size_t>(event.unit)] = event.iteration;
    }
    uint32_t least = ~0u;
    for (const auto& units : iterations_of_)
      least = std::min(least, *std::min_element(units.begin(), units.end()));
    return least / model_.phases;
  }

 private:
  static timing::DramParameters dram_of(const CycleQuestion& question) {
    timing::DramParameters dram = timing::dram_parameters(question.dram);
    dram.spread_refresh = !question.start;
    return dram;
  }

  const CompiledModel& model_;
  timing::Cycle start_;
  timing::Cycle until_ = 0;
  timing::ChipTiming chip_;
  std::vector<timing::TileLaunch> launches_;
  std::vector<std::array<uint32_t, spec::NumUnits>> iterations_of_;  // that a unit is in
  std::size_t seen_ = 0;                                             // events
};

}  // namespace

RequestCycles run_request(const CompiledModel& model, const CycleQuestion& question) {
  Request request(model, question);
  while (!request.run(kMaxCycles)) {
  }
  return request.result();
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

/// Runs kStream inputs, or as many as the work that one search may cost allows, at least one.
void predict_stream(CompiledModel& model, const std::string& dram) {
  Request request(model, {kStream, dram, {}});
  unsigned done = 0;
  bool ended = false;
  while (!ended) {
    ended = request.run(kSlice);
    done = request.inputs_done();
    if (!ended && ((done >= 2 && request.work() > kEnoughWork) ||
                   (done >= 1 && request.work() > kTooMuchWork)))
      break;
  }
  // Of the last input of a stream, no other follows: it is left out.
  const unsigned last = ended ? kStream - 1 : done;
  const LayerSpans spans = spans_of(model, request.result());
  const auto steady = [&](std::size_t input) {
    return last == 1 ? input == 0 : input > 0 && input < last;
  };
  model.spacing = last == 1 ? static_cast<double>(spans.end(0)) : spans.mean_spacing(steady);
  for (std::size_t layer = 0; layer < model.layers.size(); ++layer) {
    model.layers[layer].predicted_cycles =
        static_cast<uint64_t>(std::lround(spans.mean_cycles(layer, steady)));
  }
}

void predict_latency(CompiledModel& model, const std::string& dram) {
  model.latency = static_cast<uint64_t>(predict_cycles(model, {1, dram, {}}).cycles);
}

timing::Cycle start_of_first_request(timing::Cycle loaded, std::size_t tiles) {
  return loaded + kToFirstRequest + kToFirstRequestPerTile * tiles;
}

}  // namespace systole::compile
