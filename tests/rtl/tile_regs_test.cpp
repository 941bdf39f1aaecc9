#include "Vtile_regs.h"

#include <catch2/catch.hpp>
#include <map>

#include "rtl/spec/gen/systole_commands.hpp"
#include "rtl/spec/gen/systole_spec.h"
#include "tests/support/dut.hpp"

using namespace systole::spec;
using systole::test::make_rng;
using systole::test::uniform;

namespace {

constexpr uint32_t LAUNCH = 1;
constexpr uint32_t CLEAR = 2;
constexpr uint32_t ABORT = 4;

class Dut : public systole::test::Dut<Vtile_regs> {
 public:
  Dut() {
    Vtile_regs& dut = **this;
    dut.reg_req_i = 0;
    dut.here_i = 0x01;
    dut.event_ready_i = 0;
    dut.ni_quiet_i = 1;
    dut.ni_events_i = 0;
    dut.post_fault_valid_i = 0;
    dut.ended_i = 15;
    dut.seq_busy_i = 0;
    dut.fault_valid_i = 0;
    dut.unit_busy_i = 0;
    dut.sem_overflow_i = 0;
    dut.sem_nonzero_i = 0;
    dut.spad_grants_i = dut.spad_refusals_i = 0;
    dut.count_i = dut.clock_off_i = dut.noc_count_i = 0;
    reset();
  }

  uint32_t read(uint32_t offset) {
    (*this)->reg_req_i = 1;
    (*this)->reg_we_i = 0;
    (*this)->reg_word_i = offset / 4;
    tick();
    (*this)->reg_req_i = 0;
    settle();
    return (*this)->reg_rdata_o;
  }

  /// Reads a word that is counted elsewhere, and comes in at `input` in the cycle after the request
  /// alone.
  uint32_t read_counted(uint32_t offset, IData& input, uint32_t value) {
    input = ~value;
    (*this)->reg_req_i = 1;
    (*this)->reg_we_i = 0;
    (*this)->reg_word_i = offset / 4;
    tick();
    (*this)->reg_req_i = 0;
    input = value;
    settle();
    return (*this)->reg_rdata_o;
  }

  /// Writes a register; returns whether the sequencers were launched.
  bool write(uint32_t offset, uint32_t value) {
    (*this)->reg_req_i = 1;
    (*this)->reg_we_i = 1;
    (*this)->reg_word_i = offset / 4;
    (*this)->reg_wdata_i = value;
    settle();
    const bool launched = (*this)->launch_o;
    tick();
    (*this)->reg_req_i = 0;
    settle();
    return launched;
  }

  bool control(uint32_t bits) { return write(SYSTOLE_TILE_CONTROL, bits); }

  /// Launches, as the sequencers see it.
  void launch() {
    REQUIRE(control(LAUNCH));
    (*this)->ended_i = 0;
    (*this)->seq_busy_i = 15;
    settle();
  }

  void end() {
    (*this)->ended_i = 15;
    (*this)->seq_busy_i = 0;
    tick();
    settle();
  }

  void fault(int unit, Fault code, uint64_t info, int pc) {
    (*this)->fault_valid_i |= 1 << unit;
    (*this)->fault_i[unit] = uint64_t(code) << 48 | info;
    (*this)->fault_pc_i[unit] = pc;
    tick();
    (*this)->fault_valid_i = 0;
    settle();
  }

  void expect_status(bool running, bool done, bool fault) {
    const uint32_t status = read(SYSTOLE_TILE_STATUS);
    REQUIRE(bool(status & SYSTOLE_TILE_STATUS_RUNNING_MASK) == running);
    REQUIRE(bool(status & SYSTOLE_TILE_STATUS_DONE_MASK) == done);
    REQUIRE(bool(status & SYSTOLE_TILE_STATUS_FAULT_MASK) == fault);
  }

  void expect_fault(Fault code, int unit, int pc, uint64_t info) {
    expect_status(false, false, true);
    REQUIRE(read(SYSTOLE_TILE_FAULT) == (uint32_t(code) | unit << 8 | pc << 16));
    REQUIRE(read(SYSTOLE_TILE_FAULT_INFO_LO) == uint32_t(info));
    REQUIRE(read(SYSTOLE_TILE_FAULT_INFO_HI) == uint32_t(info >> 32));
  }

  void take_event(bool fault) {
    REQUIRE((*this)->event_valid_o == 1);
    REQUIRE((*this)->event_fault_o == fault);
    (*this)->event_ready_i = 1;
    tick();
    (*this)->event_ready_i = 0;
    settle();
    REQUIRE((*this)->event_valid_o == 0);
  }
};

}  // namespace

TEST_CASE("tile_regs: every writable register keeps its own value", "[tile_regs]") {
  auto rng = make_rng();
  Dut dut;
  std::map<uint32_t, uint32_t> want;
  const auto write = [&](uint32_t offset, uint32_t mask) {
    const uint32_t value = uint32_t(rng());
    dut.write(offset, value);
    want[offset] = value & mask;
  };
  write(SYSTOLE_TILE_INPUTS, ~0U);
  for (int i = 0; i < 4; ++i) write(SYSTOLE_TILE_PROGRAM_LOAD + 4 * i, 0x3ffff);
  write(SYSTOLE_TILE_WINDOW_PERM, 0xff);
  for (int i = 0; i < 4; ++i) write(SYSTOLE_TILE_WINDOW_BASE0 + 4 * i, ~0U);
  for (int i = 0; i < 4; ++i) write(SYSTOLE_TILE_WINDOW_LIMIT0 + 4 * i, ~0U);
  for (int i = 0; i < 16; ++i) write(SYSTOLE_TILE_PARAM0 + 4 * i, ~0U);
  for (int i = 0; i < 16; ++i) write(SYSTOLE_TILE_STEP0 + 4 * i, ~0U);
  for (uint32_t offset = 0; offset < 0x1000; offset += 4) {
    if (offset >= SYSTOLE_TILE_SEMAPHORES0 && offset < 0x110) continue;
    if (offset >= SYSTOLE_TILE_LOAD_BUSY && offset < 0x500) continue;
    if (offset == SYSTOLE_TILE_ID) continue;
    INFO("offset " << offset);
    REQUIRE(dut.read(offset) == (want.count(offset) ? want[offset] : 0));
  }
  REQUIRE(dut.read(SYSTOLE_TILE_ID) == 0x01000101);
  for (int i = 0; i < 16; ++i) {
    REQUIRE(dut->param_o[i] == want[SYSTOLE_TILE_PARAM0 + 4 * i]);
    REQUIRE(dut->step_o[i] == want[SYSTOLE_TILE_STEP0 + 4 * i]);
    dut->sem_count_i[i] = i + 1;
  }
  REQUIRE(dut.read(SYSTOLE_TILE_SEMAPHORES1) == 0x08070605);
}

TEST_CASE("tile_regs: a tile is done when all programs end and all is quiet", "[tile_regs]") {
  Dut dut;
  dut.launch();
  dut.expect_status(true, false, false);
  dut->unit_busy_i = 8;
  dut->ni_quiet_i = 0;
  dut.end();
  dut.expect_status(true, false, false);
  dut->unit_busy_i = 0;
  dut.expect_status(true, false, false);
  REQUIRE(dut->event_valid_o == 0);
  dut->ni_quiet_i = 1;
  dut.tick();
  dut.expect_status(false, true, false);
  REQUIRE(dut->stop_o == 0);
  dut.take_event(false);
  REQUIRE(dut->busy_o == 0);
  dut.launch();
  dut.expect_status(true, false, false);
}

TEST_CASE("tile_regs: launch of a busy tile or with semaphores is a fault", "[tile_regs]") {
  Dut dut;
  SECTION("running") {
    dut.launch();
    REQUIRE(!dut.control(LAUNCH));
    dut.expect_fault(Fault::LaunchBusy, 0, 0, 0);
  }
  SECTION("a unit has something under way") {
    dut->unit_busy_i = 2;
    REQUIRE(!dut.control(LAUNCH));
    dut.expect_fault(Fault::LaunchBusy, 0, 0, 0);
  }
  SECTION("semaphores are left") {
    dut->sem_nonzero_i = 0x8001;
    REQUIRE(!dut.control(LAUNCH));
    dut.expect_fault(Fault::LaunchSemaphore, 0, 0, 0x8001);
  }
  dut.take_event(true);
  // While the fault stands, another launch tells so again.
  dut->unit_busy_i = 0;
  dut->seq_busy_i = 0;
  dut->ended_i = 15;
  dut->sem_nonzero_i = 0;
  REQUIRE(!dut.control(LAUNCH));
  dut.take_event(true);
  dut.control(CLEAR);
  dut.tick();
  dut.expect_status(false, false, false);
  dut.launch();
}

TEST_CASE("tile_regs: a program that leaves semaphores behind is a fault", "[tile_regs]") {
  Dut dut;
  dut.launch();
  dut->sem_nonzero_i = 0x0100;
  dut.end();
  dut.expect_fault(Fault::EndSemaphore, 0, 0, 0x0100);
  dut.take_event(true);
}

TEST_CASE("tile_regs keeps the first fault", "[tile_regs]") {
  Dut dut;
  dut.launch();
  dut.fault(2, Fault::Operand, 0x123456789abc, 300);
  REQUIRE(dut->stop_o == 1);
  REQUIRE(dut->abort_o == 0);
  dut.take_event(true);
  dut.fault(0, Fault::Window, 1, 2);
  dut->sem_overflow_i = 1;
  dut.tick();
  dut->sem_overflow_i = 0;
  dut.expect_fault(Fault::Operand, 2, 300, 0x123456789abc);
  REQUIRE(dut->event_valid_o == 0);

  // Clear waits for quiet.
  dut->unit_busy_i = 1;
  dut.control(CLEAR);
  dut.ticks(3);
  dut.settle();
  REQUIRE(dut->clear_o == 0);
  REQUIRE(dut->busy_o == 1);
  dut->unit_busy_i = 0;
  dut->seq_busy_i = 0;
  dut.settle();
  REQUIRE(dut->clear_o == 1);
  dut.tick();
  dut.settle();
  REQUIRE(dut->clear_o == 0);
  REQUIRE(dut->stop_o == 0);
  REQUIRE(dut.read(SYSTOLE_TILE_FAULT) == 0);
}

TEST_CASE("tile_regs: of one cycle's faults the lowest unit's wins", "[tile_regs]") {
  Dut dut;
  dut.launch();
  dut->fault_i[3] = uint64_t(Fault::Window) << 48 | 33;
  dut->fault_pc_i[3] = 3;
  dut->fault_valid_i = 8;
  dut->post_fault_valid_i = 1;
  dut->post_fault_i = uint64_t(Fault::Response) << 48;
  dut->sem_overflow_i = 1;
  dut.fault(1, Fault::Opcode, 11, 1);
  dut.expect_fault(Fault::Opcode, 1, 1, 11);
}

TEST_CASE("tile_regs: semaphore overflow and post faults from the network are kept",
          "[tile_regs]") {
  Dut dut;
  SECTION("overflow") {
    dut->sem_overflow_i = 1;
    dut->sem_i = 5;
    dut.tick();
    dut->sem_overflow_i = 0;
    dut.expect_fault(Fault::SemOverflow, 0, 0, 1 << 5);
  }
  SECTION("post") {
    dut->post_fault_valid_i = 1;
    dut->post_fault_i = uint64_t(Fault::Window) << 48 | 0x40000000000;
    dut->post_fault_unit_i = 3;
    dut->post_fault_pc_i = 9;
    dut.tick();
    dut->post_fault_valid_i = 0;
    dut.expect_fault(Fault::Window, 3, 9, 0x40000000000);
  }
}

TEST_CASE("tile_regs: abort stops all until clear", "[tile_regs]") {
  Dut dut;
  dut.launch();
  dut.control(ABORT);
  REQUIRE(dut->stop_o == 1);
  REQUIRE(dut->abort_o == 1);
  REQUIRE(dut->aborted_o == 1);
  dut.tick();
  dut.settle();
  REQUIRE(dut->abort_o == 0);
  dut.fault(0, Fault::Response, 0, 0);
  dut->seq_busy_i = 0;
  dut.ticks(5);
  REQUIRE(dut->event_valid_o == 0);
  dut.control(CLEAR);
  dut.tick();
  dut.settle();
  REQUIRE(dut->stop_o == 0);
  REQUIRE(dut->aborted_o == 0);
  dut.expect_status(false, false, false);
}

TEST_CASE("tile_regs counts CYCLES by launch, and events from reset on", "[tile_regs]") {
  auto rng = make_rng();
  Dut dut;
  uint32_t stalls = 0, grants = 0, refusals = 0;
  for (int round = 0; round < 3; ++round) {
    dut.launch();
    const int cycles = int(uniform(rng, 10, 300));
    for (int cycle = 0; cycle < cycles; ++cycle) {
      dut->ni_events_i = uint8_t(uniform(rng, 0, 1));
      dut->spad_grants_i = uint8_t(uniform(rng, 0, 15));
      dut->spad_refusals_i = uint8_t(uniform(rng, 0, 15));
      stalls += dut->ni_events_i;
      grants += dut->spad_grants_i;
      refusals += dut->spad_refusals_i;
      dut.tick();
    }
    dut->ni_events_i = 0;
    dut->spad_grants_i = dut->spad_refusals_i = 0;
    dut.end();
    REQUIRE(dut.read(SYSTOLE_TILE_CYCLES) == uint32_t(cycles + 1));
    REQUIRE(dut.read(SYSTOLE_TILE_NI_STALL) == stalls);
    REQUIRE(dut.read(SYSTOLE_TILE_SPAD_GRANTS) == grants);
    REQUIRE(dut.read(SYSTOLE_TILE_SPAD_REFUSALS) == refusals);
    dut.take_event(false);
  }
}

TEST_CASE("tile_regs reads the counters of the units", "[tile_regs]") {
  Dut dut;
  for (uint32_t word = 0; word < 2 * 64; ++word) {
    const uint32_t offset = SYSTOLE_TILE_LOAD_BUSY + 4 * word;
    REQUIRE(dut.read_counted(offset, dut->count_i, 5000 + word) == 5000 + word);
    dut->reg_req_i = 1;
    dut.settle();
    REQUIRE(dut->count_read_o == 1);
    REQUIRE(dut->count_word_o == word);
    REQUIRE(dut->noc_read_o == 0);
    dut->reg_we_i = 1;
    dut.settle();
    REQUIRE(dut->count_read_o == 0);
    dut->reg_req_i = 0;
  }
}

TEST_CASE("tile_regs shows what is counted outside of its clock", "[tile_regs]") {
  Dut dut;
  REQUIRE(dut.read_counted(SYSTOLE_TILE_CLOCK_OFF, dut->clock_off_i, 0x12345678) == 0x12345678);
  const std::pair<uint32_t, int> routers[] = {{SYSTOLE_TILE_NOC_REQ_NORTH_FLITS, 0},
                                              {SYSTOLE_TILE_NOC_REQ_EAST_STALLS, 3},
                                              {SYSTOLE_TILE_NOC_REQ_LOCAL_FLITS, 8},
                                              {SYSTOLE_TILE_NOC_RSP_SOUTH_FLITS, 16 + 4},
                                              {SYSTOLE_TILE_NOC_RSP_WEST_STALLS, 16 + 7}};
  for (const auto& [offset, word] : routers) {
    REQUIRE(dut.read_counted(offset, dut->noc_count_i, 1000 + word) == uint32_t(1000 + word));
    dut->reg_req_i = 1;
    dut.settle();
    REQUIRE(dut->noc_read_o == 1);
    REQUIRE(dut->noc_word_o == word);
    dut->reg_req_i = 0;
  }
}

TEST_CASE("tile_regs asks for counters only where they are read", "[tile_regs]") {
  Dut dut;
  dut->reg_req_i = 1;
  dut->reg_we_i = 0;
  for (uint32_t word = 0; word < 1024; ++word) {
    dut->reg_word_i = word;
    dut.settle();
    const uint32_t offset = 4 * word;
    const bool units = offset >= SYSTOLE_TILE_LOAD_BUSY && offset < SYSTOLE_TILE_CYCLES;
    const bool routers = offset >= SYSTOLE_TILE_NOC_REQ_NORTH_FLITS &&
                         offset < SYSTOLE_TILE_NOC_REQ_NORTH_FLITS + 4 * 32;
    INFO("offset " << offset);
    REQUIRE(dut->count_read_o == units);
    REQUIRE(dut->noc_read_o == (routers || offset == SYSTOLE_TILE_CLOCK_OFF));
  }
}
