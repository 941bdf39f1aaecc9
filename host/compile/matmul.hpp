// Multiplication of two values that are both known only at run time.
#pragma once

#include "host/compile/context.hpp"

namespace systole::compile {

/// a [A, M, K], b [B, K, N], output [P, M, N], all row major.
struct MatmulOperator {
  const Stored* a = nullptr;
  const Stored* b = nullptr;
  Stored* output = nullptr;
  const graph::QMatMul* op = nullptr;
  const Stored* a_zero = nullptr;  // zero points that are computed at run time
  const Stored* b_zero = nullptr;
};

void emit_matmul(Context& context, const MatmulOperator& op);

}  // namespace systole::compile
