// Softmax, mean and place of the largest of rows that no scratchpad holds: pieces of a row pass
// through it, as often as the operator needs them, in the order of additions that short rows have.
#pragma once

#include "host/compile/rows.hpp"

namespace systole::compile {

void emit_long_rows(Context& context, const RowOperator& op);

}  // namespace systole::compile
