// A compute tile, cycle by cycle: sequencers, units, scratchpad and network interface together.
#pragma once

#include <array>
#include <vector>

#include "host/timing/dma_timing.hpp"
#include "host/timing/matrix_timing.hpp"
#include "host/timing/sequencer.hpp"
#include "host/timing/tile_port.hpp"
#include "host/timing/vector_timing.hpp"

namespace systole::timing {

/// What the chip's trace tells of a command (host/driver/simulated_chip.hpp).
struct Event {
  unsigned launch = 0;  // which of those of the chip
  spec::Unit unit{};
  uint32_t pc = 0;
  uint32_t iteration = 0;
  Cycle cycle = 0;
  bool retired = false;  // else a unit took it
};

class TileTiming {
 public:
  /// Nodes are counted row by row, `cols` of them a row.
  TileTiming(unsigned node, unsigned cols);

  /// `number` goes into the events.
  void launch(const TileLaunch& launch, unsigned number);
  /// True when anything changed, so that there may be something to do in the next cycle.
  bool step(Cycle cycle, std::vector<Event>& events);
  /// All programs have ended, and all that they wrote has been answered.
  bool ended() const;

  TileRequester& requester() { return requester_; }
  TileTarget& target() { return target_; }
  uint64_t refusals() const { return scratchpad_.refusals(); }

 private:
  static constexpr auto kLoad = static_cast<std::size_t>(spec::Unit::Load);
  static constexpr auto kMatrix = static_cast<std::size_t>(spec::Unit::Matrix);
  static constexpr auto kVector = static_cast<std::size_t>(spec::Unit::Vector);
  static constexpr auto kStore = static_cast<std::size_t>(spec::Unit::Store);

  /// Sets of units, a bit each.
  using Units = unsigned;
  static bool has(Units units, std::size_t unit) { return (units >> unit & 1) != 0; }

  unsigned node_of(uint64_t address) const;
  void ask(Cycle cycle);
  void ask_fetch();
  TileRequester::Pick send();
  Units done(Cycle cycle) const;
  Units ready(bool load_fires) const;
  void run_sequencers(Cycle cycle, Units due, Units done, std::vector<Event>& events);
  void hand_over(std::size_t unit, Cycle cycle);
  bool load_fill_ends(uint32_t granted) const;
  bool step_dma(uint32_t granted, TileRequester::Pick pick);
  bool step_units(Cycle cycle, uint32_t granted, TileRequester::Pick pick);
  Units step_sequencers(Units due, Units done, uint32_t granted, TileRequester::Pick pick);

  unsigned number_ = 0, node_, cols_;
  std::array<Sequencer, spec::NumUnits> sequencers_;
  Semaphores semaphores_;
  Scratchpad scratchpad_;
  LoadTiming load_;
  MatrixTiming matrix_;
  VectorTiming vector_;
  StoreTiming store_;
  TileRequester requester_;
  TileTarget target_;
  unsigned fetch_behind_ = 0;  // sequencers behind the one that fetched last
  int fetching_ = -1;          // whose turn it is to fetch
  int post_unit_ = -1;         // whose remote post is sent in this cycle
  bool matrix_reads_ = false;  // it reads the half of which the vector unit wants a row
  bool done_posted_ = false;   // of the store unit's command that is done in this cycle
  // Sequencers that something may have changed for since they last had nothing to do.
  Units due_ = 0;
  Units ready_ = 0;
  Units taking_ = 0;  // units that take a command in this cycle
};

}  // namespace systole::timing
