// Operators on the rows of a matrix [R, N], row major: softmax and mean, host/golden/real.hpp pass
// by pass. Rows are shared out over the tiles; a row lies in one scratchpad.
#pragma once

#include "host/compile/context.hpp"

namespace systole::compile {

struct RowOperator {
  enum class Kind { Softmax, Mean };
  Kind kind = Kind::Softmax;
  const Stored* in = nullptr;
  Stored* output = nullptr;  // placed here; [R, N], or [R, 1] for the mean
  graph::QuantParams x, y;   // where the types are of eight bits
  graph::Clamp clamp;
};

void emit_row_operator(Context& context, const RowOperator& op);

}  // namespace systole::compile
