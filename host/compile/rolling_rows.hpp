// Rows that roll through a tile's memory while groups of weights come round and round.
//
// The rows are chunks, a chunk is parts, and each part has its slot in memory. A step is one group
// and all parts that are there. A part stays for a sweep, as many steps as there are groups,
// whichever comes first; then its slot is empty for a step, and the part of the next chunk takes
// it. The parts enter one step after the other, so that there are always rows to work with while
// others come, at the start as well.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace systole::compile {

class RollingRows {
 public:
  struct Plan {
    int64_t chunks = 1;
    int64_t slots = 0;  // 0: rows don't roll; otherwise 2 or more, and no more than a sweep's steps
    explicit operator bool() const { return slots > 0; }
  };
  /// A chunk's part.
  struct Part {
    int64_t slot = 0;
    int64_t enters = 0, leaves = 0;  // its first step, and the one behind its last
    int64_t place = 0;               // its first row in memory, of those of all slots
    int64_t row = 0, rows = 0;       // its rows
  };

  /// At least as many rows as all chunks have slots.
  RollingRows(int64_t rows, const Plan& plan, int64_t sweep)
      : rows_(rows), plan_(plan), sweep_(sweep) {}

  int64_t steps() const { return (plan_.chunks - 1) * round() + plan_.slots - 1 + sweep_; }
  /// Rows that memory has room for.
  int64_t held() const { return (rows_ + plan_.chunks - 1) / plan_.chunks; }
  /// Those that a step uses, by slot.
  std::vector<Part> used(int64_t step) const;
  /// Those that begin to come before a step, into slots that nobody uses any more.
  std::vector<Part> coming(int64_t step) const;

 private:
  /// From a part's first step to that of the next one in its slot.
  int64_t round() const { return sweep_ + 1; }
  /// The one that is in a slot in a step, or will be in the next.
  std::optional<Part> part_at(int64_t slot, int64_t step) const;
  Part part(int64_t chunk, int64_t slot) const;

  int64_t rows_;
  Plan plan_;
  int64_t sweep_;
};

}  // namespace systole::compile
