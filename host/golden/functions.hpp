// exp2, reciprocal and reciprocal square root of the vector unit (Vact::Exp2, Recip, Rsqrt), bit
// for bit. Integers only, but for recip().
//
//            result                                error, in units of the result's last place
//   exp2     2^x                                   at most 0.582
//   recip    1/x, correctly rounded: IEEE's        at most 0.5
//   rsqrt    1/sqrt(x)                             at most 0.584
//
// (tests/host/functions_test.cpp proves them over all operands.) All three rise or fall
// monotonically, are exact where the result is a power of two, take subnormal operands and give
// subnormal results in full. A NaN gives 0x7FC00000, and so does rsqrt of a negative number.
//
//            -inf   -0     +0     +inf             too large          too small
//   exp2     +0     1      1      +inf             +inf (x >= 128)    +0 (x <= -150)
//   recip    -0     -inf   +inf   +0               inf of x's sign    -
//   rsqrt    NaN    -inf   +inf   +0               -                  -
//
// How exp2 and rsqrt are computed. The operand is cut into an exponent and a fraction in [0, 1);
// the fraction's highest bits choose a segment of a table, the 20 bits below them are the place u
// in it. Then value = c0 + c1*u + c2*u^2, from 1 to 2, in units of 2^-50: exact but for u^2, which
// is the highest 16 bits of the square of the highest 16 bits of u. The value and the exponent are
// rounded once: to nearest, halves down (exact halves do not occur, but for exp2(-150), where down
// is even).
#pragma once

#include <algorithm>
#include <cstdint>

#include "host/golden/binary32.hpp"
#include "rtl/spec/gen/systole_functions.hpp"

namespace systole::golden::binary32 {

constexpr uint32_t kNan = 0x7FC00000u;
constexpr uint32_t kInfinity = 0x7F800000u;

/// The value of a segment at u * 2^-20, in units of 2^-50; c1 is negative where the function falls.
inline uint64_t segment_value(unsigned segment, uint32_t u) {
  const spec::FunctionSegment& c = spec::FunctionSegments[segment];
  const uint32_t square = ((u >> 4) * (u >> 4)) >> 16;
  const uint64_t constant = uint64_t{c.c0} << 20;
  const uint64_t linear = uint64_t{c.c1} * u;
  const uint64_t quadratic = uint64_t{c.c2 * square} << 6;
  const bool rises = segment < spec::RecipFirst;
  return (rises ? constant + linear : constant - linear) + quadratic;
}

/// value * 2^-50 * 2^(exponent - 127), value from 1 to 2, rounded. An exponent below 1 makes the
/// result subnormal, then zero; it is at most 254.
inline float round_value(uint64_t value, int exponent) {
  const int shift = exponent >= 1 ? 27 : std::min(28 - exponent, 63);
  const uint64_t half = uint64_t{1} << (shift - 1);
  const auto significand = static_cast<uint32_t>((value + half - 1) >> shift);
  return from_bits((static_cast<uint32_t>(std::max(exponent, 1) - 1) << 23) + significand);
}

/// 2^x. x is first rounded to a multiple of 2^-27, halves away from zero.
inline float exp2(float x) {
  const uint32_t bits = to_bits(x);
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  const bool negative = bits >> 31 != 0;
  if (magnitude > kInfinity) return from_bits(kNan);
  const int exponent = static_cast<int>(magnitude >> 23);
  if (exponent >= 127 + 8) return negative ? 0.0f : from_bits(kInfinity);

  const uint64_t significand = (magnitude & 0x7FFFFFu) | (exponent != 0 ? 0x800000u : 0u);
  const int shift = std::min(135 - exponent, 63);
  const auto rounded = static_cast<int64_t>((((significand << 13) >> shift) + 1) >> 1);
  const int64_t fixed = negative ? -rounded : rounded;  // * 2^-27
  const auto fraction = static_cast<uint32_t>(fixed) & 0x7FFFFFFu;
  const auto whole = static_cast<int>((fixed - fraction) / (1 << 27));
  if (whole > 127) return from_bits(kInfinity);
  return round_value(segment_value(spec::Exp2First + (fraction >> 20), fraction & 0xFFFFFu),
                     127 + whole);
}

/// 1/x. The hardware comes to the same by the table, whose value is less than one unit of 25 bits
/// off, and the remainder, which tells whether that is one too many or too few.
inline float recip(float x) { return canonical(1.0f / x); }

/// 1/sqrt(x): 2/sqrt(m) * 2^(-1-e/2), where x = m * 2^e, e even, m in [1, 4).
inline float rsqrt(float x) {
  const uint32_t bits = to_bits(x);
  if ((bits & 0x7FFFFFFFu) == 0) return from_bits(bits | kInfinity);
  if (bits > kInfinity) return from_bits(kNan);
  if (bits == kInfinity) return 0.0f;

  int exponent = static_cast<int>(bits >> 23);
  uint32_t significand = bits & 0x7FFFFFu;
  if (exponent == 0) {  // subnormal: the leading one to its place
    for (exponent = 1; significand >> 23 == 0; significand <<= 1) --exponent;
  }
  const bool odd = (exponent & 1) == 0;  // the exponent without its bias
  const uint32_t fraction = significand & 0x7FFFFFu;
  const unsigned segment = spec::RsqrtFirst + (odd ? 128 : 0) + (fraction >> 16);
  return round_value(segment_value(segment, (fraction & 0xFFFFu) << 4),
                     222 - ((exponent + 65) >> 1));
}

}  // namespace systole::golden::binary32
