// From the events of a chip's units to the commands that they ran: which command of which layer,
// from when to when, what the unit did meanwhile, and whose post each of its waits was for.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "host/driver/chip_counters.hpp"
#include "host/driver/simulated_chip.hpp"
#include "host/report/program_map.hpp"

namespace systole::report {

/// One run of one command. Cycles of a unit are told apart by its retirements, so that those of all
/// its commands together are all that there were, each once.
struct Execution {
  std::size_t id = 0;  // counts retirements
  UnitId where;
  std::size_t phase = 0;
  uint32_t pc = 0;
  spec::CommandHeader header;
  int layer = -1;
  int64_t input = 0;     // which inference since the recording began; negative: before the first
  uint64_t taken = 0;    // cycle in which the unit took the command, perhaps before `begin`
  uint64_t begin = 0;    // from when on it is the oldest command of its unit
  uint64_t end = 0;      // its retirement
  StateCounts before{};  // the unit's cycles between the last retirement and `begin`, by state
  StateCounts during{};  // and from there to `end`

  bool internal() const { return is_internal(header.opcode); }
  uint32_t cycles(spec::UnitState state) const {
    const auto s = static_cast<std::size_t>(state);
    return before[s] + during[s];
  }
};

StateCounts operator-(const StateCounts& later, const StateCounts& earlier);
uint64_t sum(const StateCounts& counts);

/// Feed it every event since before the first launch, in order.
class ExecutionTracker {
 public:
  ExecutionTracker(const ProgramMap& map, std::function<void(const Execution&)> sink)
      : map_(map), sink_(std::move(sink)) {}

  void add(const CommandEvent& event);

 private:
  struct Begun {
    uint32_t pc;
    uint64_t cycle;
    StateCounts states;
  };
  struct Unit {
    std::deque<Begun> under_way;
    uint64_t iteration = 0;  // of this launch
    uint64_t rounds = 0;     // of phases() iterations, of the launches before
    bool fresh = true;       // nothing has retired in this launch
    uint64_t last_end = 0;
    std::optional<StateCounts> last_states;
  };

  void retire(const CommandEvent& event, Unit& unit, const ProgramMap::Program& program);
  static void take_begin(Unit& unit, const CommandEvent& event, Execution& execution);
  static void fill_internal(const Unit& unit, const CommandEvent& event, Execution& execution);
  void step(Unit& unit, const Execution& execution, const ProgramMap::Program& program) const;

  const ProgramMap& map_;
  std::function<void(const Execution&)> sink_;
  std::map<UnitId, Unit> units_;
  std::size_t next_id_ = 0;
};

/// Semaphores count, so the n-th post feeds the n-th take. Posts and takes are put in the order of
/// the commands' retirements: exact where one unit posts and one takes, as in all compiled programs
/// but for barriers between tiles.
class SemaphoreFlows {
 public:
  using Sink =
      std::function<void(const Execution& producer, const Execution& consumer, unsigned semaphore)>;
  explicit SemaphoreFlows(Sink sink = {}) : sink_(std::move(sink)) {}

  /// Returns the semaphore that the command waited for longest: whose post came last.
  std::optional<unsigned> add(const Execution& execution);

 private:
  struct Queues {
    std::deque<Execution> posts;
    std::deque<Execution> takes;  // whose producer has not retired: its post travelled with data
  };
  void post(golden::Node node, unsigned semaphore, const Execution& producer);
  /// The producer's end; none when it has not retired.
  std::optional<uint64_t> take(unsigned semaphore, const Execution& consumer);

  Sink sink_;
  std::map<std::tuple<unsigned, unsigned, unsigned>, Queues> queues_;  // x, y, semaphore
};

}  // namespace systole::report
