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

/// What a pass reads or writes. T0 to T5 are temporaries of four bytes an element.
enum class Slot { None, First, Second, Output, T0, T1, T2, T3, T4, T5 };

/// A value of one element, computed at run time, as an operand of passes: 16 copies of
/// act(factor * element).
struct MapSingle {
  const Stored* value = nullptr;
  float factor = 1.0f;
  spec::Vact act = spec::Vact::None;
};
constexpr int kNoSingle = -1;

/// One vector pass over a box. The engine sets types, addresses, counts and strides.
struct MapPass {
  Slot a = Slot::First;
  Slot b = Slot::None;
  Slot to = Slot::Output;
  /// A temporary whose elements take the place of the command's s, one by one: then nothing but
  /// temporaries and the output may be read and written.
  Slot s_elements = Slot::None;
  spec::VectorCommand command{};
  // Per-channel values in place of the command's scalars; empty: the scalar.
  std::vector<float> s, t, c;
  // Or which of the operator's singles takes their place.
  int s_single = kNoSingle, t_single = kNoSingle, c_single = kNoSingle;
};

struct MapOperator {
  const Stored* first = nullptr;
  const Stored* second = nullptr;  // or null; broadcast to the output's shape
  Stored* output = nullptr;        // placed here
  std::vector<MapPass> passes;
  spec::Vtype temporary = spec::Vtype::F32;  // of T0: F32 or S32; the others are F32
  int64_t channel_axis = -1;                 // logical dimension of the per-channel values
  std::vector<MapSingle> singles;            // not together with per-channel values
};

void emit_map(Context& context, const MapOperator& op);

/// The pass that copies elements of up to 32 bits unchanged.
MapPass copy_pass(DataType type);

}  // namespace systole::compile
