#include "host/timing/vector_timing.hpp"

namespace systole::timing {
namespace {

bool is_byte(spec::Vtype type) { return type == spec::Vtype::S8 || type == spec::Vtype::U8; }

bool is_function(spec::Vact act) {
  return act == spec::Vact::Exp2 || act == spec::Vact::Recip || act == spec::Vact::Rsqrt;
}

/// Stages that a group passes in the lanes: a fused multiply-add has two, and stands there up to
/// three times; a function has three.
unsigned lane_latency(const spec::VectorCommand& c) {
  const unsigned function = is_function(c.act) ? 3 : 0;
  if (c.op == spec::Vop::Div) return 10 + function;
  return (c.op == spec::Vop::Fma && c.b_type != spec::Vtype::None ? 8 : 6) + function;
}

constexpr unsigned kWindow = 32;

}  // namespace

void VectorTiming::take(const spec::VectorCommand& command) {
  c_ = command;
  state_ = State::Check;
}

// ------------------------------------------------------------------------------------- the pass

void VectorTiming::start(Cycle cycle) {
  state_ = State::Run;
  latency_ = lane_latency(c_);
  a_acc_ = c_.a_type == spec::Vtype::Acc;
  a_word_ = !a_acc_ && !is_byte(c_.a_type);
  b_word_ = !is_byte(c_.b_type);
  d_word_ = !is_byte(c_.d_type);
  uses_b_ = c_.b_type != spec::Vtype::None;
  first_write_ = cycle + kCheckCycles;
  count_ = {c_.count0 - 1u, c_.count1 - 1u, c_.count2 - 1u, c_.count3 - 1u};
  left_ = count_;
  a_.fill(c_.a_base);
  b_.fill(c_.b_base);
  d_.fill(c_.d_base);
  w0_left_ = c_.wcount0 - 1u;
  w1_left_ = c_.wcount1 - 1u;
  a_w1_ = c_.a_base;
  group_.a = c_.a_base, group_.b = c_.b_base, group_.d = c_.d_base;
  describe_group();
  group_valid_ = true;
  a_high_ = b_high_ = a_got_ = b_got_ = false;
  halves_ = (c_.s_vector ? 3u : 0u) | (c_.t_vector ? 12u : 0u) | (c_.c_vector ? 48u : 0u);
  halves_left_ = halves_;
  held_active_ = halves_ != 0;
  full_[0] = full_[1] = halves_ == 0;
  blocks_ = c_.count3 - 1u;
  held_offset_ = 0;
  fill_ = use_ = 0;
  last_of_set_[0] = last_of_set_[1] = 0;
}

void VectorTiming::describe_group() {
  group_.last = w0_left_ == 0 && w1_left_ == 0;
  group_.block_end = group_.last && (left_[0] | left_[1] | left_[2]) == 0;
  group_.pass_end = group_.block_end && left_[3] == 0;
  group_.lanes = left_[c_.tail_dim] == 0 ? c_.lanes_last : c_.lanes;
}

void VectorTiming::next_group() {
  if (w0_left_ != 0) {
    --w0_left_;
    group_.a += static_cast<uint32_t>(c_.a_wstride0);
  } else if (w1_left_ != 0) {
    w0_left_ = c_.wcount0 - 1u;
    --w1_left_;
    a_w1_ += static_cast<uint32_t>(c_.a_wstride1);
    group_.a = a_w1_;
  } else {
    w0_left_ = c_.wcount0 - 1u;
    w1_left_ = c_.wcount1 - 1u;
    unsigned dim = 0;
    while (dim < 3 && left_[dim] == 0) ++dim;
    const std::array<int32_t, 4> sa{c_.a_stride0, c_.a_stride1, c_.a_stride2, c_.a_stride3};
    const std::array<int32_t, 4> sb{c_.b_stride0, c_.b_stride1, c_.b_stride2, c_.b_stride3};
    const std::array<int32_t, 4> sd{c_.d_stride0, c_.d_stride1, c_.d_stride2, c_.d_stride3};
    --left_[dim];
    group_.a = a_[dim] + static_cast<uint32_t>(sa[dim]);
    group_.b = b_[dim] + static_cast<uint32_t>(sb[dim]);
    group_.d = d_[dim] + static_cast<uint32_t>(sd[dim]);
    for (unsigned k = 0; k < dim; ++k) left_[k] = count_[k];
    for (unsigned k = 0; k <= dim; ++k) {
      a_[k] = group_.a;
      b_[k] = group_.b;
      d_[k] = group_.d;
    }
    a_w1_ = group_.a;
  }
  describe_group();
}

bool VectorTiming::set_busy(unsigned set, Cycle cycle) const {
  return last_of_set_[set] != 0 && cycle <= last_of_set_[set] + latency_;
}

// ------------------------------------------------------------------------------------- requests

Banks VectorTiming::window(uint32_t address, bool word, bool high) const {
  unsigned bytes = group_.lanes;
  if (word) bytes = 4 * group_.lanes;
  if (high) return banks_of(address + kWindow, bytes - kWindow);
  return banks_of(address, bytes > kWindow ? kWindow : bytes);
}

void VectorTiming::ask(Scratchpad& scratchpad, Cycle cycle) {
  may_fetch_ = asks_a_ = asks_b_ = asks_row_ = asks_held_ = asks_write_ = false;
  if (state_ != State::Run && state_ != State::Drain) return;
  asks_held_ = held_waiting_ || (held_active_ && !full_[fill_] && !set_busy(fill_, cycle));
  may_fetch_ = group_valid_ && results_.has_room() && full_[use_];
  a_turn_ = a_wait_ || !asks_held_;
  asks_a_ = a_wait_ || (may_fetch_ && a_turn_ && !a_acc_ && !a_got_);
  asks_b_ = b_wait_ || (may_fetch_ && uses_b_ && !b_got_);
  asks_row_ = acc_wait_ || (may_fetch_ && a_acc_ && !a_got_);
  if (asks_a_) {
    scratchpad.ask(Scratchpad::Va, window(group_.a, a_word_, a_high_));
  } else if (asks_held_) {
    const auto half = static_cast<unsigned>(__builtin_ctz(halves_left_));
    const uint32_t base = half < 2 ? c_.s : half < 4 ? c_.t : c_.c;
    scratchpad.ask(Scratchpad::Va, banks_of(base + held_offset_ + half % 2 * kWindow, kWindow));
  }
  if (asks_b_) scratchpad.ask(Scratchpad::Vb, window(group_.b, b_word_, b_high_));
  if (results_.empty()) return;
  const Result& result = results_.front();
  asks_write_ = result.offered <= cycle && (write_refused_ || cycle >= first_write_);
  if (asks_write_) scratchpad.ask(Scratchpad::Vd, high_ ? result.high : result.low);
}

bool VectorTiming::done(Cycle cycle) const {
  return state_ == State::Drain && cycle > last_advance_ + latency_ && results_.empty();
}

// ----------------------------------------------------------------------------------- the cycle

void VectorTiming::step(Cycle cycle, uint32_t granted, bool row_granted) {
  if (state_ == State::Check) return start(cycle);
  if (done(cycle)) {
    state_ = State::Idle;
    return;
  }
  const bool va = (granted >> Scratchpad::Va & 1) != 0;
  const bool a_granted = asks_a_ && va;
  const bool b_granted = (granted >> Scratchpad::Vb & 1) != 0;
  const bool small = group_.lanes <= 8;
  const bool a_whole = a_got_ || row_granted || (a_granted && (a_high_ || !a_word_ || small));
  const bool b_whole = b_got_ || !uses_b_ || (b_granted && (b_high_ || !b_word_ || small));
  const bool advances = may_fetch_ && a_whole && b_whole;
  a_wait_ = asks_a_ && !va;
  b_wait_ = asks_b_ && !b_granted;
  acc_wait_ = asks_row_ && !row_granted;
  // Results that were there when the cycle began; a room is free again in the next.
  write_step((granted >> Scratchpad::Vd & 1) != 0);
  held_step(asks_held_ && !a_turn_ && va);
  if (advances) {
    a_high_ = b_high_ = a_got_ = b_got_ = false;
    advance(cycle);
  } else if (may_fetch_) {
    a_high_ = a_high_ || a_granted;
    b_high_ = b_high_ || b_granted;
    a_got_ = a_whole;
    b_got_ = b_whole;
  }
}

void VectorTiming::advance(Cycle cycle) {
  last_advance_ = last_of_set_[use_] = cycle;
  if (group_.last) {
    Result result;
    result.offered = cycle + latency_ + 1;
    result.two = d_word_ && group_.lanes > 8;
    result.low = window(group_.d, d_word_, false);
    if (result.two) result.high = window(group_.d, d_word_, true);
    results_.push(result);
  }
  if (group_.block_end && halves_ != 0) {
    full_[use_] = false;
    use_ = 1 - use_;
  }
  if (group_.pass_end) {
    group_valid_ = false;
    state_ = State::Drain;
  } else {
    next_group();
  }
}

void VectorTiming::held_step(bool granted) {
  held_waiting_ = asks_held_ && !granted;
  if (!granted) return;
  halves_left_ &= halves_left_ - 1;
  if (halves_left_ != 0) return;
  halves_left_ = halves_;
  full_[fill_] = true;
  fill_ = 1 - fill_;
  held_offset_ += 2 * kWindow;
  if (blocks_-- == 0) held_active_ = false;
}

void VectorTiming::write_step(bool granted) {
  write_refused_ = asks_write_ && !granted;
  if (!granted) return;
  if (results_.front().two && !high_) {
    high_ = true;
    return;
  }
  high_ = false;
  results_.pop();
}

}  // namespace systole::timing
