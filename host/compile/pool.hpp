// Pools, on the vector unit: maximum of codes or numbers; average of dequantized values or numbers;
// global average of integers. Sixteen channels a step.
#pragma once

#include "host/compile/slab.hpp"

namespace systole::compile {

struct PoolOperator {
  enum class Kind { Max, Average, Global };
  Kind kind = Kind::Max;
  Image in, out;
  Stored* output = nullptr;  // of `out`, placed here
  graph::Window window;
  uint32_t pad = 0;  // four bytes of what padding holds: something that changes nothing
  graph::Counted counted = graph::Counted::Inside;
  graph::Rounding rounding = graph::Rounding::AfterOffset;
  graph::QuantParams x, y;
  graph::Clamp clamp;
};

void emit_pool(Context& context, const PoolOperator& op);

}  // namespace systole::compile
