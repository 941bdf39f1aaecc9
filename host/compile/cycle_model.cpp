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
constexpr timing::Cycle kBehindEnd = 22;
constexpr timing::Cycle kAwakeBehindLaunch = 24;  // the core, behind the last launch
// And before: from the end of loading to the start of the first request.
constexpr timing::Cycle kToFirstRequest = 472;
constexpr timing::Cycle kToFirstRequestPerTile = 47;

constexpr timing::Cycle kMaxCycles = timing::Cycle{1} << 40;
/// Steps of a long stream that are run; two, when they have cost so much, or one.
constexpr unsigned kStream = 4;
constexpr uint64_t kEnoughWork = 1'000'000;
constexpr uint64_t kTooMuchWork = 2'000'000;
constexpr timing::Cycle kSlice = 2000;

/// Steps of the inputs: an iteration works on several at once.
unsigned steps_of(const CompiledModel& model, unsigned inputs) {
  return (inputs + model.inputs_at_once - 1) / model.inputs_at_once;
}

/// Records begin at multiples of the longest packet (host/driver/session.cpp).
uint32_t on_packets(uint32_t bytes) {
  return (bytes + spec::MaxPacketBytes - 1) / spec::MaxPacketBytes * spec::MaxPacketBytes;
}

/// The programs of a tile, launched for so many inputs.
timing::TileLaunch launch_of(const CompiledModel& model, const TileProgram& tile, unsigned inputs) {
  timing::TileLaunch launch;
  launch.x = tile.x;
  launch.y = tile.y;
  launch.iterations = (steps_of(model, inputs) + model.lag) * model.phases;
  std::copy(tile.fixed_param.begin(), tile.fixed_param.end(), launch.params.begin() + 4);
  launch.steps[0] = model.input_record * model.inputs_at_once / model.phases;
  launch.steps[1] = model.output_record * model.inputs_at_once / model.phases;
  launch.params[1] =
      on_packets((inputs + (1 + model.lag) * model.inputs_at_once) * model.input_record);
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
  LayerSpans spans(model);
  for (const timing::Event& event : request.events) {
    const TileProgram& tile = model.tiles[event.launch];
    spans.add({tile.x, tile.y, event.unit, event.pc, event.cycle, event.retired});
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
  /// Steps that every unit of every tile has left behind.
  unsigned steps_done() {
    const std::vector<timing::Event>& events = chip_.events();
    for (; seen_ < events.size(); ++seen_) {
      const timing::Event& event = events[seen_];
      if (!event.retired) continue;
      iterations_of_[event.launch][static_cast<std::size_t>(event.unit)] = event.iteration;
    }
    uint32_t least = ~0u;
    for (const auto& units : iterations_of_)
      least = std::min(least, *std::min_element(units.begin(), units.end()));
    const unsigned rounds = least / model_.phases;
    return rounds - std::min(rounds, model_.lag);
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
  if (!question.start) asked.inputs = std::min(question.inputs, kStream * model.inputs_at_once);
  const RequestCycles request = run_request(model, asked);
  const LayerSpans spans = spans_of(model, request);
  // Behind the last step comes no other: where it stands for more, it is left out.
  const bool more = question.inputs > asked.inputs;
  const unsigned counted = more ? asked.inputs - model.inputs_at_once : asked.inputs;
  CyclePrediction prediction;
  prediction.spacing = spans.stream(counted).spacing.value_or(0);
  prediction.cycles =
      static_cast<double>(request.cycles) + (question.inputs - asked.inputs) * prediction.spacing;
  prediction.refusals = request.refusals;
  prediction.layers = spans.mean(counted);
  return prediction;
}

namespace {

void set_layers(CompiledModel& model, const LayerSpans& spans, unsigned inputs) {
  const std::vector<double> means = spans.mean(inputs);
  for (std::size_t layer = 0; layer < means.size(); ++layer)
    model.layers[layer].predicted_cycles = static_cast<uint64_t>(std::lround(means[layer]));
}

}  // namespace

/// Runs kStream steps, or as many as the work that one plan may cost allows, at least one.
uint64_t predict_stream(CompiledModel& model, const std::string& dram, double bound) {
  Request request(model, {kStream * model.inputs_at_once, dram, {}});
  // A step that takes longer than so many cycles makes the plan a bad one.
  const double longest = bound * model.inputs_at_once;
  unsigned done = 0;
  bool ended = false;
  bool gives_up = false;
  double since = 0;  // the end of the first step
  while (!ended) {
    ended = request.run(kSlice);
    done = request.steps_done();
    if (ended || (done >= 2 && request.work() > kEnoughWork) ||
        (done >= 1 && request.work() > kTooMuchWork))
      break;
    if (done == 1) since += static_cast<double>(kSlice);
    gives_up = since > longest + kSlice;
    if (gives_up) break;
  }
  // Behind the last step of a stream comes no other: it is left out.
  const unsigned steps = ended ? kStream - 1 : done;
  const unsigned inputs = steps * model.inputs_at_once;
  const LayerSpans spans = spans_of(model, request.result());
  const StreamCycles stream = spans.stream(inputs);
  // Of one step alone, all that is known is what it took with the loading of weights.
  model.spacing =
      stream.spacing.value_or(static_cast<double>(stream.first_completed) / model.inputs_at_once);
  if (gives_up) model.spacing = std::max(model.spacing, bound);
  set_layers(model, spans, inputs);
  return request.work();
}

void predict_latency(CompiledModel& model, const std::string& dram) {
  model.latency = static_cast<uint64_t>(predict_cycles(model, {1, dram, {}}).cycles);
}

timing::Cycle start_of_first_request(timing::Cycle loaded, std::size_t tiles) {
  return loaded + kToFirstRequest + kToFirstRequestPerTile * tiles;
}

}  // namespace systole::compile
