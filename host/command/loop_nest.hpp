// Commands as the loop nests that document them (docs/reference/commands.md): in which iteration an
// element is written, and where an element that a command reads goes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole {

/// Names and values of the loop variables, outermost first; the last one is the lane, column or
/// byte of the innermost run.
using Iteration = std::vector<std::pair<std::string, int64_t>>;

/// The iteration that writes element `element` (numbered in the order in which the command writes;
/// Load, Fill and Store write bytes). Empty when the command writes no such element.
Iteration iteration_of(const spec::CommandWords& words, uint64_t element);

/// The global address of the byte that a Load reads for element `element`; nullopt for others.
std::optional<uint64_t> source_of(const spec::CommandWords& words, uint64_t element);

/// How many values each of those variables takes, in the same order; a command writes their
/// product, but for a last run that is shorter.
std::vector<int64_t> extents_of(const spec::CommandWords& words);

/// "n=0 r=17 c=3"
std::string iteration_text(const Iteration& iteration);

/// A byte that a command writes: an address of the tile's scratchpad, or a global one.
struct Destination {
  bool global = false;
  uint64_t address = 0;
};

/// Where a Vector command puts what it makes of accumulator (row, column); nullopt when it does not
/// read it.
std::optional<Destination> reader_of_accumulator(const spec::CommandWords& words, uint32_t row,
                                                 unsigned column);
/// Where a Store or Vector command puts (what it makes of) the byte at `local` in the scratchpad;
/// of a Vector command with a window, the first element that sees the byte.
std::optional<Destination> reader_of_scratchpad(const spec::CommandWords& words, uint32_t local);

}  // namespace systole
