#include "host/compile/layer_spans.hpp"

#include <algorithm>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::compile {
namespace {

/// Where a unit's Loop stands, and where it leads; none without one.
std::optional<std::pair<uint32_t, uint32_t>> loop_of(const TileProgram& tile, std::size_t unit) {
  const auto commands = commands_of(tile, static_cast<spec::Unit>(unit));
  for (uint32_t pc = 0; pc < commands.size(); ++pc) {
    if (spec::CommandHeader::decode(commands[pc]).opcode == spec::Opcode::Loop)
      return std::make_pair(pc, uint32_t{spec::LoopCommand::decode(commands[pc]).target});
  }
  return std::nullopt;
}

}  // namespace

LayerSpans::LayerSpans(const CompiledModel& model)
    : phases_(model.phases),
      inputs_at_once_(model.inputs_at_once),
      lag_(model.lag),
      spans_(model.layers.size()) {
  for (const TileProgram& tile : model.tiles) {
    for (std::size_t unit = 0; unit < tile.layer_of_command.size(); ++unit) {
      UnitLayers layers;
      layers.layers = tile.layer_of_command[unit];
      layers.inputs = tile.input_of_command[unit];
      layers.inputs.resize(layers.layers.size(), 0);
      layers.counts.resize(layers.layers.size() / phases_);
      layers.loop = static_cast<uint32_t>(layers.counts.size());
      if (const auto loop = loop_of(tile, unit)) std::tie(layers.loop, layers.body) = *loop;
      units_[{tile.x, tile.y, unit}] = std::move(layers);
    }
  }
}

void LayerSpans::add(const Happening& happening) {
  const auto found =
      units_.find({happening.x, happening.y, static_cast<std::size_t>(happening.unit)});
  if (found == units_.end() || happening.pc >= found->second.counts.size()) return;
  UnitLayers& unit = found->second;
  // The end of a launch: of its iterations, the last ones brought no input.
  if (happening.retired && happening.pc + 1 == unit.counts.size() &&
      unit.loop < unit.counts.size()) {
    unit.rounds += unit.counts[unit.loop].second / phases_ - lag_;
    std::fill(unit.counts.begin(), unit.counts.end(), std::make_pair(0, 0));
    return;
  }
  auto& counts = unit.counts[happening.pc];
  add(happening, unit, happening.retired ? counts.second++ : counts.first++);
}

void LayerSpans::add(const Happening& happening, const UnitLayers& unit, std::size_t iteration) {
  if (happening.pc < unit.body) return;
  const std::size_t at = iteration % phases_ * unit.counts.size() + happening.pc;
  if (unit.layers[at] < 0) return;
  const auto round = static_cast<int64_t>(unit.rounds + iteration / phases_);
  const int64_t number = round * static_cast<int64_t>(inputs_at_once_) + unit.inputs[at];
  if (number < 0) return;
  const auto input = static_cast<std::size_t>(number);
  std::vector<Span>& spans = spans_[static_cast<std::size_t>(unit.layers[at])];
  if (spans.size() <= input) spans.resize(input + 1);
  Span& span = spans[input];
  if (happening.retired) {
    span.end = std::max(span.end, happening.cycle);
  } else {
    span.begin = std::min(span.begin, happening.cycle);
  }
}

std::vector<double> LayerSpans::mean(std::size_t inputs) const {
  std::vector<double> result;
  for (const std::vector<Span>& spans : spans_) {
    double sum = 0;
    std::size_t ran = 0;
    for (std::size_t i = 0; i < std::min(inputs, spans.size()); ++i) {
      if (spans[i].end < spans[i].begin) continue;
      sum += static_cast<double>(spans[i].end - spans[i].begin);
      ++ran;
    }
    result.push_back(ran == 0 ? 0 : sum / static_cast<double>(ran));
  }
  return result;
}

StreamCycles LayerSpans::stream(std::size_t count) const {
  std::vector<Span> inputs;
  for (const std::vector<Span>& spans : spans_) {
    inputs.resize(std::max(inputs.size(), spans.size()));
    for (std::size_t i = 0; i < spans.size(); ++i) {
      inputs[i].begin = std::min(inputs[i].begin, spans[i].begin);
      inputs[i].end = std::max(inputs[i].end, spans[i].end);
    }
  }
  inputs.resize(std::min(inputs.size(), count));
  StreamCycles result;
  if (inputs.empty()) return result;
  uint64_t last = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    last = std::max(last, inputs[i].end);
    if (i < inputs_at_once_) result.first_completed = last;
    result.latency += static_cast<double>(inputs[i].end - std::min(inputs[i].begin, inputs[i].end));
  }
  result.latency /= static_cast<double>(inputs.size());
  if (inputs.size() > inputs_at_once_) {
    result.spacing = static_cast<double>(last - result.first_completed) /
                     static_cast<double>(inputs.size() - inputs_at_once_);
  }
  return result;
}

}  // namespace systole::compile
