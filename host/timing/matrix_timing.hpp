// The matrix unit's way through Matmul commands, cycle by cycle: the registers of matmul_check,
// weight_fetcher and row_streamer (rtl/matrix), and which half of the accumulators is read.
#pragma once

#include <array>

#include "host/timing/flit.hpp"
#include "host/timing/scratchpad.hpp"

namespace systole::timing {

class MatrixTiming {
 public:
  bool ready() const { return !checking_; }
  void take(const spec::MatmulCommand& command, Cycle cycle);

  void ask(Scratchpad& scratchpad);
  /// The vector unit may not read a row of this half (0, 1) in this cycle.
  bool reads_half(unsigned half) const { return (reads_[half] & 1) != 0; }
  bool done() const { return (ends_ & 1) != 0; }
  /// Ends the cycle.
  void step(Cycle cycle, uint32_t granted);
  bool idle() const {
    return !(checking_ || fetch_valid_ || valid_ || next_valid_) &&
           (reads_[0] | reads_[1] | ends_) == 0;
  }

 private:
  static constexpr unsigned kLoops = 7;
  static constexpr unsigned kChunks = 8;  // of weights in a beat
  static constexpr unsigned kCheckCycles = 10;

  void start();
  void fetch(unsigned granted);
  void end_block();
  void load_command();
  void next_row();
  void begin_row();

  // check
  bool checking_ = false;
  Cycle checked_ = 0;  // from when on the command may start
  spec::MatmulCommand checked_command_;

  // weights: of the block that is fetched beside the one in use
  spec::MatmulCommand weights_;
  bool fetch_valid_ = false;
  bool full_ = false;
  unsigned beat_ = 0, got_chunks_ = 0;
  uint32_t ksteps_ = 1, ksteps_left_ = 0, n_left_ = 0;
  uint32_t block_ = 0, n_block_ = 0, bias_ = 0;
  uint32_t chunk_[kChunks] = {};
  int32_t beat_stride_ = 0, offset_[kChunks] = {};

  // rows
  bool next_valid_ = false;
  spec::MatmulCommand next_;
  bool valid_ = false;
  spec::MatmulCommand rows_;
  bool block_in_use_ = false;
  unsigned got_windows_ = 0;
  unsigned windows_ = 1, window_bytes_ = 32;
  std::array<Banks, 4> window_banks_{};
  std::array<uint32_t, kLoops> left_{}, last_{};
  std::array<int32_t, kLoops> stride_{};
  std::array<int32_t, kLoops> at_{};
  uint32_t acc_row_ = 0, acc_first_ = 0;
  bool first_kstep_ = true;
  bool block_ends_ = false, command_ends_ = false;

  // this cycle
  bool takes_block_ = false;
  unsigned asked_windows_ = 0, asked_chunks_ = 0;

  // what is to come, bit 0 this cycle
  uint32_t reads_[2] = {};
  uint32_t ends_ = 0;
};

}  // namespace systole::timing
