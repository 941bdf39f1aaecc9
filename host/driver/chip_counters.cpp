#include "host/driver/chip_counters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "host/command/error.hpp"

namespace systole {
namespace {

/// Of two readings that wrap at 2^32.
uint32_t distance(uint32_t a, uint32_t b) { return std::min(a - b, b - a); }

template <std::size_t Size>
uint32_t sum(const std::array<uint32_t, Size>& counts) {
  return std::accumulate(counts.begin(), counts.end(), uint32_t{0});
}

/// One unit's accounts: two sums, and what each must be.
struct Account {
  uint32_t cycles, all_cycles;
  uint32_t waits, all_waits;

  Account(const UnitCounters& unit, const TileCounters& tile, uint64_t cycle)
      : cycles(sum(unit.states) + tile.clock_off),
        all_cycles(static_cast<uint32_t>(cycle)),
        waits(sum(unit.waits)),
        all_waits(unit.states[static_cast<std::size_t>(spec::UnitState::WaitSemaphore)]) {}

  uint64_t difference() const {
    return uint64_t{distance(cycles, all_cycles)} + distance(waits, all_waits);
  }
};

}  // namespace

uint64_t unaccounted_cycles(const ChipCounters& counters) {
  uint64_t total = 0;
  for (const TileCounters& tile : counters.tiles) {
    for (const UnitCounters& unit : tile.units) {
      total += Account(unit, tile, counters.cycle).difference();
    }
  }
  return total;
}

void check_accounts(const ChipCounters& counters) {
  for (const TileCounters& tile : counters.tiles) {
    for (std::size_t u = 0; u < tile.units.size(); ++u) {
      const Account account(tile.units[u], tile, counters.cycle);
      if (account.difference() == 0) continue;
      const bool states = account.cycles != account.all_cycles;
      throw Error(states ? "cycles unaccounted for: states and clock off do not add up"
                         : "cycles unaccounted for: waits by semaphore are not those of the state",
                  fmt::format("cycle {}: tile ({}, {}) {}", counters.cycle, tile.node.x,
                              tile.node.y, spec::to_string(static_cast<spec::Unit>(u))),
                  fmt::format("{}", states ? account.all_cycles : account.all_waits),
                  fmt::format("{}", states ? account.cycles : account.waits));
    }
  }
}

}  // namespace systole
