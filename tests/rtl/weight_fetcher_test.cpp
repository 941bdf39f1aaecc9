#include "Vweight_fetcher.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <deque>

#include "rtl/spec/gen/systole_commands.hpp"
#include "tests/support/dut.hpp"

namespace {

using systole::spec::AccInit;
using systole::spec::MatmulCommand;
using systole::spec::WeightMode;
using systole::test::one_in;
using systole::test::uniform;

constexpr int64_t kScratchpad = systole::spec::ScratchpadBytes;

constexpr int kChunks = 8, kBiasChunks = 4;
constexpr int kBeats = 4;  // of a block

/// One fetch of 128 bytes: where its chunks lie, and what it is.
struct Beat {
  std::array<uint32_t, kChunks> addr;
  bool bias;
  int beat;
  bool columns;
  bool is_signed;
  bool ends_block;
};

/// The beats of a command, from its loop nest.
std::deque<Beat> beats_of(const MatmulCommand& c) {
  std::deque<Beat> beats;
  const bool columns = c.weight_mode == WeightMode::Columns;
  const int64_t run = c.weight_mode == WeightMode::Packed ? 16 : c.wgt_run;
  const int ksteps = c.kcount0 * c.kcount1 * c.kcount2;
  const auto add = [&](bool bias, int beat, auto chunk) {
    Beat b{{}, bias, beat, columns, c.wgt_signed, false};
    for (int i = 0; i < kChunks; ++i) b.addr[i] = static_cast<uint32_t>(chunk(i)) % kScratchpad;
    beats.push_back(b);
  };
  for (int n = 0; n < c.ncount; ++n) {
    for (int kl = 0; kl < ksteps; ++kl) {
      const int64_t block =
          int64_t{c.wgt} + int64_t{n} * c.wgt_nstride + int64_t{kl} * c.wgt_kstride;
      for (int beat = 0; beat < kBeats; ++beat) {
        add(false, beat, [&](int i) {
          return columns ? block + (4 * beat + i / 2) * run + 16 * (i % 2)
                         : block + (8 * beat + i) * run;
        });
      }
      if (kl == 0 && c.init == AccInit::Bias) {
        add(true, kBeats, [&](int i) { return c.bias + 64 * n + 16 * i; });
      }
      beats.back().ends_block = true;
    }
  }
  return beats;
}

struct FetcherDut : systole::test::Dut<Vweight_fetcher> {
  std::mt19937_64 rng = systole::test::make_rng(7);
  int refusals = 0;    // in sixteenths
  int take_delay = 0;  // a full block waits up to this many cycles
  int blocks = 0;

  FetcherDut() {
    (*this)->stop_i = 0;
    (*this)->start_i = 0;
    (*this)->wgt_gnt_i = 0;
    (*this)->block_take_i = 0;
    reset();
  }

  void start(const MatmulCommand& c) {
    const auto words = c.encode();
    for (std::size_t i = 0; i < words.size(); ++i) (*this)->cmd_i[i] = words[i];
    (*this)->ksteps_i = static_cast<uint16_t>(c.kcount0 * c.kcount1 * c.kcount2);
    (*this)->start_i = 1;
    settle();
    REQUIRE((*this)->idle_o == 1);
    tick();
    (*this)->start_i = 0;
    expected_ = beats_of(c);
  }

  /// One cycle: grants, takes, and checks requests and loads.
  void step() {
    Vweight_fetcher& dut = **this;
    dut.wgt_gnt_i = 0;
    dut.block_take_i = 0;
    settle();
    check_loads();
    dut.block_take_i = dut.block_full_o && uniform(rng, 0, take_delay) == 0;
    settle();
    blocks += dut.block_take_i;
    const unsigned asked = dut.wgt_req_o;
    if (asked != 0) {
      INFO("a fetch is expected");
      REQUIRE(!expected_.empty());
      const int chunks = expected_.front().bias ? kBiasChunks : kChunks;
      REQUIRE(asked >> chunks == 0);
      for (int i = 0; i < chunks; ++i) {
        INFO(fmt::format("beat {}{}, chunk {}: expected {:#x}, got {:#x}", expected_.front().beat,
                         expected_.front().bias ? " (bias)" : "", i, expected_.front().addr[i],
                         uint32_t{dut.wgt_addr_o[i]}));
        REQUIRE(((asked | got_) >> i & 1) == 1);
        if (asked >> i & 1) REQUIRE(dut.wgt_addr_o[i] == expected_.front().addr[i]);
      }
    }
    unsigned granted = 0;
    for (unsigned i = 0; i < kChunks; ++i) {
      if ((asked >> i & 1) && uniform(rng, 0, 15) >= refusals) granted |= 1U << i;
    }
    dut.wgt_gnt_i = static_cast<uint8_t>(granted);
    tick();
    loading_ = granted;
    if (granted != 0) loading_beat_ = expected_.front();
    got_ |= granted;
    full_ = full_ && !dut.block_take_i;
    if (got_ == (loading_beat_.bias ? 0xfu : 0xffu)) {
      full_ = full_ || expected_.front().ends_block;
      expected_.pop_front();
      got_ = 0;
    }
    INFO("full from the cycle after the last grant of a block to the cycle of its take");
    REQUIRE(dut.block_full_o == full_);
  }

  void run(int bound = 100'000) {
    for (int i = 0; !expected_.empty() || full_; ++i) {
      REQUIRE(i < bound);
      step();
    }
    step();
    REQUIRE((*this)->idle_o == 1);
  }

 private:
  void check_loads() {
    const unsigned weights = loading_ != 0 && !loading_beat_.bias ? loading_ : 0;
    const unsigned bias = loading_ != 0 && loading_beat_.bias ? loading_ : 0;
    REQUIRE((*this)->load_valid_o == weights);
    REQUIRE((*this)->bias_valid_o == bias);
    if (weights != 0) {
      REQUIRE((*this)->load_info_o ==
              (loading_beat_.columns << 3 | loading_beat_.is_signed << 2 | loading_beat_.beat));
    }
  }

  std::deque<Beat> expected_;
  Beat loading_beat_{};
  unsigned loading_ = 0;
  unsigned got_ = 0;
  bool full_ = false;
};

template <class Rng>
MatmulCommand random_command(Rng& rng) {
  MatmulCommand c;
  const auto stride = [&] { return static_cast<int32_t>(16 * uniform(rng, -5000, 5000)); };
  c.weight_mode = static_cast<WeightMode>(uniform(rng, 0, 2));
  c.init = static_cast<AccInit>(uniform(rng, 0, 2));
  c.wgt_signed = one_in(rng, 2);
  c.ncount = static_cast<uint16_t>(uniform(rng, 1, 4));
  c.kcount0 = static_cast<uint16_t>(uniform(rng, 1, 3));
  c.kcount1 = static_cast<uint16_t>(uniform(rng, 1, 2));
  c.kcount2 = static_cast<uint16_t>(uniform(rng, 1, 2));
  // Addresses may wrap here: what is outside is matmul_check's to refuse.
  c.wgt = static_cast<uint32_t>(16 * uniform(rng, 0, kScratchpad / 16 - 1));
  c.bias = static_cast<uint32_t>(16 * uniform(rng, 0, kScratchpad / 16 - 16));
  c.wgt_kstride = stride();
  c.wgt_nstride = stride();
  c.wgt_run = stride();
  return c;
}

TEST_CASE("weight_fetcher fetches the chunks of the loop nest in its order", "[weight_fetcher]") {
  for (int refusals : {0, 8, 14}) {
    FetcherDut dut;
    dut.refusals = refusals;
    dut.take_delay = refusals;
    int blocks = 0;
    for (int i = 0; i < 60; ++i) {
      const MatmulCommand c = random_command(dut.rng);
      blocks += c.ncount * c.kcount0 * c.kcount1 * c.kcount2;
      dut.start(c);
      dut.run();
    }
    CHECK(dut.blocks == blocks);
  }
}

TEST_CASE("weight_fetcher takes 4 cycles a block and one for each bias row, when all is granted",
          "[weight_fetcher]") {
  for (bool bias : {false, true}) {
    FetcherDut dut;
    MatmulCommand c;
    c.ncount = 5;
    c.kcount0 = 10;
    c.kcount1 = c.kcount2 = 1;
    c.init = bias ? AccInit::Bias : AccInit::Zero;
    dut.start(c);
    const uint64_t start = dut.cycle();
    while (dut.blocks < 50) dut.step();
    // The last take follows the last grant by a cycle.
    CHECK(dut.cycle() - start == 50 * kBeats + (bias ? 5 : 0) + 1);
  }
}

}  // namespace
