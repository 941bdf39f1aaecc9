// The vector unit's IEEE 754 binary32 operations, bit for bit (blueprint, section 4): subnormals,
// round to nearest even, one NaN. Compile with -ffp-contract=off and without fast-math.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace systole::golden::binary32 {

inline float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint32_t to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

/// Every NaN is 0x7FC00000.
inline float canonical(float value) { return std::isnan(value) ? from_bits(0x7FC00000u) : value; }

inline float fma(float a, float b, float c) { return canonical(std::fma(a, b, c)); }
inline float mul(float a, float b) { return fma(a, b, -0.0f); }
inline float add(float a, float b) { return fma(a, 1.0f, b); }

/// x / s for a constant s with r = 1/s (rounded to nearest): one multiplication and two
/// corrections. A quotient that is zero, infinite or NaN stays as the multiplication made it.
inline float divide(float x, float s, float r) {
  const float q = mul(x, r);
  if (q == 0.0f || !std::isfinite(q)) return q;
  return fma(fma(-q, s, x), r, q);
}

/// A NaN operand gives NaN; max(-0, +0) is +0.
inline float max(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return canonical(std::nanf(""));
  if (a == b) return std::signbit(a) ? b : a;
  return a > b ? a : b;
}

/// A NaN operand gives NaN; min(-0, +0) is -0.
inline float min(float a, float b) {
  if (std::isnan(a) || std::isnan(b)) return canonical(std::nanf(""));
  if (a == b) return std::signbit(a) ? a : b;
  return a < b ? a : b;
}

/// s32 to binary32, nearest even.
inline float from_int(int32_t value) { return static_cast<float>(value); }

/// Nearest even, saturating; NaN gives 0.
inline int32_t to_int(float value) {
  if (std::isnan(value)) return 0;
  if (value >= 2147483648.0f) return std::numeric_limits<int32_t>::max();
  if (value <= -2147483648.0f) return std::numeric_limits<int32_t>::min();
  return static_cast<int32_t>(std::nearbyintf(value));
}

/// clamp(to_int(value) + zp, lo, hi), the sum saturating.
inline int32_t quantize(float value, int32_t zp, int32_t lo, int32_t hi) {
  const int64_t sum = int64_t{to_int(value)} + zp;
  return static_cast<int32_t>(sum < lo ? lo : sum > hi ? hi : sum);
}

}  // namespace systole::golden::binary32
