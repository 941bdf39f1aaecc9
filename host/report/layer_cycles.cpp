#include "host/report/layer_cycles.hpp"

#include <algorithm>

namespace systole::report {

LayerCycles::LayerCycles(const compile::CompiledModel& model)
    : model_(model), spans_(model.layers.size()) {}

int LayerCycles::layer_of(const CommandEvent& event) const {
  for (const compile::TileProgram& tile : model_.tiles) {
    if (tile.x != event.node.x || tile.y != event.node.y) continue;
    const std::vector<int>& layers = tile.layer_of_command[static_cast<std::size_t>(event.unit)];
    return event.pc < layers.size() ? layers[event.pc] : -1;
  }
  return -1;
}

void LayerCycles::add(const CommandEvent& event) {
  const int layer = layer_of(event);
  if (layer < 0) return;
  auto& counts = count_[{event.node.x, event.node.y, static_cast<unsigned>(event.unit), event.pc}];
  const std::size_t input = event.retired ? counts.second++ : counts.first++;
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
