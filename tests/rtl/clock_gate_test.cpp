#include "Vclock_gate.h"

#include <catch2/catch.hpp>

#include "tests/support/dut.hpp"

namespace {

struct GateDut : systole::test::Dut<Vclock_gate> {
  GateDut() {
    (*this)->en_i = 0;
    (*this)->test_en_i = 0;
    reset();
  }
};

TEST_CASE("clock_gate lets exactly the enabled edges through", "[clock_gate]") {
  GateDut dut;
  auto rng = systole::test::make_rng();
  uint8_t expected = dut->count_o;
  for (int cycle = 0; cycle < 200; ++cycle) {
    dut->en_i = systole::test::one_in(rng, 2);
    expected += dut->en_i;
    dut.tick();
    REQUIRE(dut->clk_o == dut->en_i);
    REQUIRE(dut->count_o == expected);
  }
}

TEST_CASE("clock_gate holds its decision while the clock is high", "[clock_gate]") {
  GateDut dut;
  dut->en_i = 1;
  dut.tick();
  REQUIRE(dut->clk_o == 1);
  dut->en_i = 0;
  dut->eval();
  CHECK(dut->clk_o == 1);
  dut.settle();
  dut->clk_i = 1;
  dut->eval();
  CHECK(dut->clk_o == 0);
  dut->en_i = 1;
  dut->eval();
  CHECK(dut->clk_o == 0);
}

TEST_CASE("clock_gate is open in scan", "[clock_gate]") {
  GateDut dut;
  dut->test_en_i = 1;
  dut.tick();
  CHECK(dut->clk_o == 1);
}

}  // namespace
