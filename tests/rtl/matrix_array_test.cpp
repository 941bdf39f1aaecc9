// verilator: --unroll-stmts 200000 --unroll-count 1024
#include "Vmatrix_array.h"

#include <array>
#include <catch2/catch.hpp>
#include <cstdint>
#include <deque>

#include "tests/support/dut.hpp"

namespace {

using systole::test::make_rng;
using systole::test::uniform;

constexpr int kCols = 16;
constexpr int kDepth = 32;
constexpr int kLatency = 2;
constexpr int kBeats = 4;  // of a weight block

using Row = std::array<uint8_t, kDepth>;
using Block = std::array<std::array<uint8_t, kCols>, kDepth>;  // [k][column]

int32_t extend(uint8_t byte, bool is_signed) {
  return is_signed ? static_cast<int8_t>(byte) : static_cast<int32_t>(byte);
}

struct ArrayDut : systole::test::Dut<Vmatrix_array> {
  ArrayDut() {
    idle();
    reset();
  }

  void idle() {
    (*this)->row_valid_i = 0;
    (*this)->load_valid_i = 0;
    (*this)->swap_i = 0;
  }

  /// Drives one beat of a weight block; the caller ticks.
  void drive_beat(const Block& block, int beat, bool columns, bool is_signed) {
    for (int i = 0; i < 128; ++i) {
      const int at = 128 * beat + i;
      const uint8_t byte = columns ? block[at % 32][at / 32] : block[at / 16][at % 16];
      uint32_t& word = (*this)->load_i[i / 16][i % 16 / 4];
      word = (word & ~(0xffU << (8 * (i % 4)))) | uint32_t{byte} << (8 * (i % 4));
    }
    (*this)->load_info_i = static_cast<uint16_t>(columns << 3 | is_signed << 2 | beat);
    (*this)->load_valid_i = 0xff;
  }

  void load(const Block& block, bool columns, bool is_signed) {
    for (int beat = 0; beat < kBeats; ++beat) {
      drive_beat(block, beat, columns, is_signed);
      tick();
    }
    (*this)->load_valid_i = 0;
  }

  void drive_row(const Row& row, int len, bool is_signed) {
    for (int w = 0; w < 8; ++w) {
      (*this)->row_i[0][w] =
          row[4 * w] | row[4 * w + 1] << 8 | row[4 * w + 2] << 16 | uint32_t{row[4 * w + 3]} << 24;
    }
    (*this)->row_info_i = static_cast<uint16_t>(is_signed << 7 | len);
    (*this)->row_valid_i = 1;
  }

  /// Sums of the row that entered kLatency cycles ago, compared with `expected`.
  void expect(const std::array<int32_t, kCols>& expected, const std::string& what) {
    settle();
    INFO(what);
    REQUIRE((*this)->valid_o == 1);
    for (int c = 0; c < kCols; ++c) {
      INFO(fmt::format("column {}: expected {}, got {}", c, expected[c],
                       static_cast<int32_t>((*this)->psum_o[c])));
      REQUIRE(static_cast<int32_t>((*this)->psum_o[c]) == expected[c]);
    }
  }

  /// One row against the block in use.
  void check_row(const Row& row, const Block& block, int len, bool row_signed, bool block_signed,
                 const std::string& what) {
    drive_row(row, len, row_signed);
    tick();
    idle();
    for (int i = 1; i < kLatency; ++i) tick();
    expect(dot(row, block, len, row_signed, block_signed), what);
  }

  static std::array<int32_t, kCols> dot(const Row& row, const Block& block, int len,
                                        bool row_signed, bool block_signed) {
    std::array<int32_t, kCols> sums{};
    for (int k = 0; k < len; ++k) {
      for (int c = 0; c < kCols; ++c) {
        sums[c] += extend(row[k], row_signed) * extend(block[k][c], block_signed);
      }
    }
    return sums;
  }

  void swap() {
    (*this)->swap_i = 1;
    tick();
    (*this)->swap_i = 0;
  }
};

Row filled_row(uint8_t byte) {
  Row row;
  row.fill(byte);
  return row;
}

template <class Rng>
Row random_row(Rng& rng) {
  Row row;
  for (uint8_t& byte : row) byte = static_cast<uint8_t>(rng());
  return row;
}

template <class Rng>
Block random_block(Rng& rng) {
  Block block;
  for (auto& k : block) {
    for (uint8_t& byte : k) byte = static_cast<uint8_t>(rng());
  }
  return block;
}

TEST_CASE("matrix_array multiplies every pair of bytes right, s8 and u8 on either side",
          "[matrix_array]") {
  ArrayDut dut;
  for (int signs = 0; signs < 4; ++signs) {
    const bool row_signed = signs & 1;
    const bool block_signed = signs & 2;
    for (int base = 0; base < 256; base += kCols) {
      // All weights base .. base + 15, one a column, at one k; all activations, at that lane.
      const int k = base / kCols * 2 + signs % 2;
      Block block{};
      for (int c = 0; c < kCols; ++c) block[k][c] = static_cast<uint8_t>(base + c);
      dut.load(block, signs == 1, block_signed);
      dut.swap();
      for (int x = 0; x < 256 + kLatency; ++x) {
        Row row{};
        row[k] = static_cast<uint8_t>(x);
        dut.drive_row(row, kDepth, row_signed);
        if (x >= kLatency) {
          row[k] = static_cast<uint8_t>(x - kLatency);
          dut.expect(ArrayDut::dot(row, block, kDepth, row_signed, block_signed),
                     fmt::format("activation byte {} ({}), weight bytes from {} ({}) at k {}",
                                 x - kLatency, row_signed ? "s8" : "u8", base,
                                 block_signed ? "s8" : "u8", k));
        }
        dut.tick();
      }
      dut.idle();
      dut.tick();
      dut.tick();
    }
  }
}

TEST_CASE("matrix_array sums 32 products of extremes without overflow", "[matrix_array]") {
  ArrayDut dut;
  for (int signs = 0; signs < 4; ++signs) {
    for (uint8_t w : {0x00, 0x7f, 0x80, 0xff}) {
      Block block;
      for (auto& k : block) k.fill(w);
      dut.load(block, signs & 1, signs & 2);
      dut.swap();
      for (uint8_t x : {0x00, 0x7f, 0x80, 0xff}) {
        dut.check_row(filled_row(x), block, kDepth, signs & 1, signs & 2,
                      fmt::format("activations {:#x}, weights {:#x}, signs {}", x, w, signs));
      }
    }
  }
}

TEST_CASE("matrix_array counts lanes from len on as 0", "[matrix_array]") {
  ArrayDut dut;
  auto rng = make_rng(1);
  const Block block = random_block(rng);
  dut.load(block, false, true);
  dut.swap();
  for (int len = 1; len <= kDepth; ++len) {
    for (bool row_signed : {false, true}) {
      dut.check_row(random_row(rng), block, len, row_signed, true, fmt::format("len {}", len));
    }
  }
}

TEST_CASE("matrix_array takes blocks as rows of k and as columns", "[matrix_array]") {
  ArrayDut dut;
  auto rng = make_rng(2);
  for (int i = 0; i < 20; ++i) {
    const Block block = random_block(rng);
    dut.load(block, i % 2, i % 3 == 0);
    dut.swap();
    dut.check_row(random_row(rng), block, kDepth, true, i % 3 == 0,
                  i % 2 ? "columns" : "rows of k");
  }
}

TEST_CASE("matrix_array keeps a row a cycle through swaps: the old block to the last row before",
          "[matrix_array]") {
  ArrayDut dut;
  auto rng = make_rng(3);
  constexpr int kBlocks = 40;
  struct Expected {
    std::array<int32_t, kCols> sums;
    int block;
  };
  std::deque<Expected> expected;
  Block next = random_block(rng);
  bool next_signed = true;
  dut.load(next, false, next_signed);
  for (int b = 0; b < kBlocks; ++b) {
    const Block block = next;
    const bool block_signed = next_signed;
    const bool columns = uniform(rng, 0, 1) == 1;
    next = random_block(rng);
    next_signed = uniform(rng, 0, 1) == 1;
    // Rows of this block and beats of the next begin in the cycle of the swap.
    const int rows = static_cast<int>(uniform(rng, 8, 12));
    for (int r = 0; r < rows; ++r) {
      const Row row = random_row(rng);
      const int len = static_cast<int>(uniform(rng, 1, kDepth));
      const bool row_signed = uniform(rng, 0, 1) == 1;
      dut->swap_i = r == 0;
      dut->load_valid_i = 0;
      if (r < kBeats) dut.drive_beat(next, r, columns, next_signed);
      dut.drive_row(row, len, row_signed);
      expected.push_back({ArrayDut::dot(row, block, len, row_signed, block_signed), b});
      if (expected.size() > kLatency) {
        dut.expect(expected.front().sums, fmt::format("a row of block {}", expected.front().block));
        expected.pop_front();
      }
      dut.tick();
    }
  }
}

TEST_CASE("matrix_array loads each chunk of a beat by its own valid", "[matrix_array]") {
  ArrayDut dut;
  auto rng = make_rng(4);
  const Block block = random_block(rng);
  for (int beat = 0; beat < kBeats; ++beat) {
    for (int chunk = 7; chunk >= 0; --chunk) {
      dut.drive_beat(random_block(rng), beat, false, true);
      for (int w = 0; w < 4; ++w) {
        uint32_t word = 0;
        for (int b = 0; b < 4; ++b) {
          word |= uint32_t{block[8 * beat + chunk][4 * w + b]} << (8 * b);
        }
        dut->load_i[chunk][w] = word;
      }
      dut->load_valid_i = static_cast<uint8_t>(1 << chunk);
      dut.tick();
    }
  }
  dut.idle();
  dut.swap();
  dut.check_row(random_row(rng), block, kDepth, true, true, "loaded chunk by chunk");
}

}  // namespace
