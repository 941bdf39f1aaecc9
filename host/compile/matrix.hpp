// Convolution with constant weights, and multiplication by a constant matrix as a convolution of
// 1x1: the matrix unit sums, the vector unit requantizes (or, for an f32 output, scales).
#pragma once

#include <memory>
#include <vector>

#include "host/compile/matrix_memo.hpp"
#include "host/compile/slab.hpp"

namespace systole::compile {

/// Which part of the output a tile makes: rows of all images [g0, g1), blocks of channels [b0, b1).
struct MatrixShare {
  int64_t g0 = 0, g1 = 0, b0 = 0, b1 = 0;
  bool empty() const { return g0 >= g1 || b0 >= b1; }
};

struct MatrixOperator {
  Image in, out;
  Stored* output = nullptr;  // of `out`, placed here
  bool spreads = false;      // `out` is one row, of which every tile wants all
  int64_t kh = 1, kw = 1, sh = 1, sw = 1, dh = 1, dw = 1;
  int64_t top = 0, left = 0;  // padding; that of the other sides follows from out
  int64_t group = 1;
  bool reads_pairs = false;  // `in` lies in View::pixel_pairs(), for a kernel of 1x1
  bool makes_pairs = false;  // `out` is to lie so; depthwise
  graph::QuantParams x, y;
  const Stored* x_zero = nullptr;  // x's zero point where it is computed at run time: no padding
  graph::Clamp clamp;
  graph::FloatClamp float_clamp;  // of an f32 output, which has no y and no clamp
  std::shared_ptr<const Weights> weights;
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
  /// By tile. Empty: filled in. Otherwise the work is divided like this, as for another input, so
  /// that both use the same weights. May be null.
  std::vector<MatrixShare>* division = nullptr;
};

void emit_matrix(Context& context, MatrixMemo& memo, const MatrixOperator& op);

}  // namespace systole::compile
