// The scalar arithmetic of every operator, to the bit (blueprint, section 4).
//
// Every float step is one IEEE binary32 operation, rounded to nearest even; a fused multiply-add is
// one rounding and is written as such. rne() is rounding to the nearest integer, ties to even; a
// NaN converts to 0. "Measured" means: equal to ONNX Runtime (CPU, x86-64 with FMA, all
// optimizations, session.qdqisint8allowed=1) in every element of random graphs, ties included.
#pragma once

#include <algorithm>
#include <cstdint>

#include "host/golden/binary32.hpp"
#include "host/graph/graph.hpp"

namespace systole::golden {

// Division, correctly rounded; binary32::divide() gives the same.
inline float quotient(float x, float s) { return binary32::canonical(x / s); }

// clamp(rne(value) + zero_point).
inline int32_t saturate(float value, int32_t zero_point, graph::Clamp clamp) {
  return binary32::quantize(value, zero_point, clamp.lo, clamp.hi);
}

// QuantizeLinear: sat(rne(x / s) + zp). Measured. Multiplying by 1/s differs in ties. A NaN gives
// zp here and the lowest integer there.
inline int32_t quantize(float x, float scale, int32_t zero_point, graph::Clamp clamp) {
  return saturate(quotient(x, scale), zero_point, clamp);
}

// DequantizeLinear: f32(q - zp) * s; the difference is exact. Measured.
inline float dequantize(int32_t q, float scale, int32_t zero_point) {
  return binary32::mul(binary32::from_int(q - zero_point), scale);
}

// DequantizeLinear then QuantizeLinear with other parameters, and Relu or Clip in between as
// integer clamp: sat(rne(((q - zx) * sx) / sy) + zy). Measured. A pair Q-DQ-Q-DQ of two scales is
// one pair of a third scale before it comes here (host/graph/double_qdq.hpp), as in ONNX Runtime.
inline int32_t requantize(int32_t q, graph::QuantParams x, graph::QuantParams y,
                          graph::Clamp clamp) {
  if (x == y) return std::min(std::max(q, clamp.lo), clamp.hi);
  return quantize(dequantize(q, x.scale, x.zero_point), y.scale, y.zero_point, clamp);
}

// Conv, Gemm, MatMul: s32 products and sums wrap around.
inline int32_t wrapping_add(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}
inline int32_t multiply_accumulate(int32_t acc, int32_t x, int32_t w) {
  return static_cast<int32_t>(static_cast<uint32_t>(acc) +
                              static_cast<uint32_t>(x) * static_cast<uint32_t>(w));
}

// What an accumulator is multiplied with: (sx * sw) / sy, two roundings. Measured: QLinearConv,
// QLinearMatMul, QGemm, per tensor and per channel. With Gemm's alpha: ((alpha * sx) * sw) / sy.
inline float accumulator_multiplier(float x_scale, float w_scale, float y_scale) {
  return quotient(binary32::mul(x_scale, w_scale), y_scale);
}

// Gemm, MatMul whose result is not quantized: f32(acc) * (sx * sw), the s32 bias in acc, then Relu
// or Clip; with Gemm's alpha f32(acc) * ((alpha * sx) * sw). The multiplier is that of sy = 1.
// Measured: QGemm, MatMulIntegerToFloat, per tensor and per channel.
inline float product(int32_t acc, float multiplier, graph::FloatClamp clamp) {
  const float value = binary32::mul(binary32::from_int(acc), multiplier);
  return binary32::min(binary32::max(value, clamp.lo), clamp.hi);
}

// Conv, Gemm, MatMul: sat(rne(f32(acc) * multiplier) + zp). Measured.
inline int32_t requantize_accumulator(int32_t acc, float multiplier, int32_t zero_point,
                                      graph::Clamp clamp) {
  return saturate(binary32::mul(binary32::from_int(acc), multiplier), zero_point, clamp);
}

// A float bias of Conv or Gemm, in units of the accumulator: rne(b / (sx * sw)). Measured.
inline int32_t quantize_bias(float bias, float x_scale, float w_scale) {
  return binary32::to_int(quotient(bias, binary32::mul(x_scale, w_scale)));
}

// Add, all of one type: ra = sa / sy, rb = sb / sy, offset = zy - fma(ra, za, rb * zb), and then
// sat(rne(fma(a, ra, fma(b, rb, offset)))), a and b without their zero points. Measured.
struct AddCoefficients {
  float ra, rb, offset;
};
inline AddCoefficients add_coefficients(graph::QuantParams a, graph::QuantParams b,
                                        graph::QuantParams y) {
  AddCoefficients k;
  k.ra = quotient(a.scale, y.scale);
  k.rb = quotient(b.scale, y.scale);
  const float zeros = binary32::fma(k.ra, binary32::from_int(a.zero_point),
                                    binary32::mul(k.rb, binary32::from_int(b.zero_point)));
  k.offset = binary32::add(binary32::from_int(y.zero_point), -zeros);
  return k;
}
inline int32_t add(int32_t a, int32_t b, const AddCoefficients& k, graph::Clamp clamp) {
  const float inner = binary32::fma(binary32::from_int(b), k.rb, k.offset);
  return saturate(binary32::fma(binary32::from_int(a), k.ra, inner), 0, clamp);
}
// Add of mixed types, or with an activation that the output's range does not imply: ONNX Runtime
// dequantizes, adds and quantizes, each rounded. Measured.
inline int32_t add_unfused(int32_t a, int32_t b, graph::QuantParams pa, graph::QuantParams pb,
                           graph::QuantParams y, graph::Clamp clamp) {
  const float sum =
      binary32::add(dequantize(a, pa.scale, pa.zero_point), dequantize(b, pb.scale, pb.zero_point));
  return quantize(sum, y.scale, y.zero_point, clamp);
}

// Mul, all of one type: sat(rne((a * b) * ((sa * sb) / sy) + zy)), a and b without their zero
// points (the product is exact), the offset added in binary32. Measured: QLinearMul. Of mixed
// types, or with an activation that the output's range does not imply, ONNX Runtime dequantizes,
// multiplies and quantizes (binary32::mul() of dequantize(), then quantize()). Measured.
inline float multiply_ratio(graph::QuantParams a, graph::QuantParams b, graph::QuantParams y) {
  return quotient(binary32::mul(a.scale, b.scale), y.scale);
}
inline int32_t multiply(int32_t a, int32_t b, float ratio, int32_t zero_point, graph::Clamp clamp) {
  const float product = binary32::mul(binary32::from_int(a), binary32::from_int(b));
  const float scaled = binary32::mul(product, ratio);
  return saturate(binary32::add(scaled, binary32::from_int(zero_point)), 0, clamp);
}

// AveragePool: `sum` is the binary32 sum of the dequantized elements of the window, added in window
// order (rows, then columns; padding skipped), starting at the first. Then /n, /sy, +zy, rne.
// Measured. BeforeOffset (the float kernel, where the fused one does not apply): /n, then
// QuantizeLinear; the float kernel adds in an order of its own, so the last bit of its sum may
// differ.
inline float average(float sum, int64_t count) { return quotient(sum, static_cast<float>(count)); }
inline int32_t average_pool(float sum, int64_t count, graph::QuantParams y,
                            graph::Rounding rounding, graph::Clamp clamp) {
  const float mean = average(sum, count);
  if (rounding == graph::Rounding::BeforeOffset) {
    return quantize(mean, y.scale, y.zero_point, clamp);
  }
  const float scaled = quotient(mean, y.scale);
  return saturate(binary32::add(scaled, binary32::from_int(y.zero_point)), 0, clamp);
}

// GlobalAveragePool: sat(rne(f32(sum - n * zx) * (sx / (n * sy))) + zy), sum of integers. Measured.
inline float global_average_multiplier(graph::QuantParams x, graph::QuantParams y, int64_t count) {
  return quotient(x.scale, binary32::mul(static_cast<float>(count), y.scale));
}
inline int32_t global_average_pool(int32_t sum, int64_t count, float multiplier,
                                   graph::QuantParams x, graph::QuantParams y, graph::Clamp clamp) {
  const auto centered = static_cast<int32_t>(sum - count * x.zero_point);
  return saturate(binary32::mul(binary32::from_int(centered), multiplier), y.zero_point, clamp);
}

}  // namespace systole::golden
