// What a command reads and writes in its tile: the base of every ordering decision. Derived from
// the encoded command, so that no emitter can forget an operand.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <vector>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::compile {

/// [lo, hi).
struct Interval {
  int64_t lo = 0;
  int64_t hi = 0;
};

/// Sorted, disjoint intervals. One alone, as most have, needs no memory but this.
class Region {
 public:
  /// Nothing.
  Region() = default;
  explicit Region(Interval only) : bounds_(only) {}
  explicit Region(std::vector<Interval> pieces);

  const Interval& bounds() const { return bounds_; }
  const Interval* begin() const { return pieces_.empty() ? &bounds_ : pieces_.data(); }
  const Interval* end() const { return begin() + (pieces_.empty() ? 1 : pieces_.size()); }

 private:
  Interval bounds_{std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()};
  std::vector<Interval> pieces_;  // empty when there is one
};

/// One level of a strided nest.
struct Level {
  int64_t count = 1;
  int64_t stride = 0;
};

/// The bytes of runs of `run` bytes at base + every combination of the levels. Exact when that is
/// at most a few hundred pieces, else a superset.
Region region(int64_t base, int64_t run, std::initializer_list<Level> levels);

bool overlap(const Region& a, const Region& b);

/// Scratchpad bytes, one region an operand, and accumulator rows.
struct Access {
  static constexpr std::size_t kMaxReads = 5;

  void read(Region region) { reads[num_reads++] = std::move(region); }

  std::array<Region, kMaxReads> reads;
  std::size_t num_reads = 0;
  Region writes;
  Region acc_reads, acc_writes;
};

/// Of an encoded command; none for Nop, Loop and End. `own`: global address of the tile's
/// scratchpad, from which a load may read.
Access access_of(const spec::CommandWords& words, uint64_t own);

/// Whether the order of two commands matters: one writes what the other touches.
bool conflict(const Access& first, const Access& second);

}  // namespace systole::compile
