// A chip without RTL that runs compiled programs in made-up times: units wait for semaphores, take
// commands and retire them, and count their cycles. For tests of what is made of such events.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "host/driver/simulated_chip.hpp"
#include "host/report/program_map.hpp"

namespace systole::test {

class ToyChip : public SimulatedChip {
 public:
  explicit ToyChip(const compile::CompiledModel& model) : map_(model), config_(model.config) {
    for (unsigned y = 0; y < config_.num_rows; ++y) {
      for (unsigned x = 1; x < config_.num_cols; ++x) {
        counters_.tiles.push_back({});
        counters_.tiles.back().node = {x, y};
      }
    }
    add_links();
    counters_.channels.resize(config_.channels());
  }

  /// One launch of all tiles; false when it hangs.
  bool run(uint64_t inputs) {
    units_.clear();
    for (const auto& [id, program] : map_.programs()) units_[id];
    iterations_ = inputs * map_.phases();
    for (uint64_t idle = 0; idle < 1000; ++idle) {
      const bool all = std::all_of(units_.begin(), units_.end(),
                                   [](const auto& unit) { return unit.second.ended; });
      if (all) return true;
      if (step()) idle = 0;
    }
    return false;
  }

  /// Cycles in which nothing runs.
  void rest(uint64_t cycles) {
    for (TileCounters& tile : counters_.tiles) tile.clock_off += static_cast<uint32_t>(cycles);
    counters_.cycle += cycles;
  }

  bool observable() const override { return true; }
  void close_waves() override {}
  ChipCounters counters() const override { return counters_; }
  void observe(std::function<void(const CommandEvent&)> observer) override {
    observer_ = std::move(observer);
  }
  void sample(uint64_t cycles, std::function<void()> sampler) override {
    sample_cycles_ = cycles;
    sampler_ = std::move(sampler);
  }
  uint64_t cycles() const override { return counters_.cycle; }

  const ChipConfig& config() const override { return config_; }
  void write(Address, const void*, std::size_t) override {}
  void read(Address, void*, std::size_t) override {}
  uint8_t* host_memory() override { return nullptr; }
  std::size_t host_memory_bytes() const override { return 0; }
  bool wait_interrupt(uint64_t) override { return false; }
  bool needs_firmware() const override { return false; }
  const std::optional<golden::Mismatch>& mismatch() const override { return none_; }
  const std::optional<ChipFailure>& failure() const override { return no_failure_; }
  std::optional<uint64_t> watched_change() const override { return std::nullopt; }
  std::vector<uint8_t> watched() const override { return {}; }
  std::vector<uint8_t> scratchpad(golden::Node) const override { return {}; }
  std::vector<uint64_t> checkpoints() const override { return {}; }
  void save_checkpoint(uint64_t, const std::string&) const override {}
  ChipActivity activity() const override { return {}; }
  uint64_t unaccounted_cycles() const override { return 0; }
  std::optional<golden::Opinion> opinion(golden::Node, spec::Unit) const override { return {}; }
  uint64_t lockstep_commands() const override { return 0; }
  uint64_t lockstep_bytes() const override { return 0; }
  double simulation_seconds() const override { return 1; }
  std::string statistics() const override { return ""; }

 private:
  struct Unit {
    uint32_t pc = 0;
    uint64_t iteration = 0;
    unsigned left = 0;  // cycles of the command under way
    bool ended = false;
  };

  void add_links() {
    for (const auto network : {LinkCounters::Network::Request, LinkCounters::Network::Response}) {
      for (unsigned y = 0; y < config_.num_rows; ++y) {
        for (unsigned x = 0; x < config_.num_cols; ++x) {
          const auto add = [&](LinkCounters::Port port, bool there) {
            if (there) counters_.links.push_back({{x, y}, network, port, 0, 0});
          };
          add(LinkCounters::Port::North, y > 0);
          add(LinkCounters::Port::East, x + 1 < config_.num_cols);
          add(LinkCounters::Port::South, y + 1 < config_.num_rows);
          add(LinkCounters::Port::West, x > 0);
          add(LinkCounters::Port::Local, true);
        }
      }
    }
  }

  UnitCounters& counts(const report::UnitId& id) {
    const std::size_t tile = id.node.y * (config_.num_cols - 1) + id.node.x - 1;
    return counters_.tiles[tile].units[static_cast<std::size_t>(id.unit)];
  }
  unsigned& semaphore(golden::Node node, unsigned s) { return semaphores_[{node.x, node.y, s}]; }
  spec::CommandHeader header(const report::UnitId& id, const Unit& unit) const {
    return spec::CommandHeader::decode(
        map_.find(id)->words(unit.iteration % map_.phases(), unit.pc));
  }
  void tell(const report::UnitId& id, uint32_t pc, bool retired) {
    if (observer_)
      observer_(
          {id.node, id.unit, pc, counters_.cycle + (retired ? 1 : 0), retired, counts(id).states});
  }

  bool step() {
    bool progress = false;
    std::vector<report::UnitId> retiring;
    for (auto& [id, unit] : units_) progress |= step(id, unit, retiring);
    for (const report::UnitId& id : retiring) retire(id, units_[id]);
    count_transfers();
    ++counters_.cycle;
    if (sampler_ && counters_.cycle % sample_cycles_ == 0) sampler_();
    return progress;
  }

  bool step(const report::UnitId& id, Unit& unit, std::vector<report::UnitId>& retiring) {
    auto& states = counts(id).states;
    const auto count = [&](spec::UnitState s) { ++states[static_cast<std::size_t>(s)]; };
    if (unit.ended) return count(spec::UnitState::NoWork), false;
    if (unit.left == 0 && !start(id, unit)) return count(spec::UnitState::WaitSemaphore), false;
    count(spec::UnitState::Busy);
    if (--unit.left == 0) retiring.push_back(id);
    return true;
  }

  bool start(const report::UnitId& id, Unit& unit) {
    const auto h = header(id, unit);
    for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
      if ((h.wait_mask >> s & 1) == 0 || semaphore(id.node, s) > 0) continue;
      ++counts(id).waits[s];
      return false;
    }
    for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
      if ((h.wait_mask >> s & 1) != 0) --semaphore(id.node, s);
    }
    const bool internal = report::is_internal(h.opcode);
    unit.left = internal ? 1 : 3 + unit.pc % 7;
    if (!internal) tell(id, unit.pc, false);
    return true;
  }

  void retire(const report::UnitId& id, Unit& unit) {
    const auto h = header(id, unit);
    tell(id, unit.pc, true);
    for (unsigned s = 0; s < spec::NumSemaphores; ++s) {
      if ((h.post_mask >> s & 1) != 0) ++semaphore(id.node, s);
    }
    if (h.remote_en) ++semaphore({h.remote_x, h.remote_y}, h.remote_sem);
    if (h.opcode == spec::Opcode::End) unit.ended = true;
    const auto& program = *map_.find(id);
    if (unit.pc == program.loop && ++unit.iteration < iterations_) {
      unit.pc = program.body;
    } else {
      ++unit.pc;
    }
  }

  /// Something for the links and the channels to have counted.
  void count_transfers() {
    for (std::size_t i = 0; i < counters_.links.size(); ++i) {
      if (counters_.cycle % (i + 2) == 0) ++counters_.links[i].flits;
      if (counters_.cycle % (3 * i + 7) == 0) ++counters_.links[i].stalls;
    }
    for (DramChannelCounters& channel : counters_.channels) {
      if (counters_.cycle % 3 == 0) ++channel.read_beats, ++channel.row_hits;
      if (counters_.cycle % 9 == 0) ++channel.write_beats, ++channel.row_conflicts;
      if (counters_.cycle % 3 == 0) channel.bus_busy_cycles += 1;
    }
  }

  report::ProgramMap map_;
  ChipConfig config_;
  ChipCounters counters_;
  std::map<report::UnitId, Unit> units_;
  std::map<std::tuple<unsigned, unsigned, unsigned>, unsigned> semaphores_;
  uint64_t iterations_ = 0;
  uint64_t sample_cycles_ = 0;
  std::function<void(const CommandEvent&)> observer_;
  std::function<void()> sampler_;
  std::optional<golden::Mismatch> none_;
  std::optional<ChipFailure> no_failure_;
};

}  // namespace systole::test
