// Element-wise operators: out[i] = f(a[i], b[i]), with any layout on either side, so changes of
// layout too.
//
// Operands that lie in the same order are walked flat, in place where they stay in scratchpads.
// Others are walked through their common axes. A box of elements at a time is loaded, passed
// through the vector unit and stored; 16 lanes where some axis is contiguous on all sides, else
// one.
#pragma once

#include <vector>

#include "host/compile/context.hpp"

namespace systole::compile {

/// One vector pass over a box. The engine sets types, addresses, counts and strides.
struct MapPass {
  enum class Operand { None, First, Second, Temporary };
  Operand a = Operand::First;
  Operand b = Operand::None;
  bool to_temporary = false;                 // else the output
  spec::Vtype temporary = spec::Vtype::F32;  // of the temporary read or written: F32 or S32
  spec::VectorCommand command{};
  // Per-channel values in place of the command's scalars; empty: the scalar.
  std::vector<float> s, t, c;
};

struct MapOperator {
  const Stored* first = nullptr;
  const Stored* second = nullptr;  // or null; broadcast to the output's shape
  Stored* output = nullptr;        // placed here
  std::vector<MapPass> passes;
  int64_t channel_axis = -1;  // logical dimension of the per-channel values
};

void emit_map(Context& context, const MapOperator& op);

/// The pass that copies codes or floats unchanged.
MapPass copy_pass(DataType type);

}  // namespace systole::compile
