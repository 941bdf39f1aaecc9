#include "Vmatmul_check.h"

#include <catch2/catch.hpp>
#include <cstdint>

#include "rtl/spec/gen/systole_commands.hpp"
#include "tests/support/dut.hpp"

namespace {

using systole::spec::AccInit;
using systole::spec::Fault;
using systole::spec::MatmulCommand;
using systole::spec::RowMode;
using systole::spec::WeightMode;

// From the cycle in which a command is taken to the one in which it is offered or reported.
constexpr int kCheck = 10;
constexpr uint32_t kScratchpad = systole::spec::ScratchpadBytes;

MatmulCommand one_row() {
  MatmulCommand c;
  c.len = c.len_last = 32;
  c.rcount0 = c.rcount1 = c.rcount2 = c.ncount = c.kcount0 = c.kcount1 = c.kcount2 = 1;
  return c;
}

struct CheckDut : systole::test::Dut<Vmatmul_check> {
  CheckDut() {
    (*this)->cmd_valid_i = 0;
    (*this)->stop_i = 0;
    (*this)->quiet_i = 1;
    (*this)->take_i = 0;
    reset();
  }

  /// Hands a command over; returns in its last cycle before the verdict.
  void give(const MatmulCommand& command) {
    const auto words = command.encode();
    for (std::size_t i = 0; i < words.size(); ++i) (*this)->cmd_i[i] = words[i];
    (*this)->cmd_valid_i = 1;
    settle();
    REQUIRE((*this)->cmd_ready_o == 1);
    tick();
    (*this)->cmd_valid_i = 0;
    settle();
    for (int i = 1; i < kCheck; ++i) {
      REQUIRE((*this)->checked_valid_o == 0);
      REQUIRE((*this)->fault_valid_o == 0);
      tick();
    }
    settle();
  }

  void take() {
    (*this)->take_i = 1;
    tick();
    (*this)->take_i = 0;
    settle();
  }

  /// The word at fault of a command, 0 when it is legal.
  uint64_t judge(const MatmulCommand& command) {
    give(command);
    if ((*this)->checked_valid_o) {
      take();
      return 0;
    }
    REQUIRE((*this)->fault_valid_o == 1);
    REQUIRE(((*this)->fault_o >> 48) == static_cast<uint64_t>(Fault::Operand));
    const uint64_t word = (*this)->fault_o & 0xffff'ffff'ffffULL;
    tick();
    settle();
    REQUIRE((*this)->fault_valid_o == 0);
    REQUIRE((*this)->cmd_ready_o == 1);
    return word;
  }
};

TEST_CASE("matmul_check offers a legal command after ten cycles until it is taken",
          "[matmul_check]") {
  CheckDut dut;
  MatmulCommand c = one_row();
  c.kcount0 = 3;
  c.kcount1 = 5;
  c.kcount2 = 7;
  dut.give(c);
  for (int i = 0; i < 5; ++i) {
    CHECK(dut->checked_valid_o == 1);
    CHECK(dut->ksteps_o == 105);
    CHECK(dut->cmd_ready_o == 0);
    dut.tick();
    dut.settle();
  }
  dut.take();
  CHECK(dut->checked_valid_o == 0);
  CHECK(dut->cmd_ready_o == 1);
}

TEST_CASE("matmul_check reports a bad command only when all before it have retired",
          "[matmul_check]") {
  CheckDut dut;
  dut->quiet_i = 0;
  MatmulCommand c = one_row();
  c.len = 0;
  dut.give(c);
  for (int i = 0; i < 5; ++i) {
    CHECK(dut->fault_valid_o == 0);
    CHECK(dut->checked_valid_o == 0);
    dut.tick();
    dut.settle();
  }
  dut->quiet_i = 1;
  dut.settle();
  CHECK(dut->fault_valid_o == 1);
  dut.tick();
  dut.settle();
  CHECK(dut->fault_valid_o == 0);
  CHECK(dut->busy_o == 0);
}

TEST_CASE("matmul_check drops a command when stopped, at any time", "[matmul_check]") {
  CheckDut dut;
  const auto words = one_row().encode();
  for (std::size_t i = 0; i < words.size(); ++i) dut->cmd_i[i] = words[i];
  for (int wait = 0; wait < kCheck + 2; ++wait) {
    dut->cmd_valid_i = 1;
    dut.tick();
    dut->cmd_valid_i = 0;
    dut.ticks(wait);
    dut->stop_i = 1;
    dut.settle();
    CHECK(dut->checked_valid_o == 0);
    dut.tick();
    dut->stop_i = 0;
    dut.settle();
    CHECK(dut->busy_o == 0);
    CHECK(dut->cmd_ready_o == 1);
  }
}

TEST_CASE("matmul_check accepts the last legal value and names the word of the first bad one",
          "[matmul_check]") {
  CheckDut dut;
  MatmulCommand c = one_row();
  const auto judge = [&](auto change) {
    MatmulCommand changed = c;
    change(changed);
    return dut.judge(changed);
  };
  // Rows and k steps.
  CHECK(judge([](auto& m) { m.rcount0 = 16, m.rcount1 = 16; }) == 0);
  CHECK(judge([](auto& m) { m.rcount0 = 257; }) == 8);
  CHECK(judge([](auto& m) { m.rcount0 = m.rcount1 = m.rcount2 = 0xffff; }) == 8);
  CHECK(judge([](auto& m) { m.kcount0 = 0xffff; }) == 0);
  CHECK(judge([](auto& m) { m.kcount1 = 256, m.kcount2 = 256; }) == 13);
  CHECK(judge([](auto& m) { m.kcount0 = m.kcount1 = m.kcount2 = 0xffff; }) == 13);
  // Accumulators.
  CHECK(judge([](auto& m) { m.acc = 511; }) == 0);
  CHECK(judge([](auto& m) { m.acc = 511, m.rcount0 = 2; }) == 24);
  CHECK(judge([](auto& m) { m.acc = 256, m.rcount0 = 128, m.ncount = 2, m.acc_nstride = 128; }) ==
        0);
  CHECK(judge([](auto& m) { m.acc = 257, m.rcount0 = 128, m.ncount = 2, m.acc_nstride = 128; }) ==
        24);
  // The scratchpad's ends, each way of going there.
  CHECK(judge([](auto& m) { m.act = kScratchpad - 32; }) == 0);
  CHECK(judge([](auto& m) { m.act = kScratchpad - 31; }) == 4);
  CHECK(judge([](auto& m) { m.act = 0xffff'ffff; }) == 4);
  CHECK(judge([](auto& m) { m.act = 7, m.rcount0 = 8, m.rstride0 = -1; }) == 0);
  CHECK(judge([](auto& m) { m.act = 6, m.rcount0 = 8, m.rstride0 = -1; }) == 4);
  CHECK(judge([](auto& m) {
          m.rcount0 = 3, m.rstride0 = INT32_MAX, m.rcount1 = 3, m.rstride1 = INT32_MIN;
        }) == 4);
  CHECK(judge([](auto& m) {
          m.row_mode = RowMode::Run8x4, m.act = kScratchpad - 38, m.run_stride = 10;
        }) == 0);
  CHECK(judge([](auto& m) {
          m.row_mode = RowMode::Run8x4, m.act = kScratchpad - 37, m.run_stride = 10;
        }) == 4);
  CHECK(judge([](auto& m) { m.row_mode = RowMode::Run16x2, m.act = 16, m.run_stride = -16; }) == 0);
  CHECK(judge([](auto& m) { m.row_mode = RowMode::Run16x2, m.act = 15, m.run_stride = -16; }) == 4);
  CHECK(judge([](auto& m) { m.run_stride = INT32_MIN; }) == 0);  // one run: not used
  CHECK(judge([](auto& m) { m.wgt = kScratchpad - 512; }) == 0);
  CHECK(judge([](auto& m) { m.wgt = kScratchpad - 496; }) == 19);
  CHECK(judge([](auto& m) { m.wgt = 512, m.kcount0 = 2, m.wgt_kstride = -512; }) == 0);
  CHECK(judge([](auto& m) { m.wgt = 496, m.kcount0 = 2, m.wgt_kstride = -512; }) == 19);
  CHECK(judge([](auto& m) { m.weight_mode = WeightMode::KRows, m.wgt_run = 8192, m.wgt = 8176; }) ==
        0);
  CHECK(judge([](auto& m) { m.weight_mode = WeightMode::KRows, m.wgt_run = 8192, m.wgt = 8192; }) ==
        19);
  CHECK(judge([](auto& m) { m.weight_mode = WeightMode::Columns, m.wgt_run = -16, m.wgt = 240; }) ==
        0);
  CHECK(judge([](auto& m) { m.weight_mode = WeightMode::Columns, m.wgt_run = -16, m.wgt = 224; }) ==
        19);
  CHECK(judge([](auto& m) { m.init = AccInit::Bias, m.bias = kScratchpad - 128, m.ncount = 2; }) ==
        0);
  CHECK(judge([](auto& m) { m.init = AccInit::Bias, m.bias = kScratchpad - 112, m.ncount = 2; }) ==
        23);
  CHECK(judge([](auto& m) { m.bias = 0xffff'ffff; }) == 0);  // not used
  // Alignment.
  CHECK(judge([](auto& m) { m.wgt = 8; }) == 19);
  CHECK(judge([](auto& m) { m.wgt_kstride = 8; }) == 20);
  CHECK(judge([](auto& m) { m.wgt_nstride = -8; }) == 21);
  CHECK(judge([](auto& m) { m.weight_mode = WeightMode::KRows, m.wgt_run = 8; }) == 22);
  CHECK(judge([](auto& m) { m.wgt_run = 8; }) == 0);  // packed: not used
  CHECK(judge([](auto& m) { m.init = AccInit::Bias, m.bias = 8; }) == 23);
}

}  // namespace
