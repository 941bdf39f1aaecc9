// Where every unit of every tile is in its program: what an explanation of a failure starts from.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <tuple>
#include <vector>

#include "host/driver/simulated_chip.hpp"

namespace systole::report {

/// Feed it every event.
class CommandLog {
 public:
  void add(const CommandEvent& event) {
    last_event_ = event.cycle;
    Unit& unit = units_[key(event.node, event.unit)];
    if (event.retired) {
      if (unit.counts.size() <= event.pc) unit.counts.resize(event.pc + 1);
      Count& count = unit.counts[event.pc];
      ++count.retired;
      count.last = event.cycle;
      count.begin.reset();
      unit.retired = event.pc;
      // End, Nop and Loop retire, and never began.
      if (!unit.begun.empty() && unit.begun.front().pc == event.pc) {
        count.begin = unit.begun.front().cycle;
        unit.begun.pop_front();
      }
    } else {
      unit.begun.push_back({event.pc, event.cycle});
    }
  }

  /// The last cycle in which a command of any unit began or retired.
  std::optional<uint64_t> last_event() const { return last_event_; }

  /// The command that the unit retired last.
  std::optional<uint32_t> last_retired(golden::Node node, spec::Unit unit) const {
    const auto found = units_.find(key(node, unit));
    return found == units_.end() ? std::nullopt : found->second.retired;
  }

  /// When the command that the unit retires next began.
  std::optional<uint64_t> begin_of_next(golden::Node node, spec::Unit unit) const {
    const auto found = units_.find(key(node, unit));
    if (found == units_.end() || found->second.begun.empty()) return std::nullopt;
    return found->second.begun.front().cycle;
  }

  /// A command that is under way.
  struct Begun {
    uint32_t pc = 0;
    uint64_t cycle = 0;
  };
  /// Those of a unit, oldest first.
  std::vector<Begun> under_way(golden::Node node, spec::Unit unit) const {
    const auto found = units_.find(key(node, unit));
    if (found == units_.end()) return {};
    return {found->second.begun.begin(), found->second.begun.end()};
  }

  /// How often a command has retired, and when it did last and had begun.
  struct Count {
    uint64_t retired = 0;
    uint64_t last = 0;
    std::optional<uint64_t> begin;
  };
  Count count(golden::Node node, spec::Unit unit, uint32_t pc) const {
    const auto found = units_.find(key(node, unit));
    if (found == units_.end() || pc >= found->second.counts.size()) return {};
    return found->second.counts[pc];
  }

 private:
  using Key = std::tuple<unsigned, unsigned, unsigned>;
  static Key key(golden::Node node, spec::Unit unit) {
    return {node.x, node.y, static_cast<unsigned>(unit)};
  }

  struct Unit {
    std::optional<uint32_t> retired;
    std::deque<Begun> begun;
    std::vector<Count> counts;  // by pc
  };
  std::map<Key, Unit> units_;
  std::optional<uint64_t> last_event_;
};

}  // namespace systole::report
