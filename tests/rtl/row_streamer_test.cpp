#include "Vrow_streamer.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <deque>
#include <optional>

#include "rtl/spec/gen/systole_commands.hpp"
#include "tests/support/dut.hpp"

namespace {

using systole::spec::AccInit;
using systole::spec::MatmulCommand;
using systole::spec::RowMode;
using systole::test::one_in;
using systole::test::uniform;

constexpr int64_t kScratchpad = systole::spec::ScratchpadBytes;

struct Row {
  int64_t addr;
  int64_t run_stride;
  RowMode mode;
  int len;
  int acc_row;
  AccInit base;
  bool act_signed;
  bool starts_block;
  bool swap_bias;
  bool last;

  int run() const { return mode == RowMode::Run16x2 ? 16 : mode == RowMode::Run8x4 ? 8 : 32; }
  unsigned windows() const { return (1U << ((len + run() - 1) / run())) - 1; }
  uint32_t window(int i) const {
    return static_cast<uint32_t>(addr + i * run_stride) % kScratchpad;
  }
};

/// The rows of a command, by its loop nest.
std::deque<Row> rows_of(const MatmulCommand& c) {
  std::deque<Row> rows;
  for (int n = 0; n < c.ncount; ++n) {
    bool first_kstep = true;
    for (int k2 = 0; k2 < c.kcount2; ++k2) {
      for (int k1 = 0; k1 < c.kcount1; ++k1) {
        for (int k0 = 0; k0 < c.kcount0; ++k0) {
          int r = 0;
          for (int r2 = 0; r2 < c.rcount2; ++r2) {
            for (int r1 = 0; r1 < c.rcount1; ++r1) {
              for (int r0 = 0; r0 < c.rcount0; ++r0, ++r) {
                Row row{};
                row.addr = int64_t{c.act} + int64_t{n} * c.act_nstride + int64_t{k2} * c.kstride2 +
                           int64_t{k1} * c.kstride1 + int64_t{k0} * c.kstride0 +
                           int64_t{r2} * c.rstride2 + int64_t{r1} * c.rstride1 +
                           int64_t{r0} * c.rstride0;
                row.run_stride = c.run_stride;
                row.mode = c.row_mode;
                row.len = k0 == c.kcount0 - 1 ? c.len_last : c.len;
                row.acc_row = (c.acc + n * c.acc_nstride + r) % 512;
                row.base = first_kstep ? c.init : AccInit::Accumulate;
                row.act_signed = c.act_signed;
                row.starts_block = r == 0;
                row.swap_bias = r == 0 && first_kstep && c.init == AccInit::Bias;
                rows.push_back(row);
              }
            }
          }
          first_kstep = false;
        }
      }
    }
  }
  rows.back().last = true;
  return rows;
}

struct StreamerDut : systole::test::Dut<Vrow_streamer> {
  std::mt19937_64 rng = systole::test::make_rng(8);
  int refusals = 0;     // in sixteenths
  int block_delay = 0;  // a block is there up to this many cycles after the one before
  int rows = 0;

  StreamerDut() {
    (*this)->stop_i = 0;
    (*this)->start_i = 0;
    (*this)->act_gnt_i = 0;
    (*this)->block_full_i = 0;
    reset();
  }

  /// Offered until taken, by step().
  void push(const MatmulCommand& c) { queue_.push_back(c); }

  void step() {
    Vrow_streamer& dut = **this;
    dut.start_i = !queue_.empty();
    if (!queue_.empty()) {
      const auto words = queue_.front().encode();
      for (std::size_t i = 0; i < words.size(); ++i) dut.cmd_i[i] = words[i];
    }
    if (!dut.block_full_i) dut.block_full_i = uniform(rng, 0, block_delay) == 0;
    dut.act_gnt_i = 0;
    settle();
    check_data_cycle();
    const bool taken = dut.start_i && dut.ready_o;
    const bool block_taken = dut.block_take_o;
    const unsigned asked = dut.act_req_o;
    if (asked != 0 || block_taken) check_request(asked, block_taken);
    unsigned granted = 0;
    for (unsigned i = 0; i < 4; ++i) {
      if ((asked >> i & 1) && uniform(rng, 0, 15) >= refusals) granted |= 1U << i;
    }
    dut.act_gnt_i = static_cast<uint8_t>(granted);
    settle();
    const bool done = asked != 0 && (got_ | granted) == expected_.front().windows();
    REQUIRE(dut.row_done_o == done);

    tick();

    part_ = granted != 0;
    swap_ = block_taken;
    swap_bias_ = block_taken && expected_.front().swap_bias;
    row_.reset();
    got_ = done ? 0 : got_ | granted;
    in_block_ = in_block_ || block_taken;
    if (block_taken) dut.block_full_i = 0;
    if (done) {
      row_ = expected_.front();
      expected_.pop_front();
      ++rows;
      if (expected_.empty() || expected_.front().starts_block) in_block_ = false;
    }
    if (taken) {
      for (const Row& row : rows_of(queue_.front())) expected_.push_back(row);
      queue_.pop_front();
    }
  }

  void run(int bound = 200'000) {
    for (int i = 0; !queue_.empty() || !expected_.empty(); ++i) {
      REQUIRE(i < bound);
      step();
    }
    step();
    step();
    REQUIRE((*this)->busy_o == 0);
  }

 private:
  void check_request(unsigned asked, bool block_taken) {
    Vrow_streamer& dut = **this;
    INFO(fmt::format("row {}", rows));
    REQUIRE(!expected_.empty());
    const Row& row = expected_.front();
    INFO("a block is taken with its first row, and when it is there");
    REQUIRE(block_taken == (row.starts_block && !in_block_ && dut.block_full_i));
    REQUIRE((asked | got_) == row.windows());
    REQUIRE(dut.act_mode_o == static_cast<int>(row.mode));
    for (int i = 0; i < 4; ++i) {
      if (!(asked >> i & 1)) continue;
      INFO(fmt::format("window {}: expected {:#x}, got {:#x}", i, row.window(i),
                       uint32_t{dut.act_addr_o[i]}));
      REQUIRE(dut.act_addr_o[i] == row.window(i));
    }
  }

  /// What stands beside the data of the windows granted in the cycle before.
  void check_data_cycle() {
    Vrow_streamer& dut = **this;
    REQUIRE(dut.part_o == part_);
    REQUIRE(dut.swap_o == swap_);
    if (swap_) REQUIRE(dut.swap_bias_o == swap_bias_);
    REQUIRE(dut.row_valid_o == row_.has_value());
    if (!row_) return;
    INFO(fmt::format("row {}: accumulator row expected {}, got {}", rows - 1, row_->acc_row,
                     int{dut.acc_row_o}));
    REQUIRE(dut.acc_row_o == row_->acc_row);
    REQUIRE(dut.base_o == static_cast<int>(row_->base));
    REQUIRE(dut.row_info_o == (row_->act_signed << 7 | row_->len));
    REQUIRE(dut.last_o == row_->last);
  }

  std::deque<MatmulCommand> queue_;
  std::deque<Row> expected_;
  std::optional<Row> row_;
  unsigned got_ = 0;
  bool in_block_ = false;
  bool part_ = false;
  bool swap_ = false;
  bool swap_bias_ = false;
};

template <class Rng>
MatmulCommand random_command(Rng& rng) {
  MatmulCommand c;
  // Addresses may wrap here: what is outside is matmul_check's to refuse.
  const auto stride = [&] { return static_cast<int32_t>(uniform(rng, -100'000, 100'000)); };
  const auto count = [&](int64_t most) {
    return static_cast<uint16_t>(one_in(rng, 2) ? 1 : uniform(rng, 1, most));
  };
  c.act = static_cast<uint32_t>(uniform(rng, 0, kScratchpad - 1));
  c.act_signed = one_in(rng, 2);
  c.row_mode = static_cast<RowMode>(uniform(rng, 0, 2));
  c.init = static_cast<AccInit>(uniform(rng, 0, 2));
  c.run_stride = stride();
  c.len = static_cast<uint8_t>(uniform(rng, 1, 32));
  c.len_last = static_cast<uint8_t>(uniform(rng, 1, 32));
  c.rcount0 = count(6), c.rcount1 = count(3), c.rcount2 = count(3);
  c.kcount0 = count(4), c.kcount1 = count(3), c.kcount2 = count(3);
  c.ncount = count(3);
  c.rstride0 = stride(), c.rstride1 = stride(), c.rstride2 = stride();
  c.kstride0 = stride(), c.kstride1 = stride(), c.kstride2 = stride();
  c.act_nstride = stride();
  c.acc = static_cast<uint16_t>(uniform(rng, 0, 511));
  c.acc_nstride = static_cast<uint16_t>(uniform(rng, 0, 511));
  return c;
}

TEST_CASE("row_streamer walks the loop nest, refused or not", "[row_streamer]") {
  for (int refusals : {0, 8, 14}) {
    StreamerDut dut;
    dut.refusals = refusals;
    dut.block_delay = refusals;
    for (int i = 0; i < 100; ++i) dut.push(random_command(dut.rng));
    dut.run();
    CHECK(dut.rows > 300);
  }
}

TEST_CASE("row_streamer asks for a row every cycle, across blocks, n and commands",
          "[row_streamer]") {
  StreamerDut dut;
  MatmulCommand c;
  c.len = c.len_last = 32;
  c.rcount0 = 3, c.rcount1 = 2, c.rcount2 = 1;
  c.kcount0 = 2, c.kcount1 = c.kcount2 = 1;
  c.ncount = 3;
  for (int i = 0; i < 4; ++i) dut.push(c);
  while (dut.rows == 0) dut.step();
  const uint64_t start = dut.cycle();
  while (dut.rows < 4 * 36) dut.step();
  CHECK(dut.cycle() - start == 4 * 36 - 1);
}

TEST_CASE("row_streamer stops after the row that is asked for", "[row_streamer]") {
  StreamerDut dut;
  MatmulCommand c;
  c.len = c.len_last = 32;
  c.rcount0 = 200;
  c.rcount1 = c.rcount2 = c.ncount = c.kcount0 = c.kcount1 = c.kcount2 = 1;
  dut.push(c);
  while (dut.rows < 10) dut.step();
  dut->stop_i = 1;
  dut->act_gnt_i = 0;
  for (int i = 0; i < 5; ++i) {
    dut.settle();
    CHECK(dut->act_req_o == 1);
    dut.tick();
  }
  dut->act_gnt_i = 1;
  dut.tick();
  dut->stop_i = 0;
  dut.settle();
  CHECK(dut->act_req_o == 0);
  CHECK(dut->busy_o == 0);
  CHECK(dut->ready_o == 1);
}

}  // namespace
