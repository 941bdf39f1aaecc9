#include "Vunit_counters.h"

#include <catch2/catch.hpp>

#include "rtl/spec/gen/systole_commands.hpp"
#include "tests/support/dut.hpp"

using namespace systole::spec;
using systole::test::make_rng;
using systole::test::one_in;
using systole::test::uniform;

namespace {

class Dut : public systole::test::Dut<Vunit_counters> {
 public:
  Dut() {
    for (unsigned u = 0; u < NumUnits; ++u) set(u, UnitState::NoWork);
    (*this)->sem_nonzero_i = 0;
    reset();
  }

  void set(unsigned unit, UnitState state, uint16_t mask = 0) {
    (*this)->state_i[unit] = uint8_t(state);
    (*this)->take_mask_i[unit] = mask;
  }

  uint32_t state_count(unsigned unit, unsigned state) { return read(16 * unit + state); }
  uint32_t wait_count(unsigned unit, unsigned sem) { return read(64 + 16 * unit + sem); }

 private:
  uint32_t read(unsigned word) {
    (*this)->word_i = word;
    settle();
    return (*this)->count_o;
  }
};

}  // namespace

TEST_CASE("unit_counters counts each state of each unit, and no other", "[unit_counters]") {
  for (unsigned unit = 0; unit < NumUnits; ++unit) {
    for (unsigned state = 0; state < NumUnitStates; ++state) {
      Dut dut;
      dut.set(unit, UnitState(state), 1);
      const uint32_t cycles = 3 + state;
      dut.ticks(cycles);
      for (unsigned u = 0; u < NumUnits; ++u) {
        for (unsigned s = 0; s < NumUnitStates; ++s) {
          const unsigned in = u == unit ? state : unsigned(UnitState::NoWork);
          INFO("unit " << u << " state " << s << ", unit " << unit << " in " << state);
          REQUIRE(dut.state_count(u, s) == (s == in ? cycles : 0));
        }
      }
    }
  }
}

TEST_CASE("unit_counters charges a wait to the lowest semaphore missing", "[unit_counters]") {
  for (unsigned sem = 0; sem < NumSemaphores; ++sem) {
    Dut dut;
    // Those below are there, those above are missed, too.
    dut->sem_nonzero_i = (1U << sem) - 1;
    dut.set(2, UnitState::WaitSemaphore, 0xffff);
    dut.ticks(4);
    for (unsigned s = 0; s < NumSemaphores; ++s)
      REQUIRE(dut.wait_count(2, s) == (s == sem ? 4 : 0));
  }
}

TEST_CASE("unit_counters charges a wait behind another unit to the lowest semaphore asked for",
          "[unit_counters]") {
  Dut dut;
  dut->sem_nonzero_i = 0xffff;
  dut.set(3, UnitState::WaitSemaphore, 0x0480);
  dut.ticks(2);
  CHECK(dut.wait_count(3, 7) == 2);
  CHECK(dut.wait_count(3, 10) == 0);
}

TEST_CASE("unit_counters: states add up to the cycles, waits to WaitSemaphore", "[unit_counters]") {
  auto rng = make_rng();
  Dut dut;
  constexpr uint32_t kCycles = 5000;
  for (uint32_t cycle = 0; cycle < kCycles; ++cycle) {
    dut->sem_nonzero_i = uint16_t(rng());
    for (unsigned u = 0; u < NumUnits; ++u) {
      const auto state =
          one_in(rng, 3) ? UnitState::WaitSemaphore : UnitState(uniform(rng, 0, NumUnitStates - 1));
      dut.set(u, state, uint16_t(uniform(rng, 1, 0xffff)));
    }
    dut.tick();
  }
  for (unsigned u = 0; u < NumUnits; ++u) {
    uint32_t states = 0, waits = 0;
    for (unsigned s = 0; s < NumUnitStates; ++s) states += dut.state_count(u, s);
    for (unsigned s = 0; s < NumSemaphores; ++s) waits += dut.wait_count(u, s);
    CHECK(states == kCycles);
    CHECK(waits == dut.state_count(u, unsigned(UnitState::WaitSemaphore)));
    CHECK(waits > kCycles / 4);
  }
}
