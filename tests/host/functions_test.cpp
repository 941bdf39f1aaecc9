// The vector unit's functions against the true values: error bounds, order, exact results. The
// sweeps over every operand are [.slow]; the others take every mantissa, and steps through all
// operands.
#include "host/golden/functions.hpp"

#include <catch2/catch.hpp>
#include <cmath>

using namespace systole::golden::binary32;

namespace {

constexpr uint32_t kSign = 0x80000000u;
constexpr float kInf = std::numeric_limits<float>::infinity();

/// One unit in the last place of binary32 at a value.
double unit_at(double value) {
  int exponent;
  std::frexp(value, &exponent);
  return std::ldexp(1.0, std::max(exponent - 24, -149));
}

/// Largest error of what was looked at, in units of the last place, and whether each result was no
/// lower than the one before (or no higher).
class Sweep {
 public:
  explicit Sweep(bool rises) : rises_(rises) {}

  void look(float x, float result, double truth) {
    if (count_++ != 0 && (rises_ ? result < last_ : result > last_)) turn(x);
    last_ = result;
    // Beyond the largest number by half a unit, which is infinity.
    if (std::isinf(result) && truth >= std::ldexp(1.0, 128) * (1 - std::ldexp(1.0, -25))) return;
    const double error = std::fabs(result - truth) / unit_at(truth);
    if (!(error <= worst_)) {
      worst_ = error;
      worst_at_ = x;
    }
  }

  void expect(double bound, uint64_t least_count) const {
    INFO("worst at " << std::hexfloat << worst_at_ << ", turns at " << turned_at_);
    CHECK(worst_ <= bound);
    CHECK(num_turns_ == 0);
    CHECK(count_ >= least_count);
  }

 private:
  void turn(float x) {
    if (num_turns_++ == 0) turned_at_ = x;
  }

  bool rises_;
  uint64_t count_ = 0, num_turns_ = 0;
  double worst_ = 0;
  float last_ = 0, worst_at_ = 0, turned_at_ = 0;
};

constexpr double kExp2Bound = 0.582;
constexpr double kRsqrtBound = 0.584;

/// exp2 of every step-th operand whose magnitude's bits are in [from, to).
void sweep_exp2(bool negative, uint32_t from, uint32_t to, uint32_t step) {
  Sweep sweep(!negative);
  for (uint32_t bits = from; bits < to; bits += step) {
    const float x = from_bits(bits | (negative ? kSign : 0));
    sweep.look(x, exp2(x), std::exp2(static_cast<double>(x)));
  }
  sweep.expect(kExp2Bound, (to - from) / step);
}

void sweep_rsqrt(uint32_t from, uint32_t to, uint32_t step) {
  Sweep sweep(false);
  for (uint32_t bits = from; bits < to; bits += step) {
    const float x = from_bits(bits);
    sweep.look(x, rsqrt(x), 1 / std::sqrt(static_cast<double>(x)));
  }
  sweep.expect(kRsqrtBound, (to - from) / step);
}

constexpr uint32_t kOne = 0x3F800000u;
constexpr uint32_t kBinade = 0x00800000u;
constexpr uint32_t kExp2High = 0x43000001u;  // above 128
constexpr uint32_t kExp2Low = 0x43200000u;   // 160

}  // namespace

TEST_CASE("exp2 is off by at most 0.582 units in the last place, and rises", "[functions]") {
  // From 1 to 2 every fraction of 23 bits; from 1/32 to 1/16 the finest operands that count in
  // full.
  sweep_exp2(false, kOne, kOne + kBinade, 1);
  sweep_exp2(true, kOne, kOne + kBinade, 1);
  sweep_exp2(false, kOne - 5 * kBinade, kOne - 4 * kBinade, 1);
  sweep_exp2(true, kOne - 5 * kBinade, kOne - 4 * kBinade, 1);
  sweep_exp2(false, 0, kExp2High, 509);
  sweep_exp2(true, 0, kExp2Low, 509);
  // Subnormal results, every operand of -128 to -126.
  sweep_exp2(true, 0x42FC0000u, 0x43000000u, 1);
}

TEST_CASE("rsqrt is off by at most 0.584 units in the last place, and falls", "[functions]") {
  sweep_rsqrt(kOne, kOne + 2 * kBinade, 1);  // every mantissa, of even and odd exponents
  sweep_rsqrt(1, kInfinity, 509);
  sweep_rsqrt(1, kBinade, 7);  // subnormal
}

TEST_CASE("exp2 keeps its bound over every operand", "[.slow][functions]") {
  sweep_exp2(false, 0, kExp2High, 1);
  sweep_exp2(true, 0, kExp2Low, 1);
}

TEST_CASE("rsqrt keeps its bound over every operand", "[.slow][functions]") {
  sweep_rsqrt(1, kInfinity, 1);
}

TEST_CASE("functions are exact where the result is a power of two", "[functions]") {
  for (int n = -149; n < 128; ++n) {
    CAPTURE(n);
    CHECK(exp2(static_cast<float>(n)) == std::ldexp(1.0f, n));
    CHECK(recip(std::ldexp(1.0f, n)) == std::ldexp(1.0f, -n));  // infinity below -127
    if (n % 2 == 0) CHECK(rsqrt(std::ldexp(1.0f, n)) == std::ldexp(1.0f, -n / 2));
  }
}

TEST_CASE("functions of zeros, infinities, NaN and what is out of range are as stated",
          "[functions]") {
  const auto bits_of = [](float value) { return to_bits(value); };
  for (float nan : {from_bits(kNan), from_bits(0xFFC12345u), from_bits(0x7F800001u)}) {
    CHECK(bits_of(exp2(nan)) == kNan);
    CHECK(bits_of(recip(nan)) == kNan);
    CHECK(bits_of(rsqrt(nan)) == kNan);
  }
  for (float zero : {0.0f, -0.0f}) {
    CHECK(bits_of(exp2(zero)) == kOne);
    CHECK(bits_of(recip(zero)) == (bits_of(zero) | kInfinity));
    CHECK(bits_of(rsqrt(zero)) == (bits_of(zero) | kInfinity));
  }
  CHECK(exp2(kInf) == kInf);
  CHECK(bits_of(exp2(-kInf)) == 0);
  CHECK(bits_of(recip(kInf)) == 0);
  CHECK(bits_of(recip(-kInf)) == kSign);
  CHECK(bits_of(rsqrt(kInf)) == 0);
  for (float negative : {-kInf, -1.0f, -1e-45f}) CHECK(bits_of(rsqrt(negative)) == kNan);

  CHECK(exp2(128.0f) == kInf);
  CHECK(std::isfinite(exp2(std::nextafter(128.0f, 0.0f))));
  CHECK(exp2(-149.0f) == from_bits(1));
  CHECK(exp2(std::nextafter(-150.0f, 0.0f)) == from_bits(1));
  for (float low : {-150.0f, -151.0f, -255.5f, -256.0f, -3e38f}) CHECK(bits_of(exp2(low)) == 0);
  CHECK(recip(std::ldexp(1.0f, -128)) == kInf);
  CHECK(recip(-from_bits(0x00200001u)) == -1 / from_bits(0x00200001u));
  CHECK(recip(std::ldexp(1.0f, 127)) == std::ldexp(1.0f, -127));
}
