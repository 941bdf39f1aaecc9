// fp32_functions_pkg against host/golden/functions.hpp, whose error bounds
// tests/host/functions_test.cpp proves: every mantissa, and steps through all operands; [.slow]
// every operand.
#include <Vfp32_functions_pkg.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>

#include "host/golden/functions.hpp"
#include "tests/support/dut.hpp"
#include "tests/support/seed.hpp"

namespace {

namespace golden = systole::golden::binary32;

constexpr uint64_t kLanes = 16;
constexpr uint64_t kDelay = 4;

// Numbers as in fp32_functions_pkg_tb.sv.
enum Op : uint8_t { OpExp2, OpRecip, OpRsqrt };

float golden_of(Op op, float x) {
  switch (op) {
    case OpExp2:
      return golden::exp2(x);
    case OpRecip:
      return golden::recip(x);
    default:
      return golden::rsqrt(x);
  }
}

// Sends groups of operands through the stages, one a cycle, and compares what comes out.
class Checker {
 public:
  explicit Checker(Op op) : op_(op) { model_->op_i = op; }
  ~Checker() {
    for (uint64_t i = 0; i < kLanes * (kDelay + 1); ++i) expect(0);
    CHECK(mismatches_ == 0);
    CHECK(group_ > 2 * kDelay);
  }

  void expect(uint32_t bits) {
    model_->x_i[lane_] = sent_[group_ % kDelay][lane_] = bits;
    if (++lane_ == kLanes) step();
  }

  // Operands from `first` to `last`, both included.
  void sweep(uint32_t first, uint32_t last, uint32_t step) {
    for (uint64_t bits = first; bits <= last; bits += step) expect(static_cast<uint32_t>(bits));
  }

 private:
  void step() {
    lane_ = 0;
    model_.tick();
    ++group_;
    if (group_ < kDelay) return;
    for (uint64_t i = 0; i < kLanes; ++i) compare(sent_[group_ % kDelay][i], model_->result_o[i]);
  }

  void compare(uint32_t operand, uint32_t result) {
    const uint32_t expected = golden::to_bits(golden_of(op_, golden::from_bits(operand)));
    if (result == expected || mismatches_++ >= 5) return;
    UNSCOPED_INFO(std::hex << "op " << int{op_} << " of " << operand << ": got " << result
                           << ", expected " << expected);
  }

  Op op_;
  systole::test::Dut<Vfp32_functions_pkg> model_{1'000'000'000};
  std::array<std::array<uint32_t, kLanes>, kDelay> sent_{};
  uint64_t lane_ = 0, group_ = 0, mismatches_ = 0;
};

constexpr Op kOps[] = {OpExp2, OpRecip, OpRsqrt};
constexpr uint32_t kOne = 0x3F800000;
constexpr uint32_t kMantissas = 0x00800000;

}  // namespace

TEST_CASE("fp32_functions_pkg equals the golden model for every mantissa", "[fp32_functions_pkg]") {
  for (const Op op : kOps) {
    Checker dut(op);
    dut.sweep(kOne, kOne + 2 * kMantissas - 1, 1);  // rsqrt: of even and odd exponents
    if (op == OpExp2) dut.sweep(kOne | 0x80000000, kOne + kMantissas - 1 | 0x80000000, 1);
  }
}

TEST_CASE("fp32_functions_pkg equals the golden model in steps through all operands",
          "[fp32_functions_pkg]") {
  for (const Op op : kOps) Checker(op).sweep(0, 0xFFFFFFFF, 977);
}

TEST_CASE(
    "fp32_functions_pkg equals the golden model where results become subnormal, zero, infinite",
    "[fp32_functions_pkg]") {
  for (const Op op : kOps) {
    Checker dut(op);
    for (const uint32_t sign : {0u, 0x80000000u}) {
      for (uint32_t exponent = 0; exponent < 256; ++exponent) {
        const uint32_t start = sign | exponent << 23;
        dut.sweep(start, start + 40, 1);
        dut.sweep(start + kMantissas - 41, start + kMantissas - 1, 1);
      }
      for (uint32_t whole = 0; whole < 300; ++whole) {
        const uint32_t bits = sign | golden::to_bits(static_cast<float>(whole));
        for (uint32_t near = 0; near <= 8; ++near) dut.expect(bits + near - 4);
      }
      dut.sweep(sign | 0x001FFF00, sign | 0x00200100, 1);  // reciprocals around 2^128
      dut.sweep(sign | 0x003FFF00, sign | 0x00400100, 1);
    }
  }
}

TEST_CASE("fp32_functions_pkg equals the golden model for every operand",
          "[.slow][fp32_functions_pkg]") {
  for (const Op op : kOps) Checker(op).sweep(0, 0xFFFFFFFF, 1);
}
