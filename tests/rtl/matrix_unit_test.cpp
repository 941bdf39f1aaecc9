// needs: host/golden/execute.cpp host/golden/machine.cpp
// verilator: --unroll-stmts 200000 --unroll-count 1024
#include "Vmatrix_unit.h"

#include <verilated_sym_props.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "host/golden/execute.hpp"
#include "tests/support/dut.hpp"

namespace {

using systole::golden::Machine;
using systole::golden::Node;
using systole::golden::TileMemory;
using systole::spec::AccInit;
using systole::spec::Format;
using systole::spec::MatmulCommand;
using systole::spec::RowMode;
using systole::spec::UnitState;
using systole::spec::WeightMode;
using systole::test::make_rng;
using systole::test::one_in;
using systole::test::uniform;

constexpr Node kTile{1, 0};
constexpr int64_t kScratchpad = systole::spec::ScratchpadBytes;
constexpr int kRows = systole::golden::kAccRows;
constexpr int kCols = systole::golden::kLanes;
// From the cycle in which a command is taken to its first act_req, and from the grant of its last
// row to done_o (rtl/matrix/README.md).
constexpr int kStart = 15;
constexpr int kChecks = 10;  // of these
constexpr int kEnd = 4;
constexpr unsigned kChunks = 8;  // of weights, asked for at once

int rows_of(const MatmulCommand& c) { return c.rcount0 * c.rcount1 * c.rcount2; }
int ksteps_of(const MatmulCommand& c) { return c.kcount0 * c.kcount1 * c.kcount2; }

unsigned run_length(RowMode mode) {
  return mode == RowMode::Run16x2 ? 16 : mode == RowMode::Run8x4 ? 8 : 32;
}

std::string describe(const MatmulCommand& c) {
  return fmt::format(
      "Matmul act {:#x} {} mode {} len {}/{} rows {}x{}x{} k {}x{}x{} n {} | wgt {:#x} {} mode {} "
      "run {} | init {} bias {:#x} acc {}+{}",
      c.act, c.act_signed ? "s8" : "u8", static_cast<int>(c.row_mode), c.len, c.len_last, c.rcount0,
      c.rcount1, c.rcount2, c.kcount0, c.kcount1, c.kcount2, c.ncount, c.wgt,
      c.wgt_signed ? "s8" : "u8", static_cast<int>(c.weight_mode), c.wgt_run,
      static_cast<int>(c.init), c.bias, c.acc, c.acc_nstride);
}

/// Runs commands on the RTL beside a scratchpad of bytes, and on the functional model.
class UnitDut : public systole::test::Dut<Vmatrix_unit> {
 public:
  UnitDut() : Dut(20'000'000), machine_({"test", 2, 1}, 0) {
    (*this)->cmd_valid_i = 0;
    (*this)->abort_i = 0;
    (*this)->vacc_req_i = 0;
    (*this)->act_gnt_i = 0;
    (*this)->wgt_gnt_i = 0;
    reset();
    for (uint8_t& byte : tile().scratchpad) byte = static_cast<uint8_t>(rng());
    for (int row = 0; row < kRows; ++row) {
      for (int c = 0; c < kCols; ++c) memory()[row * kCols + c] = static_cast<int32_t>(rng());
    }
    copy_accumulators();
  }

  // ------------------------------------------------------------------- how the surroundings act
  int refusals = 0;  // chance that a window or chunk is refused, in sixteenths
  bool one_window_a_cycle = false;
  bool vector_reads = false;
  std::mt19937_64 rng = make_rng(100);

  // ---------------------------------------------------------------------------- what was counted
  int done_count = 0;
  int fault_count = 0;
  int requests = 0;
  uint64_t first_row = 0;  // cycle of the first window granted
  uint64_t last_done = 0;
  std::array<int, systole::spec::NumUnitStates> states{};
  systole::golden::Fault last_fault;

  // -------------------------------------------------------------------------------------- verbs
  void push(const MatmulCommand& command) { queue_.push_back(command); }

  bool idle() { return queue_.empty() && under_way_.empty(); }

  /// One cycle: hands the next command over, serves the scratchpad, checks what retires.
  void cycle() {
    Vmatrix_unit& dut = **this;
    drive_command();
    drive_vector();
    dut.act_gnt_i = 0;
    dut.wgt_gnt_i = 0;
    settle();
    const bool taken = dut.cmd_valid_i && dut.cmd_ready_o;
    const Requests asked = requests_now();
    check_held(asked);
    requests += asked.act != 0 || asked.wgt != 0;
    const unsigned act = choose(asked.act);
    const unsigned wgt = choose(asked.wgt);
    dut.act_gnt_i = static_cast<uint8_t>(act);
    dut.wgt_gnt_i = static_cast<uint8_t>(wgt);
    settle();
    ++states.at(dut.state_o);
    if (act != 0 && first_row == 0) first_row = Dut::cycle();
    const bool vector_granted = dut.vacc_gnt_o;
    const int vector_row = dut.vacc_row_i;

    tick();

    refused_ = asked;
    refused_->act &= ~act;
    refused_->wgt &= ~wgt;
    answer(asked, act, wgt);
    if (taken) {
      under_way_.push_back(queue_.front());
      queue_.pop_front();
    }
    if (vector_granted) check_vector_data(vector_row);
    if (dut.done_o) retire();
    if (dut.fault_valid_o) take_fault();
  }

  /// Runs until every command has retired or was reported, and the unit is at rest.
  void run(int bound = 200'000) {
    for (int i = 0; !at_rest(); ++i) {
      if (i == bound) {
        FAIL(fmt::format(
            "not at rest after {} cycles; {} commands not taken, {} under way, first: {}", bound,
            queue_.size(), under_way_.size(),
            under_way_.empty() ? "none" : describe(under_way_.front())));
      }
      cycle();
    }
  }

  /// Aborts for `cycles` cycles, waits until the unit is at rest, and takes the accumulators as
  /// they are.
  void abort(int cycles, int bound) {
    queue_.clear();
    (*this)->abort_i = 1;
    for (int i = 0; i < cycles; ++i) cycle();
    (*this)->abort_i = 0;
    for (int i = 0; (*this)->busy_o; ++i) {
      INFO("busy_o falls within the bound after an abort");
      REQUIRE(i < bound);
      cycle();
    }
    under_way_.clear();
    for (int i = 0; i < 10; ++i) cycle();
    copy_accumulators();
  }

  std::size_t under_way() const { return under_way_.size(); }

 private:
  struct Requests {
    unsigned act = 0;
    unsigned wgt = 0;
    unsigned mode = 0;
    std::array<uint32_t, 4> act_addr{};
    std::array<uint32_t, kChunks> wgt_addr{};
  };

  TileMemory& tile() { return machine_.tile(kTile); }

  /// The accumulators in the RTL: [row][column].
  int32_t* memory() {
    if (memory_ == nullptr) {
      const VerilatedScope* scope =
          (*this)->contextp()->scopeFind("dut.matrix_unit.u_accumulators");
      REQUIRE(scope != nullptr);
      memory_ = static_cast<int32_t*>(scope->varFind("mem_q")->datap());
    }
    return memory_;
  }

  void copy_accumulators() {
    std::memcpy(tile().accumulators.data(), memory(), sizeof(int32_t) * kRows * kCols);
  }

  bool at_rest() {
    if (!idle()) return false;
    settle();
    return !(*this)->busy_o;
  }

  void drive_command() {
    Vmatrix_unit& dut = **this;
    dut.cmd_valid_i = !queue_.empty();
    if (queue_.empty()) return;
    const auto words = queue_.front().encode();
    for (std::size_t i = 0; i < words.size(); ++i) dut.cmd_i[i] = words[i];
  }

  void drive_vector() {
    (*this)->vacc_req_i = vector_reads && one_in(rng, 2);
    (*this)->vacc_row_i = static_cast<uint16_t>(uniform(rng, 0, kRows - 1));
  }

  Requests requests_now() {
    Vmatrix_unit& dut = **this;
    Requests asked{dut.act_req_o, dut.wgt_req_o, dut.act_mode_o, {}, {}};
    for (int i = 0; i < 4; ++i) {
      asked.act_addr[i] = dut.act_addr_o[i];
    }
    for (unsigned i = 0; i < kChunks; ++i) asked.wgt_addr[i] = dut.wgt_addr_o[i];
    return asked;
  }

  /// What was refused in the cycle before is asked for again, unchanged.
  void check_held(const Requests& asked) {
    if (!refused_) return;
    for (unsigned i = 0; i < kChunks; ++i) {
      INFO(fmt::format("window or chunk {} was refused: its request is held", i));
      if (refused_->act >> i & 1) {
        REQUIRE((asked.act >> i & 1) == 1);
        REQUIRE(asked.act_addr[i] == refused_->act_addr[i]);
        REQUIRE(asked.mode == refused_->mode);
      }
      if (refused_->wgt >> i & 1) {
        REQUIRE((asked.wgt >> i & 1) == 1);
        REQUIRE(asked.wgt_addr[i] == refused_->wgt_addr[i]);
      }
    }
  }

  unsigned choose(unsigned asked) {
    unsigned granted = 0;
    for (unsigned i = 0; i < kChunks; ++i) {
      if (!(asked >> i & 1) || uniform(rng, 0, 15) < refusals) continue;
      granted |= 1U << i;
      if (one_window_a_cycle) break;
    }
    return granted;
  }

  /// Data of the next cycle. Chunks that were not granted hold noise, windows 0.
  void answer(const Requests& asked, unsigned act, unsigned wgt) {
    const std::vector<uint8_t>& bytes = tile().scratchpad;
    const auto byte = [&](uint32_t address) { return bytes[address % kScratchpad]; };
    const unsigned run = run_length(static_cast<RowMode>(asked.mode));
    std::array<uint8_t, 32> row{};
    for (unsigned i = 0; i < kChunks; ++i) {
      std::array<uint8_t, 16> chunk;
      for (unsigned b = 0; b < 16; ++b) {
        chunk[b] = wgt >> i & 1 ? byte(asked.wgt_addr[i] + b) : static_cast<uint8_t>(rng());
      }
      std::memcpy(&(*this)->wgt_rdata_i[i][0], chunk.data(), chunk.size());
      if (!(act >> i & 1)) continue;
      REQUIRE(i < 32 / run);
      for (unsigned b = 0; b < run; ++b) row[i * run + b] = byte(asked.act_addr[i] + b);
    }
    std::memcpy(&(*this)->act_rdata_i[0], row.data(), row.size());
  }

  /// In the cycle after the grant: the row as the memory holds it then.
  void check_vector_data(int row) {
    settle();
    for (int c = 0; c < kCols; ++c) {
      const auto got = static_cast<int32_t>((*this)->vacc_data_o[c]);
      INFO(fmt::format("vector read of row {}, column {}", row, c));
      REQUIRE(got == memory()[row * kCols + c]);
    }
  }

  void retire() {
    ++done_count;
    last_done = Dut::cycle();
    if (under_way_.empty()) FAIL(fmt::format("done {} belongs to no command", done_count));
    const MatmulCommand command = under_way_.front();
    under_way_.pop_front();
    const auto fault = systole::golden::execute(machine_, kTile, command.encode(), nullptr);
    if (fault) {
      FAIL(fmt::format("done, but the functional model reports a fault at word {}\n{}", fault.info,
                       describe(command)));
    }
    compare(command);
  }

  void compare(const MatmulCommand& command) {
    const auto& expected = tile().accumulators;
    if (std::memcmp(expected.data(), memory(), sizeof(int32_t) * kRows * kCols) == 0) return;
    for (int row = 0; row < kRows; ++row) {
      for (int c = 0; c < kCols; ++c) {
        const int32_t got = memory()[row * kCols + c];
        if (got == expected[row][c]) continue;
        FAIL(fmt::format(
            "command {}: row {} (row {} of block n {}), column {}: expected {}, got {}\n{}",
            done_count, row,
            command.acc_nstride ? (row - command.acc) % command.acc_nstride : row - command.acc,
            command.acc_nstride ? (row - command.acc) / command.acc_nstride : 0, c,
            expected[row][c], got, describe(command)));
      }
    }
  }

  void take_fault() {
    ++fault_count;
    REQUIRE(!under_way_.empty());
    const MatmulCommand command = under_way_.front();
    under_way_.pop_front();
    INFO(describe(command));
    const uint64_t fault = (*this)->fault_o;
    last_fault = {static_cast<systole::spec::Fault>(fault >> 48), fault & 0xffff'ffff'ffffULL};
    const auto expected = systole::golden::execute(machine_, kTile, command.encode(), nullptr);
    REQUIRE(static_cast<int>(last_fault.code) == static_cast<int>(expected.code));
    REQUIRE(last_fault.info == expected.info);
  }

  Machine machine_;
  int32_t* memory_ = nullptr;
  std::deque<MatmulCommand> queue_;      // not taken
  std::deque<MatmulCommand> under_way_;  // taken, not retired
  std::optional<Requests> refused_;
};

// ------------------------------------------------------------------------------------- commands

/// One row, one block.
MatmulCommand one_row() {
  MatmulCommand c;
  c.len = c.len_last = 32;
  c.rcount0 = c.rcount1 = c.rcount2 = c.ncount = c.kcount0 = c.kcount1 = c.kcount2 = 1;
  return c;
}

/// rows x 32 ksteps against 32 ksteps x 16 ncount, dense operands, packed weights.
MatmulCommand dense(int rows, int ksteps, int ncount) {
  MatmulCommand c = one_row();
  c.act_signed = c.wgt_signed = true;
  c.rcount0 = static_cast<uint16_t>(rows);
  c.rstride0 = 32 * ksteps;
  c.kcount0 = static_cast<uint16_t>(ksteps);
  c.kstride0 = 32;
  c.ncount = static_cast<uint16_t>(ncount);
  c.wgt = 128 * 1024;
  c.wgt_kstride = 512;
  c.wgt_nstride = 512 * ksteps;
  return c;
}

/// Lowest and highest offset of a nest.
struct Span {
  int64_t low = 0;
  int64_t high = 0;
  void dimension(int64_t count, int64_t stride) {
    (stride < 0 ? low : high) += (count - 1) * stride;
  }
};

Span act_span(const MatmulCommand& c) {
  Span span;
  span.dimension(c.ncount, c.act_nstride);
  span.dimension(c.kcount0, c.kstride0);
  span.dimension(c.kcount1, c.kstride1);
  span.dimension(c.kcount2, c.kstride2);
  span.dimension(c.rcount0, c.rstride0);
  span.dimension(c.rcount1, c.rstride1);
  span.dimension(c.rcount2, c.rstride2);
  const unsigned run = run_length(c.row_mode);
  span.dimension(32 / run, c.run_stride);
  span.high += run;
  return span;
}

Span wgt_span(const MatmulCommand& c) {
  Span span;
  span.dimension(ksteps_of(c), c.wgt_kstride);
  span.dimension(c.ncount, c.wgt_nstride);
  if (c.weight_mode == WeightMode::Packed) span.high += 512;
  if (c.weight_mode == WeightMode::KRows) span.dimension(32, c.wgt_run), span.high += 16;
  if (c.weight_mode == WeightMode::Columns) span.dimension(16, c.wgt_run), span.high += 32;
  return span;
}

/// A legal command of any shape; small, so that thousands run.
template <class Rng>
MatmulCommand random_command(Rng& rng) {
  const auto stride = [&] { return static_cast<int32_t>(uniform(rng, -1200, 1200)); };
  const auto stride16 = [&] { return static_cast<int32_t>(16 * uniform(rng, -90, 90)); };
  const auto count = [&](int64_t most) { return static_cast<uint16_t>(uniform(rng, 1, most)); };
  MatmulCommand c;
  c.act_signed = one_in(rng, 2);
  c.wgt_signed = one_in(rng, 2);
  c.row_mode = static_cast<RowMode>(uniform(rng, 0, 2));
  c.weight_mode = static_cast<WeightMode>(uniform(rng, 0, 2));
  c.init = static_cast<AccInit>(uniform(rng, 0, 2));
  c.run_stride = stride();
  c.len = static_cast<uint8_t>(one_in(rng, 2) ? 32 : uniform(rng, 1, 32));
  c.len_last = static_cast<uint8_t>(one_in(rng, 2) ? 32 : uniform(rng, 1, 32));
  c.rcount0 = one_in(rng, 4) ? 1 : count(9);
  c.rcount1 = one_in(rng, 2) ? 1 : count(4);
  c.rcount2 = one_in(rng, 2) ? 1 : count(3);
  c.ncount = one_in(rng, 2) ? 1 : count(3);
  c.kcount0 = one_in(rng, 3) ? 1 : count(4);
  c.kcount1 = one_in(rng, 2) ? 1 : count(3);
  c.kcount2 = one_in(rng, 2) ? 1 : count(3);
  c.rstride0 = stride(), c.rstride1 = stride(), c.rstride2 = stride();
  c.kstride0 = stride(), c.kstride1 = stride(), c.kstride2 = stride();
  c.act_nstride = stride();
  c.wgt_kstride = stride16(), c.wgt_nstride = stride16(), c.wgt_run = stride16();
  const Span act = act_span(c);
  c.act = static_cast<uint32_t>(uniform(rng, -act.low, kScratchpad - act.high));
  const Span wgt = wgt_span(c);
  c.wgt = static_cast<uint32_t>(16 * uniform(rng, -wgt.low / 16, (kScratchpad - wgt.high) / 16));
  c.bias = static_cast<uint32_t>(16 * uniform(rng, 0, (kScratchpad - 64 * c.ncount) / 16));
  c.acc_nstride = static_cast<uint16_t>(uniform(rng, 0, 120));
  c.acc =
      static_cast<uint16_t>(uniform(rng, 0, kRows - rows_of(c) - (c.ncount - 1) * c.acc_nstride));
  return c;
}

// ---------------------------------------------------------------------------------------- tests

TEST_CASE("matrix_unit runs one row against one block", "[matrix_unit]") {
  UnitDut dut;
  dut.push(one_row());
  dut.run();
  CHECK(dut.done_count == 1);
}

TEST_CASE("matrix_unit runs random commands as the functional model does", "[matrix_unit]") {
  UnitDut dut;
  for (int i = 0; i < 300; ++i) dut.push(random_command(dut.rng));
  dut.run();
  CHECK(dut.done_count == 300);
}

TEST_CASE("matrix_unit gives the same results when windows and chunks are refused",
          "[matrix_unit]") {
  for (int refusals : {2, 8, 14}) {
    UnitDut dut;
    dut.refusals = refusals;
    dut.vector_reads = true;
    for (int i = 0; i < 100; ++i) dut.push(random_command(dut.rng));
    dut.run();
    CHECK(dut.done_count == 100);
  }
}

TEST_CASE("matrix_unit merges rows that come window by window", "[matrix_unit]") {
  UnitDut dut;
  dut.one_window_a_cycle = true;
  for (int i = 0; i < 100; ++i) {
    MatmulCommand c = random_command(dut.rng);
    if (c.row_mode == RowMode::Run32) continue;
    dut.push(c);
  }
  dut.run();
}

TEST_CASE("matrix_unit wraps sums at 32 bits", "[matrix_unit]") {
  UnitDut dut;
  MatmulCommand c = dense(4, 8, 1);
  c.act_signed = c.wgt_signed = false;
  c.init = AccInit::Accumulate;  // onto random words
  for (int i = 0; i < 20; ++i) dut.push(c);
  dut.run();
}

TEST_CASE("matrix_unit accumulates into one row every cycle", "[matrix_unit]") {
  UnitDut dut;
  // Blocks of one row each, so that the same row comes every eight cycles; and commands of one
  // block each, that follow one another.
  dut.push(dense(1, 64, 1));
  for (int i = 0; i < 8; ++i) {
    MatmulCommand c = dense(1, 1, 1);
    c.init = AccInit::Accumulate;
    dut.push(c);
  }
  dut.run();
}

TEST_CASE("matrix_unit streams GEMM 256x256x256 with no gap between its 16 commands",
          "[matrix_unit]") {
  UnitDut dut;
  for (int n = 0; n < 16; ++n) {
    MatmulCommand c = dense(256, 8, 1);
    c.wgt += static_cast<uint32_t>(n) * 8 * 512;
    c.acc = n % 2 ? 256 : 0;
    dut.push(c);
  }
  dut.run();
  const auto cycles = static_cast<int64_t>(dut.last_done - dut.first_row);
  CHECK(cycles == 16 * 8 * 256 + kEnd - 1);
  CHECK(dut.states[static_cast<int>(UnitState::Busy)] == 16 * 8 * 256);
}

TEST_CASE("matrix_unit runs one row a weight block at 4 cycles a block, 5 with a bias row",
          "[matrix_unit]") {
  for (bool bias : {false, true}) {
    UnitDut dut;
    MatmulCommand c = dense(1, 8, 16);
    c.acc_nstride = 1;
    c.bias = 250 * 1024;
    c.init = bias ? AccInit::Bias : AccInit::Zero;
    dut.push(c);
    dut.run();
    // The first row comes with the first block; the last block ends the time.
    const auto cycles = static_cast<int64_t>(dut.last_done - dut.first_row);
    CHECK(cycles == 127 * 4 + (bias ? 15 : 0) + kEnd);
  }
}

TEST_CASE("matrix_unit needs 15 cycles from a command to its first row, 4 from the last to done",
          "[matrix_unit]") {
  UnitDut dut;
  dut.push(one_row());
  dut.settle();
  const uint64_t start = static_cast<systole::test::Dut<Vmatrix_unit>&>(dut).cycle();
  dut.run();
  CHECK(dut.first_row - start == kStart);
  CHECK(dut.last_done - dut.first_row == kEnd);
}

TEST_CASE("matrix_unit judges operands as the functional model does, at both edges",
          "[matrix_unit]") {
  UnitDut dut;
  auto& rng = dut.rng;
  const std::vector<std::function<void(MatmulCommand&)>> bend = {
      [](auto& c) { c.len = 0; },
      [](auto& c) { c.len = 33; },
      [](auto& c) { c.len_last = 0; },
      [](auto& c) { c.len_last = 63; },
      [](auto& c) { c.rcount0 = 0; },
      [](auto& c) { c.rcount1 = 0; },
      [](auto& c) { c.rcount2 = 0; },
      [](auto& c) { c.ncount = 0; },
      [](auto& c) { c.kcount0 = 0; },
      [](auto& c) { c.kcount1 = 0; },
      [](auto& c) { c.kcount2 = 0; },
      [](auto& c) { c.kcount0 = c.kcount1 = 256, c.kcount2 = 1; },
      [](auto& c) { c.kcount0 = c.kcount1 = c.kcount2 = 0xffff; },
      [](auto& c) { c.rcount0 = 257, c.rcount1 = c.rcount2 = 1; },
      [](auto& c) { c.rcount0 = c.rcount1 = c.rcount2 = 0xffff; },
      [](auto& c) { c.rcount0 = 0xffff, c.rcount1 = 0xffff, c.rcount2 = 1; },
      [](auto& c) { c.row_mode = static_cast<RowMode>(3); },
      [](auto& c) { c.weight_mode = static_cast<WeightMode>(3); },
      [](auto& c) { c.init = static_cast<AccInit>(3); },
      [](auto& c) { c.format = static_cast<Format>(1); },
      [](auto& c) { c.wgt += 8; },
      [](auto& c) { c.wgt_kstride += 8; },
      [](auto& c) { c.wgt_nstride -= 8; },
      [](auto& c) { c.wgt_run += 8; },
      [](auto& c) { c.bias += 8, c.init = AccInit::Bias; },
      [&](auto& c) {
        c.init = AccInit::Bias, c.bias = static_cast<uint32_t>(kScratchpad - 64 * c.ncount);
      },
      [&](auto& c) {
        c.init = AccInit::Bias, c.bias = static_cast<uint32_t>(kScratchpad - 64 * c.ncount + 16);
      },
      [](auto& c) { c.init = AccInit::Bias, c.bias = 0xfffffff0; },
      [](auto& c) { c.acc = static_cast<uint16_t>(kRows - rows_of(c)), c.acc_nstride = 0; },
      [](auto& c) {
        c.acc = static_cast<uint16_t>(kRows - rows_of(c) + 1) & 511, c.acc_nstride = 0;
      },
      [](auto& c) { c.acc_nstride = 511; },
      [](auto& c) { c.act = static_cast<uint32_t>(kScratchpad - act_span(c).high); },
      [](auto& c) { c.act = static_cast<uint32_t>(kScratchpad - act_span(c).high + 1); },
      [](auto& c) { c.act = static_cast<uint32_t>(-act_span(c).low); },
      [](auto& c) { c.act = static_cast<uint32_t>(-act_span(c).low - 1); },
      [](auto& c) { c.wgt = static_cast<uint32_t>(kScratchpad - wgt_span(c).high) / 16 * 16; },
      [](auto& c) { c.wgt = static_cast<uint32_t>(kScratchpad - wgt_span(c).high + 16) / 16 * 16; },
      [](auto& c) { c.wgt = static_cast<uint32_t>(-wgt_span(c).low); },
      [](auto& c) { c.wgt = static_cast<uint32_t>(-wgt_span(c).low - 16); },
      [&](auto& c) { c.rstride0 = static_cast<int32_t>(rng()); },
      [&](auto& c) { c.rstride2 = static_cast<int32_t>(rng()); },
      [&](auto& c) { c.kstride1 = static_cast<int32_t>(rng()); },
      [&](auto& c) { c.act_nstride = INT32_MIN; },
      [&](auto& c) { c.run_stride = INT32_MAX; },
      [&](auto& c) { c.wgt_run = INT32_MIN; },
      [&](auto& c) { c.wgt_kstride = INT32_MIN; },
      [&](auto& c) { c.wgt_nstride = INT32_MAX & ~15; },
  };
  for (std::size_t i = 0; i < bend.size(); ++i) {
    for (int repeat = 0; repeat < 6; ++repeat) {
      INFO(fmt::format("way {} to bend a command", i));
      MatmulCommand c = random_command(rng);
      bend[i](c);
      const int faults = dut.fault_count;
      const int requests = dut.requests;
      dut.push(c);
      dut.run();
      INFO("a bad command accesses nothing");
      REQUIRE((dut.fault_count == faults || dut.requests == requests));
    }
  }
  CHECK(dut.fault_count > 150);
  CHECK(dut.done_count > 30);
}

TEST_CASE("matrix_unit reports a fault after all commands before it, and goes on",
          "[matrix_unit]") {
  UnitDut dut;
  MatmulCommand bad = one_row();
  bad.len = 0;
  dut.push(dense(100, 4, 1));
  dut.push(dense(100, 2, 1));
  dut.push(bad);
  dut.push(dense(10, 1, 1));
  while (dut.fault_count == 0) dut.cycle();
  CHECK(dut.done_count == 2);
  CHECK(dut.last_fault.info == 7);
  dut.run();
  CHECK(dut.done_count == 3);
}

TEST_CASE("matrix_unit stops when aborted, without a further done, and runs again",
          "[matrix_unit]") {
  UnitDut dut;
  auto& rng = dut.rng;
  for (int i = 0; i < 150; ++i) {
    dut.refusals = static_cast<int>(uniform(rng, 0, 1)) * 8;
    for (int n = 0; n < 4; ++n) dut.push(i % 5 ? random_command(rng) : dense(60, 4, 1));
    const auto wait = uniform(rng, 0, 120);
    for (int n = 0; n < wait; ++n) dut.cycle();
    const int done = dut.done_count;
    dut.abort(static_cast<int>(uniform(rng, 1, 4)), 100);
    CHECK(dut.done_count == done);
    dut.push(random_command(rng));
    dut.push(random_command(rng));
    dut.run();
    REQUIRE(dut.done_count == done + 2);
  }
}

TEST_CASE("matrix_unit reports no done in any cycle after one with abort", "[matrix_unit]") {
  UnitDut dut;
  for (int wait = 0; wait < kStart + kEnd + 1; ++wait) {
    dut.push(one_row());
    for (int n = 0; n < wait; ++n) dut.cycle();
    const int done = dut.done_count;
    dut.abort(1, 30);
    INFO(fmt::format("abort {} cycles after the command", wait));
    CHECK(dut.done_count == done);
  }
}

TEST_CASE("matrix_unit accounts for every cycle with one state", "[matrix_unit]") {
  UnitDut dut;
  const auto count = [&](UnitState state) { return dut.states[static_cast<int>(state)]; };
  dut.push(dense(64, 2, 2));
  dut.run();
  for (int i = 0; i < 5; ++i) dut.cycle();
  CHECK(count(UnitState::Busy) == 64 * 4);
  CHECK(count(UnitState::Fetch) == kChecks);
  CHECK(count(UnitState::Operand) == kStart - 1 - kChecks);
  CHECK(count(UnitState::Drain) == kEnd);
  CHECK(count(UnitState::Scratchpad) == 0);
  dut.refusals = 8;
  dut.push(dense(64, 2, 2));
  dut.run();
  CHECK(count(UnitState::Busy) == 2 * 64 * 4);
  CHECK(count(UnitState::Scratchpad) > 100);
}

}  // namespace
