// What the chip's counters say, read in one cycle: where every cycle of every unit went, what every
// link of the mesh carried, what every DRAM channel did.
//
// All count from reset and wrap at 2^32, as the registers do; two readings differ by what happened
// between them. Units, states and semaphores are those of rtl/spec.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "host/golden/machine.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole {

/// One of a unit's cycles lies in exactly one state: with the tile's clock_off they add up to the
/// cycles since reset.
using StateCounts = std::array<uint32_t, spec::NumUnitStates>;

struct UnitCounters {
  StateCounts states{};
  /// Cycles of the state WaitSemaphore, by the semaphore waited for (the lowest one missing).
  std::array<uint32_t, spec::NumSemaphores> waits{};
};

struct TileCounters {
  golden::Node node;
  std::array<UnitCounters, spec::NumUnits> units;
  uint32_t clock_off = 0;  // cycles in which the tile's clock stood still
  uint32_t scratchpad_grants = 0;
  uint32_t scratchpad_refusals = 0;
};

/// One output port of one router.
struct LinkCounters {
  enum class Network : uint8_t { Request, Response };
  enum class Port : uint8_t { North, East, South, West, Local };  // as in noc_pkg
  golden::Node from;
  Network network = Network::Request;
  Port port = Port::Local;
  uint32_t flits = 0;   // of 32 bytes
  uint32_t stalls = 0;  // cycles in which a flit was offered and not taken
};

/// One channel's, from the memory model; 64-bit, as it is no register.
struct DramChannelCounters {
  uint64_t read_beats = 0;  // of 32 bytes at the pins
  uint64_t write_beats = 0;
  uint64_t row_hits = 0;
  uint64_t row_misses = 0;
  uint64_t row_conflicts = 0;
  uint64_t refreshes = 0;
  uint64_t bus_busy_cycles = 0;
};

struct ChipCounters {
  uint64_t cycle = 0;               // of the io node's cycle counter
  std::vector<TileCounters> tiles;  // none, nor links, in a build without counters
  std::vector<LinkCounters> links;  // that lead to a neighbour or a node's own port
  std::vector<DramChannelCounters> channels;
};

/// What is wrong with the accounts, in cycles: by how much the states of each unit and its tile's
/// clock_off miss the cycle counter, and its waits its WaitSemaphore. 0 when every cycle of every
/// unit lies in exactly one state.
uint64_t unaccounted_cycles(const ChipCounters& counters);

/// Throws Error naming the first unit whose accounts are wrong: tile, unit, expected, got.
void check_accounts(const ChipCounters& counters);

}  // namespace systole
