#include "host/report/layer_cycles.hpp"

#include <algorithm>
#include <cstring>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::report {
namespace {

/// The first command of a unit's body: where its Loop leads; 0 without one.
uint32_t body_of(const compile::TileProgram& tile, std::size_t unit) {
  for (std::size_t at = tile.program[unit] - tile.local;
       at + spec::CommandBytes <= tile.image.size(); at += spec::CommandBytes) {
    spec::CommandWords words;
    std::memcpy(words.data(), tile.image.data() + at, spec::CommandBytes);
    const auto opcode = spec::CommandHeader::decode(words).opcode;
    if (opcode == spec::Opcode::Loop) return spec::LoopCommand::decode(words).target;
    if (opcode == spec::Opcode::End) break;
  }
  return 0;
}

}  // namespace

LayerCycles::LayerCycles(const compile::CompiledModel& model)
    : phases_(model.phases), inputs_at_once_(model.inputs_at_once), spans_(model.layers.size()) {
  for (const compile::TileProgram& tile : model.tiles) {
    for (std::size_t unit = 0; unit < tile.layer_of_command.size(); ++unit) {
      UnitLayers& layers = units_[{tile.x, tile.y, unit}];
      layers = {tile.layer_of_command[unit], tile.input_of_command[unit], body_of(tile, unit)};
      layers.inputs.resize(layers.layers.size(), 0);
    }
  }
}

void LayerCycles::add(const CommandEvent& event) {
  auto& counts = count_[{event.node.x, event.node.y, static_cast<unsigned>(event.unit), event.pc}];
  add(event, event.retired ? counts.second++ : counts.first++);
}

void LayerCycles::add(const CommandEvent& event, std::size_t iteration) {
  const auto found =
      units_.find({event.node.x, event.node.y, static_cast<std::size_t>(event.unit)});
  if (found == units_.end()) return;
  const UnitLayers& unit = found->second;
  const std::size_t length = unit.layers.size() / phases_;
  if (event.pc < unit.body || event.pc >= length) return;
  const std::size_t at = iteration % phases_ * length + event.pc;
  if (unit.layers[at] < 0) return;
  const std::size_t input = iteration / phases_ * inputs_at_once_ + unit.inputs[at];
  std::vector<Span>& spans = spans_[static_cast<std::size_t>(unit.layers[at])];
  if (spans.size() <= input) spans.resize(input + 1);
  Span& span = spans[input];
  if (event.retired) {
    span.end = std::max(span.end, event.cycle);
  } else {
    span.begin = std::min(span.begin, event.cycle);
  }
}

std::vector<double> LayerCycles::mean() const {
  std::vector<double> result;
  for (const std::vector<Span>& spans : spans_) {
    double sum = 0;
    std::size_t inputs = 0;
    for (const Span& span : spans) {
      if (span.end < span.begin) continue;
      sum += static_cast<double>(span.end - span.begin);
      ++inputs;
    }
    result.push_back(inputs == 0 ? 0 : sum / static_cast<double>(inputs));
  }
  return result;
}

StreamCycles LayerCycles::stream() const {
  std::vector<Span> inputs;
  for (const std::vector<Span>& spans : spans_) {
    inputs.resize(std::max(inputs.size(), spans.size()));
    for (std::size_t i = 0; i < spans.size(); ++i) {
      inputs[i].begin = std::min(inputs[i].begin, spans[i].begin);
      inputs[i].end = std::max(inputs[i].end, spans[i].end);
    }
  }
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

}  // namespace systole::report
