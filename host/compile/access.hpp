// What a command reads and writes in its tile: the base of every ordering decision. Derived from
// the encoded command, so that no emitter can forget an operand.
#pragma once

#include <cstdint>
#include <vector>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::compile {

/// [lo, hi).
struct Interval {
  int64_t lo = 0;
  int64_t hi = 0;
};

/// Sorted, disjoint intervals.
using Region = std::vector<Interval>;

/// One level of a strided nest.
struct Level {
  int64_t count = 1;
  int64_t stride = 0;
};

/// The bytes of runs of `run` bytes at base + every combination of the levels. Exact when that is
/// at most a few hundred pieces, else a superset.
Region region(int64_t base, int64_t run, std::vector<Level> levels);

bool overlap(const Region& a, const Region& b);

/// Scratchpad bytes and accumulator rows.
struct Access {
  std::vector<Region> reads, writes;
  std::vector<Region> acc_reads, acc_writes;
};

/// Of an encoded command; none for Nop, Loop and End. `own`: global address of the tile's
/// scratchpad, from which a load may read.
Access access_of(const spec::CommandWords& words, uint64_t own);

/// Whether the order of two commands matters: one writes what the other touches.
bool conflict(const Access& first, const Access& second);

}  // namespace systole::compile
