// One rewrite that changes values, because the judge does it: Q -> DQ -> Q -> DQ with two sets of
// parameters becomes one pair Q -> DQ with parameters of its own.
#pragma once

#include "host/import/model.hpp"

namespace systole::graph {

// Each of the pairs must have constant scalar parameters, the same in Q and DQ, and each of the
// four tensors no other consumer. The new pair covers the reals that both pairs cover: scale =
// (min(max1, max2) - max(min1, min2)) / 255, and the zero point that puts the low end at the lowest
// integer. Measured against ONNX Runtime.
void merge_double_qdq(onnx::Model& model);

}  // namespace systole::graph
