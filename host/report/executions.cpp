#include "host/report/executions.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace systole::report {

StateCounts operator-(const StateCounts& later, const StateCounts& earlier) {
  StateCounts difference{};
  for (std::size_t s = 0; s < difference.size(); ++s) difference[s] = later[s] - earlier[s];
  return difference;
}

uint64_t sum(const StateCounts& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint64_t{0});
}

// -----------------------------------------------------------------------------------------
// commands

void ExecutionTracker::add(const CommandEvent& event) {
  const UnitId id{event.node, event.unit};
  const ProgramMap::Program* program = map_.find(id);
  if (program == nullptr || event.pc >= program->length) return;
  Unit& unit = units_[id];
  if (event.retired) {
    retire(event, unit, *program);
  } else {
    unit.under_way.push_back({event.pc, event.cycle, event.states});
  }
}

void ExecutionTracker::retire(const CommandEvent& event, Unit& unit,
                              const ProgramMap::Program& program) {
  const std::size_t phase = unit.iteration % map_.phases();
  Execution execution;
  execution.id = next_id_++;
  execution.where = {event.node, event.unit};
  execution.phase = phase;
  execution.pc = event.pc;
  execution.header = spec::CommandHeader::decode(program.words(phase, event.pc));
  execution.layer = program.layer(phase, event.pc);
  const auto rounds = static_cast<int64_t>(unit.rounds + unit.iteration / map_.phases());
  execution.input =
      rounds * static_cast<int64_t>(map_.inputs_at_once()) + program.input(phase, event.pc);
  execution.end = event.cycle;
  if (execution.internal()) {
    fill_internal(unit, event, execution);
  } else {
    take_begin(unit, event, execution);
  }
  unit.fresh = false;
  unit.last_end = event.cycle;
  unit.last_states = event.states;
  step(unit, execution, program);
  sink_(execution);
}

void ExecutionTracker::take_begin(Unit& unit, const CommandEvent& event, Execution& execution) {
  Begun begun{event.pc, event.cycle, event.states};
  if (!unit.under_way.empty()) {
    begun = unit.under_way.front();
    unit.under_way.pop_front();
  }
  execution.taken = begun.cycle;
  const StateCounts last = unit.last_states.value_or(begun.states);
  const bool overlaps = unit.last_states && begun.cycle < unit.last_end;
  execution.begin = overlaps ? unit.last_end : begun.cycle;
  if (!overlaps) execution.before = begun.states - last;
  execution.during = event.states - (overlaps ? last : begun.states);
}

/// The unit takes no notice of it: what passes until it retires is its wait.
void ExecutionTracker::fill_internal(const Unit& unit, const CommandEvent& event,
                                     Execution& execution) {
  const StateCounts since = event.states - unit.last_states.value_or(event.states);
  execution.taken = event.cycle == 0 ? 0 : event.cycle - 1;
  execution.begin = unit.fresh ? execution.taken : unit.last_end;
  (unit.fresh ? execution.before : execution.during) = since;
}

void ExecutionTracker::step(Unit& unit, const Execution& execution,
                            const ProgramMap::Program& program) const {
  if (execution.pc == program.loop) ++unit.iteration;
  if (execution.header.opcode != spec::Opcode::End) return;
  unit.rounds += unit.iteration / map_.phases() - map_.lag();
  unit.iteration = 0;
  unit.fresh = true;
}

// ------------------------------------------------------------------------------------------- flows

void SemaphoreFlows::post(golden::Node node, unsigned semaphore, const Execution& producer) {
  Queues& queues = queues_[{node.x, node.y, semaphore}];
  if (queues.takes.empty()) {
    queues.posts.push_back(producer);
    return;
  }
  if (sink_) sink_(producer, queues.takes.front(), semaphore);
  queues.takes.pop_front();
}

std::optional<uint64_t> SemaphoreFlows::take(unsigned semaphore, const Execution& consumer) {
  const golden::Node node = consumer.where.node;
  Queues& queues = queues_[{node.x, node.y, semaphore}];
  if (queues.posts.empty()) {
    queues.takes.push_back(consumer);
    return std::nullopt;
  }
  const Execution producer = queues.posts.front();
  queues.posts.pop_front();
  if (sink_) sink_(producer, consumer, semaphore);
  return producer.end;
}

std::optional<unsigned> SemaphoreFlows::add(const Execution& execution) {
  std::optional<unsigned> last;
  uint64_t latest = 0;
  for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
    if ((execution.header.wait_mask >> s & 1) == 0) continue;
    const uint64_t end = take(s, execution).value_or(std::numeric_limits<uint64_t>::max());
    if (!last || end > latest) last = s, latest = end;
  }
  for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
    if ((execution.header.post_mask >> s & 1) != 0) post(execution.where.node, s, execution);
  }
  if (execution.header.remote_en) {
    post({execution.header.remote_x, execution.header.remote_y}, execution.header.remote_sem,
         execution);
  }
  return last;
}

}  // namespace systole::report
