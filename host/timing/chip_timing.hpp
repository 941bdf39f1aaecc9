// The whole chip, cycle by cycle and without data: when each command begins and retires.
//
// It holds the registers of the RTL that decide about time, so its answers are those of the RTL
// where it starts from the same state. Left out: the control core (launches are given), data,
// faults. Cycles in which nothing moves are skipped.
#pragma once

#include <vector>

#include "host/driver/device.hpp"
#include "host/timing/memory_node.hpp"
#include "host/timing/network.hpp"
#include "host/timing/tile_timing.hpp"

namespace systole::timing {

class ChipTiming {
 public:
  ChipTiming(const ChipConfig& config, const DramParameters& dram);

  /// Starts the programs of a tile in a cycle not before those given so far. `launch` must outlive
  /// the run.
  void launch(const TileLaunch& launch, Cycle cycle);

  /// The control core keeps the io node awake until then.
  void core_awake(Cycle until) { memories_[0].timing.keep_awake(until); }

  /// Runs until all tiles have ended, or nothing can happen any more, or cycle `until`. True when
  /// all have ended.
  bool run(Cycle until);
  /// Nothing can happen any more.
  bool stuck() const { return running_ != 0 && next_cycle() == ~Cycle{0}; }

  /// In the order of their cycles, but for the matrix unit's retirements, which are told with the
  /// cycle before.
  std::vector<Event> take_events() { return std::move(events_); }
  /// When the io node hears of the last tile's end, without what the io node itself takes.
  Cycle end() const;
  uint64_t refusals() const;
  /// Cycles of tiles that were looked at: what the run has cost.
  uint64_t work() const { return work_; }
  const std::vector<Event>& events() const { return events_; }

 private:
  struct Tile {
    unsigned node;
    bool awake = false;
    bool running = false;
    TileTiming timing;
  };
  struct Memory {
    unsigned node;
    MemoryNode timing;
  };
  struct Launch {
    Cycle cycle;
    std::size_t tile;
    const TileLaunch* launch;
  };

  /// Column 0 is of memories.
  bool is_memory(unsigned node) const { return node % cols_ == 0; }
  Memory& memory_at(unsigned node) { return memories_[node / cols_]; }
  Tile& tile_at(unsigned node) { return tiles_[node - node / cols_ - 1]; }
  void cycle();
  void start_tiles();
  void show();
  void deliver_requests();
  void deliver_responses();
  Cycle next_cycle() const;

  unsigned cols_;
  Network requests_, responses_;
  std::vector<Tile> tiles_;
  std::vector<Memory> memories_;
  std::vector<Launch> launches_;
  std::size_t launched_ = 0;
  std::vector<Event> events_;
  Cycle now_ = 0;
  bool requests_move_ = false, responses_move_ = false;  // in this cycle
  std::vector<Cycle> joins_;  // when a tile's word that it has ended comes to the io node
  unsigned running_ = 0;
  uint64_t work_ = 0;
};

}  // namespace systole::timing
