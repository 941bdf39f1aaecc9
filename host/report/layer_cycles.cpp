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
    : phases_(model.phases), spans_(model.layers.size()) {
  for (const compile::TileProgram& tile : model.tiles) {
    for (std::size_t unit = 0; unit < tile.layer_of_command.size(); ++unit) {
      units_[{tile.x, tile.y, unit}] = {tile.layer_of_command[unit], body_of(tile, unit), {}};
    }
  }
}

int LayerCycles::layer_of(const UnitLayers& unit, uint32_t pc, std::size_t phase) const {
  const std::size_t length = unit.layers.size() / phases_;
  if (pc < unit.body || pc >= length) return -1;
  return unit.layers[phase * length + pc];
}

void LayerCycles::add(const CommandEvent& event) {
  const auto found =
      units_.find({event.node.x, event.node.y, static_cast<std::size_t>(event.unit)});
  if (found == units_.end()) return;
  UnitLayers& unit = found->second;
  if (unit.counts.size() <= event.pc) unit.counts.resize(event.pc + 1);
  auto& count = unit.counts[event.pc];
  const std::size_t iteration = event.retired ? count.second++ : count.first++;
  const std::size_t input = iteration / phases_;
  const int layer = layer_of(unit, event.pc, iteration % phases_);
  if (layer < 0) return;
  std::vector<Span>& spans = spans_[static_cast<std::size_t>(layer)];
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

}  // namespace systole::report
