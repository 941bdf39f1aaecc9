// Constant folding: quantization of tensors that are known now.
#pragma once

#include "host/graph/expression.hpp"

namespace systole::graph {

// A constant's real values, as DequantizeLinear gives them.
Tensor dequantize_constant(const Dequantized& constant);
// What QuantizeLinear makes of real values; `y` gives parameters and type.
Tensor quantize_constant(const Tensor& real, const Dequantized& y);

}  // namespace systole::graph
