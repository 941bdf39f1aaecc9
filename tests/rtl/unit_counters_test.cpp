#include "Vunit_counters.h"

#include <catch2/catch.hpp>

#include "rtl/spec/gen/systole_commands.hpp"
#include "tests/support/dut.hpp"

using namespace systole::spec;
using systole::test::make_rng;
using systole::test::one_in;
using systole::test::uniform;

namespace {

constexpr unsigned kUnit = 0;  // the parameter's default

class Dut : public systole::test::Dut<Vunit_counters> {
 public:
  Dut() {
    set(UnitState::NoWork);
    (*this)->sem_nonzero_i = 0;
    (*this)->read_i = 0;
    reset();
  }

  void set(UnitState state, uint16_t mask = 0) {
    (*this)->state_i = uint8_t(state);
    (*this)->take_mask_i = mask;
  }

  /// A read takes a cycle, which is one of NoWork.
  uint32_t read(unsigned word) {
    const auto state = (*this)->state_i;
    (*this)->state_i = uint8_t(UnitState::NoWork);
    (*this)->read_i = 1;
    (*this)->word_i = word;
    tick();
    ++reads_;
    (*this)->state_i = state;
    (*this)->read_i = 0;
    settle();
    return (*this)->count_o;
  }
  /// Without the cycles of the reads before.
  uint32_t state_count(unsigned state) {
    const uint32_t reads = state == unsigned(UnitState::NoWork) ? reads_ : 0;
    return read(16 * kUnit + state) - reads;
  }
  uint32_t wait_count(unsigned sem) { return read(64 + 16 * kUnit + sem); }

 private:
  uint32_t reads_ = 0;
};

}  // namespace

TEST_CASE("unit_counters counts each state, and no other", "[unit_counters]") {
  for (unsigned state = 0; state < NumUnitStates; ++state) {
    Dut dut;
    dut.set(UnitState(state), 1);
    const uint32_t cycles = 23 + state;
    dut.ticks(cycles);
    for (unsigned s = 0; s < 16; ++s) {
      INFO("state " << s << ", in " << state);
      REQUIRE(dut.state_count(s) == (s == state ? cycles : 0));
    }
  }
}

TEST_CASE("unit_counters answers for its own unit", "[unit_counters]") {
  Dut dut;
  dut.set(UnitState::WaitSemaphore, 1);
  dut.ticks(3);
  for (unsigned word = 0; word < 2 * 64; ++word) {
    if (word == 16 * kUnit + unsigned(UnitState::NoWork)) continue;  // counts the reads
    const bool mine =
        word == 16 * kUnit + unsigned(UnitState::WaitSemaphore) || word == 64 + 16 * kUnit;
    REQUIRE(dut.read(word) == (mine ? 3 : 0));
  }
}

TEST_CASE("unit_counters shows what was counted before the cycle of the read, until the next read",
          "[unit_counters]") {
  Dut dut;
  dut.set(UnitState::WaitSemaphore, 1);
  dut.ticks(5);
  for (const unsigned word : {16 * kUnit + unsigned(UnitState::WaitSemaphore), 64 + 16 * kUnit}) {
    const uint32_t before = dut.read(word);
    dut->read_i = 1;
    dut->word_i = word;
    dut.tick();
    CHECK(dut->count_o == before);
    dut.tick();
    CHECK(dut->count_o == before + 1);
    dut->read_i = 0;
    dut->word_i = word + 1;
    dut.ticks(3);
    CHECK(dut->count_o == before + 1);
    CHECK(dut.read(word) == before + 5);
  }
}

TEST_CASE("unit_counters charges a wait to the lowest semaphore missing", "[unit_counters]") {
  for (unsigned sem = 0; sem < NumSemaphores; ++sem) {
    Dut dut;
    // Those below are there, those above are missed, too.
    dut->sem_nonzero_i = (1U << sem) - 1;
    dut.set(UnitState::WaitSemaphore, 0xffff);
    dut.ticks(4);
    for (unsigned s = 0; s < NumSemaphores; ++s) REQUIRE(dut.wait_count(s) == (s == sem ? 4 : 0));
  }
}

TEST_CASE("unit_counters charges a wait behind another unit to the lowest semaphore asked for",
          "[unit_counters]") {
  Dut dut;
  dut->sem_nonzero_i = 0xffff;
  dut.set(UnitState::WaitSemaphore, 0x0480);
  dut.ticks(2);
  CHECK(dut.wait_count(7) == 2);
  CHECK(dut.wait_count(10) == 0);
}

TEST_CASE("unit_counters: states add up to the cycles, waits to WaitSemaphore", "[unit_counters]") {
  auto rng = make_rng();
  Dut dut;
  constexpr uint32_t kCycles = 5000;
  for (uint32_t cycle = 0; cycle < kCycles; ++cycle) {
    dut->sem_nonzero_i = uint16_t(rng());
    const auto state =
        one_in(rng, 3) ? UnitState::WaitSemaphore : UnitState(uniform(rng, 0, NumUnitStates - 1));
    dut.set(state, uint16_t(uniform(rng, 1, 0xffff)));
    dut.tick();
  }
  uint32_t states = 0, waits = 0;
  for (unsigned s = 0; s < NumUnitStates; ++s) states += dut.state_count(s);
  for (unsigned s = 0; s < NumSemaphores; ++s) waits += dut.wait_count(s);
  CHECK(states == kCycles);
  CHECK(waits == dut.state_count(unsigned(UnitState::WaitSemaphore)));
  CHECK(waits > kCycles / 4);
}
