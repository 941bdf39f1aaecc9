// verilator: -GWidth=16 -GDepth=3
#include "Vfifo.h"

#include <catch2/catch.hpp>
#include <deque>

#include "tests/support/dut.hpp"

namespace {

using systole::test::make_rng;
using systole::test::one_in;
using systole::test::uniform;

constexpr int kDepth = 3;

struct FifoDut : systole::test::Dut<Vfifo> {
  FifoDut() {
    (*this)->valid_i = 0;
    (*this)->ready_i = 0;
    reset();
  }

  void push(uint16_t value) {
    (*this)->valid_i = 1;
    (*this)->data_i = value;
    wait_until([&] { return (*this)->ready_o; }, 10, "ready");
    tick();
    (*this)->valid_i = 0;
    settle();
  }
};

TEST_CASE("fifo offers an entry in the cycle after it took it", "[fifo]") {
  FifoDut dut;
  dut->valid_i = 1;
  dut->data_i = 0x1234;
  dut.settle();
  CHECK(dut->valid_o == 0);
  dut.tick();
  dut->valid_i = 0;
  dut.settle();
  CHECK(dut->valid_o == 1);
  CHECK(dut->data_o == 0x1234);
}

TEST_CASE("fifo is ready with Depth - 1 entries and not with Depth", "[fifo]") {
  FifoDut dut;
  for (int i = 0; i < kDepth - 1; ++i) dut.push(i);
  CHECK(dut->ready_o == 1);
  dut.push(kDepth - 1);
  CHECK(dut->ready_o == 0);
  CHECK(dut->count_o == kDepth);
  // Its ready is a register's: taking an entry does not free its place in the same cycle.
  dut->ready_i = 1;
  dut.settle();
  CHECK(dut->ready_o == 0);
  dut.tick();
  dut.settle();
  CHECK(dut->ready_o == 1);
}

TEST_CASE("fifo carries one entry a cycle", "[fifo]") {
  FifoDut dut;
  dut->valid_i = 1;
  dut->ready_i = 1;
  dut.tick();
  for (int i = 0; i < 20; ++i) {
    dut.settle();
    CHECK(dut->valid_o == 1);
    CHECK(dut->ready_o == 1);
    dut.tick();
  }
}

TEST_CASE("fifo keeps order and loses nothing under random traffic", "[fifo]") {
  FifoDut dut;
  auto rng = make_rng();
  std::deque<uint16_t> expected;
  int taken = 0;
  for (int cycle = 0; cycle < 5000; ++cycle) {
    const int phase = cycle / 500 % 3;
    dut->valid_i = one_in(rng, phase == 0 ? 1 : 3);
    dut->ready_i = one_in(rng, phase == 1 ? 1 : 3);
    dut->data_i = static_cast<uint16_t>(uniform(rng, 0, 0xffff));
    dut.settle();
    REQUIRE(dut->count_o == expected.size());
    if (dut->valid_o && dut->ready_i) {
      REQUIRE(!expected.empty());
      REQUIRE(dut->data_o == expected.front());
      expected.pop_front();
      ++taken;
    }
    if (dut->valid_i && dut->ready_o) expected.push_back(dut->data_i);
    dut.tick();
  }
  CHECK(taken > 1000);
}

}  // namespace
