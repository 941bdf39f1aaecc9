// fp32_pkg against the host's float (std::fma, conversions, comparisons), with NaN made canonical.
#include <Vfp32_pkg.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "tests/support/dut.hpp"
#include "tests/support/seed.hpp"

namespace {

constexpr size_t Lanes = 16;
constexpr uint32_t CanonicalNan = 0x7FC00000;
constexpr uint32_t Inf = 0x7F800000;
constexpr uint32_t MaxFinite = 0x7F7FFFFF;
constexpr uint32_t SignBit = 0x80000000;

// Numbers as in fp32_pkg_tb.sv.
enum Op : uint8_t {
  OpFma,
  OpMax,
  OpMin,
  OpFromInt,
  OpToInt,
  OpQuantize,
  OpDivSelect,
  OpMul,
  OpAdd
};

float to_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

uint32_t to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return std::isnan(value) ? CanonicalNan : bits;
}

uint32_t pack(uint32_t sign, uint32_t exponent, uint32_t fraction) {
  return sign << 31 | exponent << 23 | (fraction & 0x7FFFFF);
}

// ---- golden ------------------------------------------------------------------------------------

uint32_t fma_of(uint32_t a, uint32_t b, uint32_t c) {
  return to_bits(std::fma(to_float(a), to_float(b), to_float(c)));
}

uint32_t mul_of(uint32_t a, uint32_t b) { return to_bits(to_float(a) * to_float(b)); }

uint32_t add_of(uint32_t a, uint32_t b) { return to_bits(to_float(a) + to_float(b)); }

uint32_t max_of(uint32_t a, uint32_t b) {
  const float x = to_float(a), y = to_float(b);
  if (std::isnan(x) || std::isnan(y)) return CanonicalNan;
  if (x == y) return std::signbit(x) ? b : a;
  return x > y ? a : b;
}

uint32_t min_of(uint32_t a, uint32_t b) {
  const float x = to_float(a), y = to_float(b);
  if (std::isnan(x) || std::isnan(y)) return CanonicalNan;
  if (x == y) return std::signbit(x) ? a : b;
  return x < y ? a : b;
}

int64_t to_int_of(uint32_t bits) {
  const double value = to_float(bits);
  if (std::isnan(value)) return 0;
  return static_cast<int64_t>(std::nearbyint(std::clamp(value, -2147483648.0, 2147483647.0)));
}

struct Range {
  int32_t zero_point, low, high;
};

int32_t quantize_of(uint32_t bits, const Range& range) {
  const int64_t sum = to_int_of(bits) + range.zero_point;
  return static_cast<int32_t>(std::clamp<int64_t>(sum, range.low, range.high));
}

// ---- device under test -------------------------------------------------------------------------

// Collects operands, runs them 16 at a time, compares; counts, so that a test of no case fails.
class Checker {
 public:
  explicit Checker(Op op) : op_(op) {}
  ~Checker() {
    flush();
    CHECK(mismatches_ == 0);
    CHECK(cases_ > 0);
  }

  void set_range(const Range& range) {
    flush();
    model_->zero_point_i = range.zero_point;
    model_->low_i = range.low;
    model_->high_i = range.high;
  }

  void expect(uint32_t expected, uint32_t a, uint32_t b = 0, uint32_t c = 0) {
    model_->a_i[count_] = a;
    model_->b_i[count_] = b;
    model_->c_i[count_] = c;
    expected_[count_] = expected;
    if (++count_ == Lanes) flush();
  }

  void expect_fma(uint32_t a, uint32_t b, uint32_t c) { expect(fma_of(a, b, c), a, b, c); }

  // All signs of the three operands.
  void expect_fma_signs(uint32_t a, uint32_t b, uint32_t c) {
    for (uint32_t signs = 0; signs < 4; ++signs)
      expect_fma(a ^ (signs & 1) << 31, b, c ^ (signs & 2) << 30);
  }

 private:
  void flush() {
    run();
    for (size_t i = 0; i < count_; ++i)
      if (model_->result_o[i] != expected_[i]) report(i);
    cases_ += count_;
    count_ = 0;
  }

  void run() {
    model_->op_i = op_;
    model_.ticks(3);
  }

  void report(size_t i) {
    if (mismatches_++ >= 5) return;
    UNSCOPED_INFO(std::hex << "op " << int{op_} << " lane " << i << ": a " << model_->a_i[i]
                           << " b " << model_->b_i[i] << " c " << model_->c_i[i] << ": got "
                           << model_->result_o[i] << ", expected " << expected_[i]);
  }

  Op op_;
  systole::test::Dut<Vfp32_pkg> model_{1'000'000'000};
  std::array<uint32_t, Lanes> expected_{};
  size_t count_ = 0;
  size_t cases_ = 0;
  size_t mismatches_ = 0;
};

// ---- stimulus ----------------------------------------------------------------------------------

class Random {
 public:
  uint32_t bits() { return static_cast<uint32_t>(engine_()); }
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(engine_() % bound); }
  uint32_t between(int64_t low, int64_t high) {
    return static_cast<uint32_t>(low + static_cast<int64_t>(engine_() % (high - low + 1)));
  }

  // In the manner of TestFloat: fractions of few ones or few zeros, exponents of all kinds.
  uint32_t fraction() {
    switch (below(6)) {
      case 0:
        return 0;
      case 1:
        return 1u << below(23);
      case 2:
        return ~(1u << below(23));
      case 3:
        return (1u << below(23)) | (1u << below(23));
      case 4:
        return ~0u << below(23);
      default:
        return bits();
    }
  }
  uint32_t exponent() {
    switch (below(4)) {
      case 0:
        return between(0, 3);
      case 1:
        return between(252, 255);
      case 2:
        return between(100, 150);
      default:
        return below(256);
    }
  }
  uint32_t number() { return pack(below(2), exponent(), fraction()); }

 private:
  std::mt19937_64 engine_ = systole::test::make_rng();
};

uint32_t clamp_exponent(int64_t exponent) {
  return static_cast<uint32_t>(std::clamp<int64_t>(exponent, 0, 255));
}

std::vector<uint32_t> corner_numbers() {
  std::vector<uint32_t> numbers;
  for (uint32_t exponent :
       {0, 1, 2, 24, 63, 64, 103, 104, 126, 127, 128, 150, 151, 190, 253, 254, 255})
    for (uint32_t fraction : {0x000000, 0x000001, 0x3FFFFF, 0x400000, 0x7FFFFE, 0x7FFFFF})
      for (uint32_t sign : {0, 1}) numbers.push_back(pack(sign, exponent, fraction));
  return numbers;
}

// Each bit pattern's upper half with the lower halves that decide rounding.
template <typename Function>
void for_each_upper_half(Function&& function) {
  for (uint32_t upper = 0; upper < 0x10000; ++upper)
    for (uint32_t lower : {0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF})
      function(upper << 16 | lower);
}

// Ties and their neighbours between all integers of magnitude up to `bound`.
template <typename Function>
void for_each_half(int bound, Function&& function) {
  for (int i = -bound; i <= bound; ++i)
    for (float half : {i + 0.5f, i - 0.5f, static_cast<float>(i)}) {
      function(to_bits(half));
      function(to_bits(std::nextafter(half, -1e9f)));
      function(to_bits(std::nextafter(half, 1e9f)));
    }
}

}  // namespace

TEST_CASE("fp32_pkg fma equals std::fma for all triples of corner numbers", "[fp32_pkg]") {
  Checker dut(OpFma);
  const auto numbers = corner_numbers();
  for (uint32_t a : numbers)
    for (uint32_t b : numbers)
      // fma(a, b, c) = fma(b, a, c): half of the pairs in each order
      if (a <= b)
        for (uint32_t c : numbers) (a ^ b) & 1 ? dut.expect_fma(a, b, c) : dut.expect_fma(b, a, c);
}

TEST_CASE("fp32_pkg fma equals std::fma for all pairs of exponents of the factors", "[fp32_pkg]") {
  Random random;
  Checker dut(OpFma);
  for (uint32_t exp_a = 0; exp_a < 256; ++exp_a)
    for (uint32_t exp_b = 0; exp_b < 256; ++exp_b)
      for (int trial = 0; trial < 24; ++trial) {
        const int64_t exp_c = int64_t{exp_a} + exp_b - 127 + random.below(101) - 50;
        dut.expect_fma(pack(random.below(2), exp_a, random.fraction()),
                       pack(random.below(2), exp_b, random.fraction()),
                       pack(random.below(2), clamp_exponent(exp_c), random.fraction()));
      }
}

TEST_CASE("fp32_pkg fma is exact at every distance between product and addend", "[fp32_pkg]") {
  Random random;
  Checker dut(OpFma);
  for (int distance = -80; distance <= 80; ++distance)
    for (int trial = 0; trial < 4000; ++trial) {
      const uint32_t exp_a = random.between(1, 254), exp_b = random.between(1, 254);
      const int64_t exp_c = int64_t{exp_a} + exp_b - 127 + distance;
      if (exp_c < 0 || exp_c > 254) continue;
      dut.expect_fma_signs(pack(0, exp_a, random.fraction()), pack(0, exp_b, random.fraction()),
                           pack(0, static_cast<uint32_t>(exp_c), random.fraction()));
    }
}

TEST_CASE("fp32_pkg fma keeps what cancellation leaves", "[fp32_pkg]") {
  Random random;
  Checker dut(OpFma);
  for (int i = 0; i < 1000000; ++i) {
    const uint32_t a = random.number(), b = random.number();
    const uint32_t product = mul_of(a, b);
    dut.expect_fma(a, b, (product ^ SignBit) + random.below(9) - 4);
  }
}

TEST_CASE("fp32_pkg fma rounds ties to even, also next to a tie", "[fp32_pkg]") {
  Random random;
  Checker dut(OpFma);
  // The product is half a unit in the addend's last place, or that and a little more or less.
  for (int i = 0; i < 300000; ++i) {
    const uint32_t exp_c = random.between(1, 254);
    const uint32_t exp_a = random.between(1, 254);
    const int64_t exp_b = int64_t{exp_c} - 24 - random.below(2) + 127 - exp_a;
    if (exp_b < 1 || exp_b > 254) continue;
    const uint32_t b = pack(0, static_cast<uint32_t>(exp_b), 0) + random.below(3) - 1;
    dut.expect_fma_signs(pack(0, exp_a, 0), b, pack(0, exp_c, random.fraction()));
  }
  // Products of two numbers of up to 13 significant bits each: ties of 25 bits are frequent.
  for (int i = 0; i < 300000; ++i) {
    const uint32_t a = pack(0, random.between(100, 150), random.bits() << (11 + random.below(3)));
    const uint32_t b = pack(0, random.between(100, 150), random.bits() << (11 + random.below(3)));
    const uint32_t tiny = pack(0, random.below(100), random.fraction());
    dut.expect_fma_signs(a, b, 0);
    dut.expect_fma_signs(a, b, tiny);
  }
}

TEST_CASE("fp32_pkg fma rounds subnormal results once", "[fp32_pkg]") {
  Random random;
  Checker dut(OpFma);
  for (int i = 0; i < 400000; ++i) {
    const uint32_t exp_a = random.between(0, 200);
    const int64_t exp_b = int64_t{127} - exp_a + random.below(34) - 28;
    const uint32_t c = pack(0, random.below(3), random.below(2) ? random.fraction() : 0);
    dut.expect_fma_signs(pack(0, exp_a, random.fraction()),
                         pack(0, clamp_exponent(exp_b), random.fraction()), c);
  }
}

TEST_CASE("fp32_pkg fma overflows exactly where std::fma does", "[fp32_pkg]") {
  Random random;
  Checker dut(OpFma);
  for (int i = 0; i < 400000; ++i) {
    const uint32_t exp_a = random.between(120, 254);
    // From half a unit in the last place of the largest number to more than that number.
    const int64_t exp_b = int64_t{254} + 127 - exp_a - random.below(28) + 1;
    dut.expect_fma_signs(pack(0, exp_a, random.fraction()),
                         pack(0, clamp_exponent(exp_b), random.fraction()),
                         MaxFinite - random.below(3));
  }
  for (uint32_t half_ulp : {pack(0, 229, 0), pack(0, 229, 1), pack(0, 228, 0x7FFFFF)})
    for (uint32_t c : {MaxFinite, MaxFinite - 1, Inf})
      dut.expect_fma_signs(half_ulp, pack(0, 127, 0), c);
}

TEST_CASE("fp32_pkg fma equals std::fma for ten million random triples", "[fp32_pkg]") {
  Random random;
  Checker dut(OpFma);
  for (int i = 0; i < 5000000; ++i) {
    dut.expect_fma(random.bits(), random.bits(), random.bits());
    dut.expect_fma(random.number(), random.number(), random.number());
  }
}

TEST_CASE("fp32_pkg mul and add equal the host's", "[fp32_pkg]") {
  Random random;
  Checker mul(OpMul), add(OpAdd);
  const auto numbers = corner_numbers();
  for (uint32_t a : numbers)
    for (uint32_t b : numbers) {
      mul.expect(mul_of(a, b), a, b);
      add.expect(add_of(a, b), a, b);
    }
  for (int i = 0; i < 500000; ++i) {
    const uint32_t a = random.number(), b = random.number();
    mul.expect(mul_of(a, b), a, b);
    add.expect(add_of(a, b), a, b);
  }
}

TEST_CASE("fp32_pkg max and min order zeros by sign and pass NaN on", "[fp32_pkg]") {
  Random random;
  Checker max(OpMax), min(OpMin);
  max.expect(0, 0, SignBit);
  max.expect(0, SignBit, 0);
  min.expect(SignBit, 0, SignBit);
  min.expect(SignBit, SignBit, 0);
  max.expect(CanonicalNan, 0xFFC12345, Inf);
  min.expect(CanonicalNan, Inf | SignBit, 0x7F800001);
  const auto numbers = corner_numbers();
  for (uint32_t a : numbers)
    for (uint32_t b : numbers) {
      max.expect(max_of(a, b), a, b);
      min.expect(min_of(a, b), a, b);
    }
  for (int i = 0; i < 500000; ++i) {
    const uint32_t a = random.bits(), b = random.below(4) ? random.bits() : a + random.below(3) - 1;
    max.expect(max_of(a, b), a, b);
    min.expect(min_of(a, b), a, b);
  }
}

TEST_CASE("fp32_pkg from_int rounds to nearest even", "[fp32_pkg]") {
  Random random;
  Checker dut(OpFromInt);
  const auto expect = [&](uint32_t value) {
    dut.expect(to_bits(static_cast<float>(static_cast<int32_t>(value))), value);
  };
  // All values of s8, u8, s16, u16.
  for (int32_t value = -0x8000; value <= 0xFFFF; ++value) expect(value);
  // Two ones and a neighbourhood: powers, ties and what is next to them, of every magnitude.
  for (uint32_t high = 0; high < 32; ++high)
    for (uint32_t low = 0; low <= high; ++low)
      for (uint32_t delta = 0; delta < 9; ++delta) {
        const uint32_t value = (1u << high | 1u << low) + delta - 4;
        expect(value);
        expect(-value);
        expect(~0u >> (31 - high) ^ (1u << low));
      }
  // Ties: 24 random bits, a one below them, then zeros or almost.
  for (int i = 0; i < 200000; ++i)
    for (int width = 25; width <= 31; ++width) {
      const uint32_t tie = (0x1000001u | (random.bits() & 0xFFFFFE)) << (width - 25);
      expect(tie + random.below(3) - 1);
      expect(-(tie + random.below(3) - 1));
    }
  for (int i = 0; i < 500000; ++i) expect(random.bits() >> random.below(32));
}

TEST_CASE("fp32_pkg to_int rounds to nearest even, saturates, and makes NaN 0", "[fp32_pkg]") {
  Random random;
  Checker dut(OpToInt);
  const auto expect = [&](uint32_t bits) { dut.expect(to_int_of(bits), bits); };
  dut.expect(0x7FFFFFFF, Inf);
  dut.expect(0x80000000, Inf | SignBit);
  dut.expect(0, CanonicalNan);
  dut.expect(0x7FFFFFFF, to_bits(2147483648.0f));
  dut.expect(0x7FFFFF80, to_bits(2147483520.0f));
  dut.expect(0x80000000, to_bits(-2147483648.0f));
  for_each_upper_half(expect);
  for_each_half(40000, expect);
  for (int i = 0; i < 1000000; ++i) expect(random.number());
  for (int i = 0; i < 1000000; ++i)
    expect(pack(random.below(2), random.between(120, 160), random.bits()));
}

TEST_CASE("fp32_pkg quantize is the clamp of the rounded value plus zero-point", "[fp32_pkg]") {
  Random random;
  Checker dut(OpQuantize);
  std::vector<Range> ranges = {{0, -128, 127},   {0, 0, 255},       {-128, -128, 127},
                               {127, -128, 127}, {255, 0, 255},     {128, 0, 255},
                               {3, 3, 127},      {-5, -5, -5},      {-128, 0, 255},
                               {255, -128, 127}, {-128, -128, 255}, {255, -128, 255}};
  for (int i = 0; i < 8; ++i) {
    const auto low = static_cast<int32_t>(random.between(-128, 255));
    ranges.push_back({static_cast<int32_t>(random.between(-128, 255)), low,
                      static_cast<int32_t>(random.between(low, 255))});
  }
  for (const Range& range : ranges) {
    dut.set_range(range);
    const auto expect = [&](uint32_t bits) { dut.expect(quantize_of(bits, range), bits); };
    for_each_upper_half(expect);
    for_each_half(600, expect);
    for (int i = 0; i < 50000; ++i) expect(random.number());
    for (int i = 0; i < 50000; ++i)
      expect(pack(random.below(2), random.between(120, 160), random.bits()));
  }
}

TEST_CASE("fp32_pkg division by a constant is the correctly rounded quotient", "[fp32_pkg]") {
  Random random;
  Checker mul(OpMul), fma(OpFma), select(OpDivSelect);
  // With the host's steps, each of which the RTL must repeat; in the normal range also x/s itself.
  const auto expect = [&](uint32_t x, uint32_t s) {
    const uint32_t r = to_bits(1.0f / to_float(s));
    const uint32_t q = mul_of(x, r);
    const uint32_t t = fma_of(q ^ SignBit, s, x);
    const uint32_t corrected = fma_of(t, r, q);
    const bool keep = to_float(q) == 0 || !std::isfinite(to_float(q));
    const uint32_t result = keep ? q : corrected;
    mul.expect(q, x, r);
    fma.expect(t, q ^ SignBit, s, x);
    fma.expect(corrected, t, r, q);
    select.expect(result, q, corrected);
    return result;
  };
  const auto quotient = [](uint32_t x, uint32_t s) { return to_bits(to_float(x) / to_float(s)); };

  size_t wrong = 0;
  for (int i = 0; i < 500000; ++i) {
    const uint32_t x = pack(random.below(2), random.between(67, 187), random.bits());
    const uint32_t s = pack(random.below(2), random.between(87, 167), random.bits());
    wrong += expect(x, s) != quotient(x, s);
  }
  // Quotients at ties of integers: where rounding the reciprocal alone goes wrong.
  for (int i = 0; i < 500000; ++i) {
    const uint32_t s = pack(0, random.between(110, 130), random.bits());
    const auto half = static_cast<float>(static_cast<int>(random.between(-300, 300))) + 0.5f;
    const uint32_t x = to_bits(half * to_float(s)) + random.below(3) - 1;
    wrong += expect(x, s) != quotient(x, s);
  }
  CHECK(wrong == 0);
  // Zeros keep their sign; infinity and NaN stay.
  const uint32_t s = to_bits(0.1f);
  for (uint32_t x : {0u, SignBit, Inf, Inf | SignBit, CanonicalNan})
    CHECK(expect(x, s) == quotient(x, s));
  for (int i = 0; i < 300000; ++i) expect(random.number(), random.number());
}
