// Movement without arithmetic: every element of the output is an element of a source, or a fill
// value. Loads, fills and stores do it alone, so that elements may be of any type and any size.
//
// Along each axis the output is cut into pieces, arithmetic progressions of the output's indices
// and of the source's: a slice is one piece, a padded axis three, nearest neighbours of scale 2
// are two (even and odd indices), a concatenation is one for each input. A tile assembles
// what it has of the output in its scratchpad, one command for each combination of pieces, and
// stores it.
#pragma once

#include <vector>

#include "host/compile/context.hpp"
#include "host/graph/index_map.hpp"

namespace systole::compile {

/// Output indices at, at + step, ... take source indices from, from + from_step, ...
struct MovePiece {
  static constexpr int kFill = -1;
  int source = 0;
  int64_t count = 1;
  int64_t at = 0, step = 1;
  int64_t from = 0, from_step = 0;
};

/// Axes in the order of the output's memory, the last one dense.
struct MoveAxis {
  int64_t extent = 1;
  std::vector<MovePiece> pieces;  // which cover the extent once
};

struct MoveSource {
  const Stored* stored = nullptr;
  std::vector<int64_t> strides;  // in elements, one an axis
};

struct MoveOperator {
  std::vector<MoveSource> sources;
  std::vector<MoveAxis> axes;
  std::size_t join = 0;  // the axis whose pieces say which source it is
  Tensor fill;           // a scalar
  Stored* output = nullptr;
};

/// The fewest pieces that are found.
std::vector<MovePiece> pieces_of(const graph::IndexMap& map);

void emit_move(Context& context, const MoveOperator& op);

/// The element itself, into another layout.
void emit_copy(Context& context, const Stored& from, Stored& to);

}  // namespace systole::compile
