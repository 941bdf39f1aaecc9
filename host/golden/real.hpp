// Functions of binary32 numbers, to the bit: what Unary, Binary, Softmax and RowMean apply between
// dequantization and quantization. Each line is one pass of the vector unit, rounded once.
//
//                 against ONNX Runtime (measured; all pairs or all values of s8 and u8, random and
//                 power-of-two scales, quantized)
//   clip, leaky_relu, hard_sigmoid, hard_swish, add, subtract      equal
//   divide        equal, for a divisor that is not zero
//   sigmoid       at most one step of the scale; float: 1.25 |x| + 2 units in the last place
//   tanh          at most one step of the scale; float: 5 units in the last place
//   softmax       at most one step of the scale; float: 1.25 |x - max| + 3 units in the last place
//   reach, dynamic_scale, dynamic_zero_point, quantize_dynamically: equal, for finite numbers and a
//                 scale whose reciprocal is one
//   row_mean      equal, in the order of ONNX Runtime on one thread
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "host/golden/binary32.hpp"
#include "host/golden/functions.hpp"
#include "host/graph/graph.hpp"

namespace systole::golden {

constexpr float kLog2E = 1.44269504f;  // log2(e)
constexpr float kSixth = 1.0f / 6.0f;

inline float clip(float x, float lo, float hi) { return binary32::min(binary32::max(x, lo), hi); }

// x >= 0 ? x : alpha * x. Of two lines through zero, the steeper one is below on the left and above
// on the right.
inline float leaky_relu(float x, float alpha) {
  const float scaled = binary32::mul(x, alpha);
  return alpha <= 1.0f ? binary32::max(x, scaled) : binary32::min(x, scaled);
}

inline float hard_sigmoid(float x, float alpha, float beta) {
  return clip(binary32::add(binary32::mul(x, alpha), beta), 0.0f, 1.0f);
}

inline float hard_swish(float x) { return binary32::mul(x, hard_sigmoid(x, kSixth, 0.5f)); }

// 1 / (1 + e^-x).
inline float sigmoid(float x) {
  return binary32::recip(binary32::add(binary32::exp2(binary32::mul(x, -kLog2E)), 1.0f));
}

// Up to kTanhNear, tanh(x) is x + x^3 times this polynomial in x^2, lowest power first: least
// maximal error, 0.26 * 2^-24 relative.
constexpr float kTanhNear = 0.5f;
constexpr float kTanhPolynomial[4] = {-0.333331436f, 0.13325879f, -0.0530455336f, 0.0172415748f};

// tanh(near + far) by the two parts: near by the polynomial, far as 2 / (1 + e^-2far) - 1, which
// loses digits only where near has them.
inline float tanh(float x) {
  const float near = clip(x, -kTanhNear, kTanhNear);
  const float far = binary32::add(x, -near);
  const float power = binary32::exp2(binary32::mul(far, -2.0f * kLog2E));
  const float inverse = binary32::recip(binary32::add(power, 1.0f));
  const float tanh_far = binary32::fma(inverse, 2.0f, -1.0f);
  const float square = binary32::mul(near, near);
  float sum = binary32::fma(square, kTanhPolynomial[3], kTanhPolynomial[2]);
  sum = binary32::fma(sum, square, kTanhPolynomial[1]);
  sum = binary32::fma(sum, square, kTanhPolynomial[0]);
  sum = binary32::mul(sum, square);
  const float tanh_near = binary32::fma(sum, near, near);
  const float above = binary32::add(tanh_near, tanh_far);
  const float below = binary32::add(binary32::mul(tanh_far, tanh_near), 1.0f);
  return binary32::mul(above, binary32::recip(below));
}

inline float subtract(float a, float b) { return binary32::add(a, -b); }

// a / b, correctly rounded: the reciprocal's quotient, corrected by the remainder. A divisor of
// zero gives NaN.
inline float divide(float a, float b) {
  const float inverse = binary32::recip(b);
  const float first = binary32::mul(a, inverse);
  const float excess = binary32::fma(first, b, -a);
  return binary32::mul(binary32::fma(excess, inverse, -first), -1.0f);
}

// Sum of a softmax's row: elements 16 apart are added in order, each of the 16 sums starting at its
// first; then these in order.
inline float row_sum(const std::vector<float>& row) {
  const std::size_t lanes = std::min<std::size_t>(16, row.size());
  std::vector<float> sums(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(lanes));
  for (std::size_t i = lanes; i < row.size(); ++i) {
    sums[i % lanes] = binary32::add(sums[i % lanes], row[i]);
  }
  float sum = sums[0];
  for (std::size_t l = 1; l < lanes; ++l) sum = binary32::add(sum, sums[l]);
  return sum;
}

// The sum of v[begin, end), one after the other.
inline float chain_sum(const std::vector<float>& v, std::size_t begin, std::size_t end) {
  float sum = v[begin];
  for (std::size_t i = begin + 1; i < end; ++i) sum = binary32::add(sum, v[i]);
  return sum;
}

// How many elements of a row come before the first that lies at a multiple of four in the tensor.
inline std::size_t unaligned(int64_t row, int64_t width) {
  return static_cast<std::size_t>(std::min<int64_t>((4 - row * width % 4) % 4, width));
}

// Packets of four by two accumulators, which are added, and a packet that is left; lanes 0 and 2, 1
// and 3; then what lies before the packets, then what lies behind them.
inline float packet_sum(const std::vector<float>& v, std::size_t start) {
  const std::size_t whole = (v.size() - start) / 4 * 4, pairs = whole / 8 * 8;
  if (whole == 0) return chain_sum(v, 0, v.size());
  float p[4];
  for (std::size_t l = 0; l < 4; ++l) {
    p[l] = v[start + l];
    if (whole == 4) continue;
    float other = v[start + 4 + l];
    for (std::size_t i = 8; i < pairs; i += 8) {
      p[l] = binary32::add(p[l], v[start + i + l]);
      other = binary32::add(other, v[start + i + 4 + l]);
    }
    p[l] = binary32::add(p[l], other);
    if (whole > pairs) p[l] = binary32::add(p[l], v[start + pairs + l]);
  }
  float sum = binary32::add(binary32::add(p[0], p[2]), binary32::add(p[1], p[3]));
  for (std::size_t i = 0; i < start; ++i) sum = binary32::add(sum, v[i]);
  for (std::size_t i = start + whole; i < v.size(); ++i) sum = binary32::add(sum, v[i]);
  return sum;
}

// Sums of four, then of two, then what is left.
inline float fours_sum(const std::vector<float>& v) {
  if (v.size() < 4) return chain_sum(v, 0, v.size());
  float sum = chain_sum(v, 0, 4);
  std::size_t i = 4;
  for (; i + 4 <= v.size(); i += 4) sum = binary32::add(sum, chain_sum(v, i, i + 4));
  for (; i + 2 <= v.size(); i += 2) sum = binary32::add(sum, chain_sum(v, i, i + 2));
  return i < v.size() ? binary32::add(sum, v[i]) : sum;
}

// `row`: which of the tensor.
inline float row_mean(const std::vector<float>& v, graph::RowOrder order, int64_t divisor,
                      int64_t row) {
  const auto width = static_cast<int64_t>(v.size());
  const float sum = order == graph::RowOrder::Packets    ? packet_sum(v, unaligned(row, width))
                    : order == graph::RowOrder::Sequence ? chain_sum(v, 0, v.size())
                                                         : fours_sum(v);
  return binary32::canonical(sum / static_cast<float>(divisor));
}

// How far numbers reach below 0 and above. DynamicQuantizeLinear has the range include 0.
struct Reach {
  float below = 0.0f, above = 0.0f;
};
inline Reach reach(const float* x, std::size_t count) {
  Reach r;
  for (std::size_t i = 0; i < count; ++i) {
    r.below = binary32::max(r.below, -x[i]);
    r.above = binary32::max(r.above, x[i]);
  }
  return r;
}

// (above + below) / 255, where the sum is 0: 1. The smallest positive number is 1 in two steps.
constexpr float kRaise = 0x1p100f;
inline float dynamic_scale(Reach r) {
  const float range = binary32::add(r.above, r.below);
  const float raised = clip(binary32::mul(range, kRaise), 0.0f, 1.0f);
  const float is_range = clip(binary32::mul(raised, kRaise), 0.0f, 1.0f);
  const float scale = binary32::divide(range, 255.0f, 1.0f / 255.0f);
  return binary32::add(scale, binary32::add(1.0f, -is_range));
}

// x / scale, correctly rounded, for a scale that is computed at run time.
inline float dynamic_quotient(float x, float scale) {
  return binary32::divide(x, scale, binary32::recip(scale));
}

// 0 - min / scale, saturated and rounded.
inline int32_t dynamic_zero_point(Reach r, float scale) {
  return binary32::quantize(dynamic_quotient(r.below, scale), 0, 0, 255);
}

// QuantizeLinear with such a scale: rounded to a whole number first, then the zero point is added.
inline int32_t quantize_dynamically(float x, float scale, int32_t zero_point, int32_t lo,
                                    int32_t hi) {
  const int32_t whole = binary32::to_int(dynamic_quotient(x, scale));
  const float sum = binary32::add(binary32::from_int(whole), binary32::from_int(zero_point));
  return binary32::quantize(sum, 0, lo, hi);
}

// e^((x - max) * scale) divided by the sum over the row. Codes without their zero point and their
// scale, or reals and 1. `log2e_scale` is softmax_scale() of it.
inline float softmax_scale(float scale) { return binary32::mul(kLog2E, scale); }
inline std::vector<float> softmax(std::vector<float> row, float log2e_scale) {
  float highest = row[0];
  for (const float x : row) highest = binary32::max(highest, x);
  for (float& x : row) {
    x = binary32::exp2(binary32::mul(binary32::add(x, -highest), log2e_scale));
  }
  const float inverse = binary32::recip(row_sum(row));
  for (float& x : row) x = binary32::mul(x, inverse);
  return row;
}

}  // namespace systole::golden
