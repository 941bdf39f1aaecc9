// The vector unit's way through a pass, cycle by cycle: the registers of vector_unit, vector_agen,
// vector_held and vector_results (rtl/vector). The lanes are a delay.
#pragma once

#include <array>

#include "host/timing/flit.hpp"
#include "host/timing/scratchpad.hpp"

namespace systole::timing {

class VectorTiming {
 public:
  bool ready() const { return state_ == State::Idle; }
  bool idle() const { return state_ == State::Idle; }
  void take(const spec::VectorCommand& command);

  void ask(Scratchpad& scratchpad, Cycle cycle);
  /// The half of the accumulators of which it wants a row in this cycle, or none.
  bool wants_row() const { return asks_row_; }
  unsigned row_half() const { return group_.a / spec::AccHalfRows % 2; }
  bool done(Cycle cycle) const;
  /// Ends the cycle.
  void step(Cycle cycle, uint32_t granted, bool row_granted);

 private:
  static constexpr unsigned kRooms = 16;
  static constexpr unsigned kCheckCycles = 8;  // from the start to the first write
  enum class State : uint8_t { Idle, Check, Run, Drain };

  struct Group {
    uint32_t a = 0, b = 0, d = 0;
    unsigned lanes = 0;
    bool last = false, block_end = false, pass_end = false;
  };
  struct Result {
    Cycle offered = 0;  // from when on it may be written
    Banks low = 0, high = 0;
    bool two = false;
  };

  void start(Cycle cycle);
  void next_group();
  void describe_group();
  Banks window(uint32_t address, bool word, bool high) const;
  bool set_busy(unsigned set, Cycle cycle) const;
  void advance(Cycle cycle);
  void held_step(bool granted);
  void write_step(bool granted);

  State state_ = State::Idle;
  spec::VectorCommand c_;
  unsigned latency_ = 6;  // from a group's fetch to its result's coming out of the lanes
  bool a_acc_ = false, a_word_ = false, b_word_ = false, d_word_ = false, uses_b_ = false;
  Cycle first_write_ = 0;

  // the loop nest
  bool group_valid_ = false;
  Group group_;
  std::array<uint32_t, 4> left_{}, count_{};
  std::array<uint32_t, 4> a_{}, b_{}, d_{};  // where each dimension's iteration starts
  uint32_t w0_left_ = 0, w1_left_ = 0, a_w1_ = 0;

  // operands
  bool a_high_ = false, b_high_ = false, a_got_ = false, b_got_ = false;
  bool a_wait_ = false, b_wait_ = false, acc_wait_ = false;

  // held vectors: two sets
  bool held_active_ = false, held_waiting_ = false;
  unsigned halves_ = 0, halves_left_ = 0, blocks_ = 0, fill_ = 0, use_ = 0;
  uint32_t held_offset_ = 0;
  bool full_[2] = {true, true};
  Cycle last_of_set_[2] = {};  // when its last group was fetched

  // results
  Queue<Result, 16> results_;
  bool high_ = false, write_refused_ = false;
  Cycle last_advance_ = 0;

  // this cycle
  bool may_fetch_ = false, a_turn_ = false;
  bool asks_a_ = false, asks_b_ = false, asks_row_ = false, asks_held_ = false, asks_write_ = false;
};

}  // namespace systole::timing
