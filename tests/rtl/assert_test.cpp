// The test bench itself: what must go red does.
#include "Vassert.h"

#include <catch2/catch.hpp>

#include "tests/support/dut.hpp"

namespace {

using systole::test::AssertionFailed;
using systole::test::Dut;
using systole::test::Timeout;

struct AssertDut : Dut<Vassert> {
  explicit AssertDut(uint64_t max_cycles = 100) : Dut(max_cycles) {
    (*this)->value_i = 0;
    reset();
  }
  void step(int value) {
    (*this)->value_i = value;
    tick();
  }
};

TEST_CASE("a failed RTL assertion throws out of tick", "[assert]") {
  AssertDut dut;
  for (int value = 0; value < 15; ++value) CHECK_NOTHROW(dut.step(value));
  dut.step(15);
  CHECK_THROWS_AS(dut.step(15), AssertionFailed);
}

TEST_CASE("a failed assertion over the past throws", "[assert]") {
  AssertDut dut;
  dut.step(2);
  CHECK_THROWS_AS(dut.step(2), AssertionFailed);
}

TEST_CASE("an assertion is off in reset", "[assert]") {
  AssertDut dut;
  dut.step(1);
  dut.step(2);
  CHECK_NOTHROW(dut.reset());
}

TEST_CASE("a wait ends at its bound, not one cycle earlier", "[assert]") {
  AssertDut dut;
  dut->value_i = 1;
  CHECK_THROWS_AS(dut.wait_until([&] { return dut->value_q_o == 1; }, 0, "a value"), Timeout);
  CHECK_NOTHROW(dut.wait_until([&] { return dut->value_q_o == 1; }, 1, "a value"));
}

TEST_CASE("a test that runs beyond its cycles throws", "[assert]") {
  AssertDut dut(10);
  dut.ticks(7);
  CHECK_THROWS_AS(dut.tick(), Timeout);
}

}  // namespace
