// Parameters of quantization that are computed at run time, host/golden/real.hpp pass by pass.
#pragma once

#include "host/compile/context.hpp"

namespace systole::compile {

/// How far the elements of `in`, f32, reach below 0 and above: `output`, f32 [2], placed here.
/// Every tile looks at a part, the first one at what they found.
void emit_reach(Context& context, const Stored& in, Stored& output);

/// Scale or zero point of such a range, placed here. One tile's work.
void emit_dynamic_parameter(Context& context, const Stored& reach, bool is_zero_point,
                            Stored& output);

}  // namespace systole::compile
