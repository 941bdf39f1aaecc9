// Constant folding: quantization and movement of tensors that are known now.
#pragma once

#include "host/graph/expression.hpp"

namespace systole::graph {

// A constant's real values, as DequantizeLinear gives them.
Tensor dequantize_constant(const Dequantized& constant);
// What QuantizeLinear makes of real values; `y` gives parameters and type.
Tensor quantize_constant(const Tensor& real, const Dequantized& y);

// The constant with its axes permuted, its quantization axis along.
Dequantized transpose_constant(Dequantized source, const std::vector<int64_t>& perm);
// The constant in another shape; a quantized axis must survive as it is.
Dequantized reshape_constant(Dequantized source, const Shape& shape, const std::string& where);

}  // namespace systole::graph
