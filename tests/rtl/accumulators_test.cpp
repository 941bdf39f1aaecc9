#include "Vaccumulators.h"

#include <verilated_sym_props.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <optional>
#include <vector>

#include "tests/support/dut.hpp"

namespace {

using systole::test::make_rng;
using systole::test::one_in;
using systole::test::uniform;

constexpr int kCols = 16;
constexpr int kRows = 512;
constexpr int kHalf = 256;

enum Base { Zero = 0, Bias = 1, Accumulate = 2 };
using Words = std::array<int32_t, kCols>;

int32_t wrapping_add(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b));
}

Words filled(int32_t value) {
  Words words;
  words.fill(value);
  return words;
}

template <class Rng>
Words random_words(Rng& rng) {
  Words words;
  for (int32_t& word : words) word = static_cast<int32_t>(rng());
  return words;
}

/// Drives one cycle at a time and keeps the rows as the contract says they are.
struct AccumulatorsDut : systole::test::Dut<Vaccumulators> {
  struct Update {
    int row;
    Base base;
    Words psum;
    Words bias;
  };

  std::vector<Words> model = std::vector<Words>(kRows, filled(0));

  AccumulatorsDut() {
    (*this)->row_valid_i = 0;
    (*this)->vacc_req_i = 0;
    reset();
    for (int row = 0; row < kRows; ++row) cycle(Update{row, Zero, filled(0), filled(0)});
    cycle();
  }

  /// One cycle in which `update` may enter and the vector may ask for a row. Returns whether the
  /// vector was granted; its data are checked in the next cycle.
  bool cycle(const std::optional<Update>& update = {}, std::optional<int> vector_row = {}) {
    (*this)->row_valid_i = update.has_value();
    if (update) {
      (*this)->row_i = static_cast<uint16_t>(update->row);
      (*this)->base_i = update->base;
    }
    if (entered_) {
      for (int c = 0; c < kCols; ++c) {
        (*this)->psum_i[c] = static_cast<uint32_t>(entered_->psum[c]);
        (*this)->bias_i[c] = static_cast<uint32_t>(entered_->bias[c]);
      }
    }
    (*this)->vacc_req_i = vector_row.has_value();
    if (vector_row) (*this)->vacc_row_i = static_cast<uint16_t>(*vector_row);
    settle();
    check_vector_data();
    const bool granted = (*this)->vacc_gnt_o;
    tick();
    if (entered_) apply(*entered_);
    // What a read that was granted in this cycle sees: sums that came in it or before.
    if (granted) vector_data_ = std::make_pair(*vector_row, model[*vector_row]);
    entered_ = update;
    return granted;
  }

  void expect_memory(int row) {
    const Words& expected = model[row];
    for (int c = 0; c < kCols; ++c) {
      INFO(fmt::format("mem_q[{}][{}]: expected {}, got {}", row, c, expected[c],
                       memory()[row * kCols + c]));
      REQUIRE(memory()[row * kCols + c] == expected[c]);
    }
  }

  const int32_t* memory() {
    const VerilatedScope* scope = (*this)->contextp()->scopeFind("dut.accumulators");
    REQUIRE(scope != nullptr);
    VerilatedVar* variable = scope->varFind("mem_q");
    REQUIRE(variable != nullptr);
    return static_cast<const int32_t*>(variable->datap());
  }

 private:
  void apply(const Update& update) {
    Words& row = model[update.row];
    for (int c = 0; c < kCols; ++c) {
      const int32_t base = update.base == Zero ? 0 : update.base == Bias ? update.bias[c] : row[c];
      row[c] = wrapping_add(base, update.psum[c]);
    }
  }

  void check_vector_data() {
    if (!vector_data_) return;
    const auto [row, expected] = *vector_data_;
    vector_data_.reset();
    for (int c = 0; c < kCols; ++c) {
      const auto got = static_cast<int32_t>((*this)->vacc_data_o[c]);
      INFO(fmt::format("vector read of row {}, column {}: expected {}, got {}", row, c, expected[c],
                       got));
      REQUIRE(got == expected[c]);
    }
  }

  std::optional<Update> entered_;
  std::optional<std::pair<int, Words>> vector_data_;
};

using Update = AccumulatorsDut::Update;

TEST_CASE("accumulators start a row from zero, the bias or itself, wrapping", "[accumulators]") {
  AccumulatorsDut dut;
  const int32_t max = INT32_MAX;
  for (int row : {0, 255, 256, 511}) {
    dut.cycle(Update{row, Zero, filled(max), filled(77)});
    dut.cycle();
    dut.cycle();
    dut.expect_memory(row);
    dut.cycle(Update{row, Accumulate, filled(1), filled(77)});
    dut.cycle();
    dut.cycle();
    dut.expect_memory(row);
    CHECK(dut.model[row][0] == INT32_MIN);
    dut.cycle(Update{row, Bias, filled(5), filled(-8)});
    dut.cycle();
    dut.cycle();
    dut.expect_memory(row);
    CHECK(dut.model[row][15] == -3);
  }
}

TEST_CASE("accumulators have a row in the memory two cycles after it entered, not one",
          "[accumulators]") {
  AccumulatorsDut dut;
  dut.cycle(Update{300, Zero, filled(9), filled(0)});
  CHECK(dut.memory()[300 * kCols] == 0);
  dut.cycle();
  CHECK(dut.memory()[300 * kCols] == 9);
}

TEST_CASE("accumulators accumulate into the same row every cycle", "[accumulators]") {
  AccumulatorsDut dut;
  auto rng = make_rng(1);
  for (int row : {3, 400}) {
    for (int i = 0; i < 50; ++i) {
      dut.cycle(Update{row, Accumulate, random_words(rng), filled(0)});
    }
    dut.cycle();
    dut.expect_memory(row);
  }
}

TEST_CASE("accumulators grant the vector except where the matrix path reads that half",
          "[accumulators]") {
  AccumulatorsDut dut;
  for (int matrix_row : {10, 310}) {
    for (int vector_row : {20, 320, matrix_row}) {
      for (Base base : {Zero, Bias, Accumulate}) {
        const bool same_half = matrix_row / kHalf == vector_row / kHalf;
        INFO(fmt::format("matrix row {}, base {}, vector row {}", matrix_row,
                         static_cast<int>(base), vector_row));
        CHECK(dut.cycle(Update{matrix_row, base, filled(1), filled(2)}, vector_row) ==
              !(same_half && base == Accumulate));
      }
    }
  }
  dut.cycle();
  CHECK(dut.cycle({}, 20));
  CHECK(dut.cycle({}, 320));
  dut.cycle();
}

TEST_CASE("accumulators serve random rows of both paths", "[accumulators]") {
  AccumulatorsDut dut;
  auto rng = make_rng(2);
  for (int i = 0; i < 20'000; ++i) {
    // Few rows, so that the paths meet often.
    const auto row = [&] {
      return static_cast<int>(uniform(rng, 0, 1) * kHalf + uniform(rng, 0, 3));
    };
    std::optional<Update> update;
    if (!one_in(rng, 4)) {
      update = Update{row(), static_cast<Base>(uniform(rng, 0, 2)), random_words(rng),
                      random_words(rng)};
    }
    std::optional<int> vector_row;
    if (one_in(rng, 2)) vector_row = row();
    dut.cycle(update, vector_row);
  }
  dut.cycle();
  dut.cycle();
  for (int row = 0; row < kRows; ++row) dut.expect_memory(row);
}

}  // namespace
