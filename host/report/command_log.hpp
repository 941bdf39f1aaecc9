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
      Count& count = unit.counts[event.pc];
      ++count.retired;
      count.last = event.cycle;
      unit.retired = event.pc;
      if (!unit.begun.empty()) unit.last_begin = unit.begun.front().cycle;
      if (!unit.begun.empty()) unit.begun.pop_front();
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

  /// When the command that the unit retired last, or retires next, began.
  std::optional<uint64_t> begin_of_last(golden::Node node, spec::Unit unit) const {
    const auto found = units_.find(key(node, unit));
    return found == units_.end() ? std::nullopt : found->second.last_begin;
  }
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

  /// How often a command has retired, and when last.
  struct Count {
    uint64_t retired = 0;
    uint64_t last = 0;
  };
  Count count(golden::Node node, spec::Unit unit, uint32_t pc) const {
    const auto found = units_.find(key(node, unit));
    if (found == units_.end()) return {};
    const auto command = found->second.counts.find(pc);
    return command == found->second.counts.end() ? Count{} : command->second;
  }

 private:
  using Key = std::tuple<unsigned, unsigned, unsigned>;
  static Key key(golden::Node node, spec::Unit unit) {
    return {node.x, node.y, static_cast<unsigned>(unit)};
  }

  struct Unit {
    std::optional<uint32_t> retired;
    std::optional<uint64_t> last_begin;
    std::deque<Begun> begun;
    std::map<uint32_t, Count> counts;
  };
  std::map<Key, Unit> units_;
  std::optional<uint64_t> last_event_;
};

}  // namespace systole::report
