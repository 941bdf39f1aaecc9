// verilator: -GN=5
#include "Vrr_arbiter.h"

#include <array>
#include <catch2/catch.hpp>

#include "tests/support/dut.hpp"

namespace {

using systole::test::make_rng;
using systole::test::one_in;
using systole::test::uniform;

constexpr int kN = 5;

struct ArbiterDut : systole::test::Dut<Vrr_arbiter> {
  ArbiterDut() {
    (*this)->request_i = 0;
    (*this)->advance_i = 0;
    reset();
  }
};

TEST_CASE("rr_arbiter serves all requesters in turn", "[rr_arbiter]") {
  ArbiterDut dut;
  dut->request_i = (1 << kN) - 1;
  dut->advance_i = 1;
  for (int i = 0; i < 3 * kN; ++i) {
    dut.settle();
    CHECK(dut->index_o == i % kN);
    CHECK(dut->grant_o == 1 << (i % kN));
    dut.tick();
  }
}

TEST_CASE("rr_arbiter keeps its grant until it advances", "[rr_arbiter]") {
  ArbiterDut dut;
  dut->request_i = 0b10110;
  dut->advance_i = 0;
  for (int i = 0; i < 4; ++i) {
    dut.settle();
    CHECK(dut->grant_o == 0b00010);
    dut.tick();
  }
  dut->advance_i = 1;
  dut.tick();
  dut.settle();
  CHECK(dut->grant_o == 0b00100);
}

TEST_CASE("rr_arbiter makes no requester wait for more than N - 1 others", "[rr_arbiter]") {
  ArbiterDut dut;
  auto rng = make_rng();
  std::array<int, kN> others_served{};
  int pending = 0;
  for (int cycle = 0; cycle < 5000; ++cycle) {
    pending |= static_cast<int>(uniform(rng, 0, (1 << kN) - 1));
    dut->request_i = pending;
    dut->advance_i = !one_in(rng, 4);
    dut.settle();
    REQUIRE(dut->any_o == (pending != 0));
    REQUIRE((dut->grant_o & ~pending) == 0);
    if (dut->advance_i && pending != 0) {
      REQUIRE(dut->grant_o == 1 << dut->index_o);
      for (int i = 0; i < kN; ++i) {
        if (i == dut->index_o || !(pending >> i & 1)) {
          others_served[i] = 0;
        } else {
          REQUIRE(++others_served[i] <= kN - 1);
        }
      }
      pending &= ~(1 << dut->index_o);
    }
    dut.tick();
  }
}

}  // namespace
