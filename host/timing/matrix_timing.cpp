#include "host/timing/matrix_timing.hpp"

namespace systole::timing {
namespace {

constexpr unsigned kWeightBeats = 4;
constexpr unsigned kAllChunks = 255, kBiasChunks = 15;
enum Loop : unsigned { R0, R1, R2, K0, K1, K2, N };

unsigned windows_of(spec::RowMode mode, unsigned len) {
  if (mode == spec::RowMode::Run16x2) return len > 16 ? 2 : 1;
  if (mode == spec::RowMode::Run8x4) return (len + 7) / 8;
  return 1;
}

unsigned window_bytes(spec::RowMode mode) {
  if (mode == spec::RowMode::Run16x2) return 16;
  return mode == spec::RowMode::Run8x4 ? 8 : 32;
}

}  // namespace

void MatrixTiming::take(const spec::MatmulCommand& command, Cycle cycle) {
  checking_ = true;
  checked_ = cycle + kCheckCycles;
  checked_command_ = command;
}

void MatrixTiming::ask(Scratchpad& scratchpad) {
  takes_block_ = valid_ && !block_in_use_ && full_;
  asked_windows_ = asked_chunks_ = 0;
  if (valid_ && (block_in_use_ || takes_block_)) {
    asked_windows_ = ((1u << windows_) - 1) & ~got_windows_;
    for (unsigned w = 0; w < windows_; ++w) {
      if ((asked_windows_ >> w & 1) != 0) scratchpad.ask(Scratchpad::Act + w, window_banks_[w]);
    }
  }
  if (fetch_valid_ && (!full_ || takes_block_)) {
    asked_chunks_ = kAllChunks & ~got_chunks_;
    for (unsigned c = 0; c < kChunks; ++c) {
      if ((asked_chunks_ >> c & 1) != 0)
        scratchpad.ask(Scratchpad::Wgt + c, banks_of(chunk_[c], spec::BankBytes));
    }
  }
}

void MatrixTiming::step(Cycle cycle, uint32_t granted) {
  reads_[0] >>= 1, reads_[1] >>= 1, ends_ >>= 1;
  // What starts in this cycle was decided by the registers that it began with.
  const bool starts = checking_ && cycle >= checked_ && !fetch_valid_ && !next_valid_;
  const bool fetching = asked_chunks_ != 0;
  if (takes_block_) {
    full_ = false;
    block_in_use_ = true;
  }
  if (fetching) fetch(granted >> Scratchpad::Wgt & kAllChunks);
  const unsigned windows = granted >> Scratchpad::Act & 15;
  const bool row_done = asked_windows_ != 0 && (asked_windows_ & ~windows) == 0;
  const bool loads = next_valid_ && (!valid_ || (row_done && command_ends_));
  if (row_done) {
    got_windows_ = 0;
    const bool accumulates = !first_kstep_ || rows_.init == spec::AccInit::Accumulate;
    if (accumulates) reads_[acc_row_ / spec::AccHalfRows % 2] |= 2;
    if (block_ends_) block_in_use_ = false;
    if (command_ends_) {
      ends_ |= 8;
      valid_ = false;
    } else {
      next_row();
    }
  } else {
    got_windows_ |= asked_windows_ & windows;
  }
  if (loads) load_command();
  if (starts) start();
}

/// The checked command goes to both processes.
void MatrixTiming::start() {
  checking_ = false;
  next_ = weights_ = checked_command_;
  next_valid_ = fetch_valid_ = true;
  const spec::MatmulCommand& c = weights_;
  ksteps_ = uint32_t{c.kcount0} * c.kcount1 * c.kcount2;
  ksteps_left_ = ksteps_ - 1;
  n_left_ = c.ncount - 1u;
  beat_ = got_chunks_ = 0;
  constexpr int32_t kChunkBytes = spec::BankBytes;
  const bool columns = c.weight_mode == spec::WeightMode::Columns;
  const int32_t run = c.weight_mode == spec::WeightMode::Packed ? kChunkBytes : c.wgt_run;
  const int32_t chunks_of_run = columns ? 2 : 1;
  for (int32_t i = 0; i < int32_t{kChunks}; ++i)
    offset_[i] = i / chunks_of_run * run + i % chunks_of_run * kChunkBytes;
  beat_stride_ = int32_t{kChunks} / chunks_of_run * run;
  block_ = n_block_ = c.wgt;
  bias_ = c.bias;
  for (unsigned i = 0; i < kChunks; ++i) chunk_[i] = block_ + static_cast<uint32_t>(offset_[i]);
}

void MatrixTiming::fetch(unsigned granted) {
  got_chunks_ |= asked_chunks_ & granted;
  if (got_chunks_ != kAllChunks) return;
  got_chunks_ = 0;
  ++beat_;
  const bool first_of_n = ksteps_left_ == ksteps_ - 1;
  const bool with_bias = weights_.init == spec::AccInit::Bias && first_of_n;
  if (beat_ == kWeightBeats && with_bias) {
    got_chunks_ = kAllChunks & ~kBiasChunks;
    for (unsigned i = 0; i < kChunks; ++i) chunk_[i] = bias_ + i * spec::BankBytes;
  } else if (beat_ < kWeightBeats) {
    for (uint32_t& chunk : chunk_) chunk += static_cast<uint32_t>(beat_stride_);
  } else {
    end_block();
  }
}

void MatrixTiming::end_block() {
  beat_ = 0;
  full_ = true;
  const bool new_n = ksteps_left_ == 0;
  block_ = new_n ? n_block_ + static_cast<uint32_t>(weights_.wgt_nstride)
                 : block_ + static_cast<uint32_t>(weights_.wgt_kstride);
  for (unsigned i = 0; i < kChunks; ++i) chunk_[i] = block_ + static_cast<uint32_t>(offset_[i]);
  ksteps_left_ = new_n ? ksteps_ - 1 : ksteps_left_ - 1;
  if (!new_n) return;
  if (n_left_ == 0) {
    fetch_valid_ = false;
    return;
  }
  n_block_ = block_;
  --n_left_;
  bias_ += 4 * spec::BankBytes;
}

void MatrixTiming::load_command() {
  next_valid_ = false;
  valid_ = true;
  rows_ = next_;
  const spec::MatmulCommand& c = rows_;
  last_ = {c.rcount0 - 1u, c.rcount1 - 1u, c.rcount2 - 1u, c.kcount0 - 1u,
           c.kcount1 - 1u, c.kcount2 - 1u, c.ncount - 1u};
  stride_ = {c.rstride0, c.rstride1, c.rstride2, c.kstride0, c.kstride1, c.kstride2, c.act_nstride};
  left_ = last_;
  at_.fill(static_cast<int32_t>(c.act));
  acc_row_ = acc_first_ = c.acc;
  first_kstep_ = true;
  window_bytes_ = window_bytes(c.row_mode);
  begin_row();
}

/// The innermost loop with iterations left goes on; those inside it start again.
void MatrixTiming::next_row() {
  unsigned level = 0;
  while (left_[level] == 0) ++level;
  --left_[level];
  at_[level] += stride_[level];
  for (unsigned i = 0; i < level; ++i) {
    at_[i] = at_[level];
    left_[i] = last_[i];
  }
  ++acc_row_;
  if (level == N) acc_first_ += rows_.acc_nstride;
  if (level > R2) {
    acc_row_ = acc_first_;
    first_kstep_ = level == N;
  }
  begin_row();
}

void MatrixTiming::begin_row() {
  windows_ = windows_of(rows_.row_mode, left_[K0] == 0 ? rows_.len_last : rows_.len);
  for (unsigned w = 0; w < windows_; ++w) {
    const int32_t address = at_[0] + static_cast<int32_t>(w) * rows_.run_stride;
    window_banks_[w] = banks_of(static_cast<uint32_t>(address), window_bytes_);
  }
  block_ends_ = (left_[R0] | left_[R1] | left_[R2]) == 0;
  command_ends_ = block_ends_ && (left_[K0] | left_[K1] | left_[K2] | left_[N]) == 0;
}

}  // namespace systole::timing
