#include "host/report/layer_cycles.hpp"

#include <iterator>

namespace systole::report {

void LayerCycles::add(const CommandEvent& event) {
  const UnitId id{event.node, event.unit};
  const ProgramMap::Program* program = map_.find(id);
  if (program == nullptr || event.pc >= program->length) return;
  auto& counts = count_[{id, event.pc}];
  const std::size_t iteration = event.retired ? counts.second++ : counts.first++;
  const std::size_t input = iteration / map_.phases();
  if (event.retired && event.pc + 1 == program->length) {  // End: all loops have been counted
    const auto loops = count_.find({id, program->loop});
    if (loops != count_.end()) first_.insert(loops->second.second / map_.phases());
  }
  const int layer = program->layer(iteration % map_.phases(), event.pc);
  if (layer < 0) return;
  spans_.add(static_cast<std::size_t>(layer), input, event.cycle, event.retired);
}

bool LayerCycles::steady(std::size_t input) const {
  const auto behind = first_.lower_bound(spans_.inputs());
  const auto firsts = static_cast<std::size_t>(std::distance(first_.begin(), behind));
  return first_.count(input) == 0 || firsts == spans_.inputs();
}

std::vector<double> LayerCycles::mean() const {
  std::vector<double> result;
  for (std::size_t layer = 0; layer < map_.num_layers(); ++layer)
    result.push_back(spans_.mean_cycles(layer, [this](std::size_t i) { return steady(i); }));
  return result;
}

double LayerCycles::mean_spacing() const {
  return spans_.mean_spacing([this](std::size_t i) { return first_.count(i) == 0; });
}

}  // namespace systole::report
