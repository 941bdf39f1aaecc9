// Operators on the rows of a matrix [R, N], row major: softmax and mean, host/golden/real.hpp pass
// by pass, and where a row's largest number is. Rows are shared out over the tiles; a row lies in
// one scratchpad, or passes through it in pieces (host/compile/long_rows.hpp).
#pragma once

#include "host/compile/context.hpp"

namespace systole::compile {

struct RowOperator {
  enum class Kind { Softmax, Mean, ArgMax };
  Kind kind = Kind::Softmax;
  const Stored* in = nullptr;
  Stored* output = nullptr;  // placed here; [R, N] for softmax, else [R, 1]
  graph::QuantParams x, y;   // where the types are of eight bits
  graph::Clamp clamp;
  bool last = false;                                 // ArgMax: of equal numbers the last one
  graph::RowOrder order = graph::RowOrder::Packets;  // Mean: of the additions
  int64_t divisor = 1;
  /// Whether `in` lies column by column, all rows of each: as sums of columns are made.
  bool by_columns() const { return kind == Kind::Mean && order != graph::RowOrder::Packets; }
};

void emit_row_operator(Context& context, const RowOperator& op);

/// The command for `elements` numbers one after another, of `type` when they are written; those it
/// reads are binary32, unless it says another type of a.
spec::VectorCommand flat(spec::VectorCommand command, uint32_t from, uint32_t to, spec::Vtype type,
                         int64_t elements);

}  // namespace systole::compile
