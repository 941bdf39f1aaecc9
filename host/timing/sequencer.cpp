#include "host/timing/sequencer.hpp"

namespace systole::timing {

bool Semaphores::end_cycle() {
  if ((taken_ | posts_made_) == 0) return false;
  for (unsigned left = taken_; left != 0; left &= left - 1) --count_[__builtin_ctz(left)];
  for (unsigned i = 0; i < posts_made_; ++i) {
    for (unsigned left = posts_[i]; left != 0; left &= left - 1) ++count_[__builtin_ctz(left)];
  }
  posts_made_ = 0;
  nonzero_ = 0;
  for (unsigned s = 0; s < count_.size(); ++s) nonzero_ |= unsigned{count_[s] != 0} << s;
  return true;
}

void Sequencer::launch(const TileLaunch& launch, const UnitProgram& program) {
  *this = Sequencer();
  program_ = &program;
  params_ = launch.params;
  steps_ = launch.steps;
  last_iteration_ = launch.iterations - 1;
  fetch_ = Fetch::Request;
  ended_ = false;
}

Banks Sequencer::fetch_banks() const {
  return banks_of(program_->address + pc_ * spec::CommandBytes + beat_ * spec::FlitBytes,
                  spec::FlitBytes);
}

bool Sequencer::issue(Semaphores& semaphores, bool unit_ready) {
  taken_now_ = issues_ = false;
  if (next_ == nullptr || under_way_.size() + remote_.size() >= kMaxUnderWay) return false;
  if (!taken_) taken_now_ = semaphores.take(next_->header.wait_mask);
  issues_ = (taken_ || taken_now_) && (unit_ready || next_->internal());
  return issues_;
}

bool Sequencer::retire(Semaphores& semaphores, bool done, bool done_posted) {
  push_remote_ = retires_done_ = false;
  retires_ = !under_way_.empty() && (under_way_.front().internal || done || !done_.empty());
  if (!retires_) return false;
  const UnderWay& head = under_way_.front();
  retires_done_ = !head.internal;
  const bool posted = done_.empty() ? done_posted : done_.front();
  if (head.post_mask != 0) semaphores.post(head.post_mask);
  push_remote_ = head.remote && (head.internal || !posted);
  new_remote_ = head.post;
  retired_ = {head.pc, head.iteration, head.is_loop};
  return true;
}

bool Sequencer::step(bool fetch_granted, bool done, bool done_posted, bool remote_taken) {
  const bool advance = fetch_ == Fetch::Ready && (next_ == nullptr || issues_);
  const bool fetching = fetch_ != Fetch::Idle && fetch_ != Fetch::Ready;
  const bool changes =
      advance || issues_ || taken_now_ || done || retires_ || remote_taken || fetching;
  if (!changes) return false;
  if (retires_) {
    if (under_way_.front().is_end) ended_ = true;
    under_way_.pop();
  }
  if (done) done_.push(done_posted);
  if (retires_done_) done_.pop();
  if (remote_taken) remote_.pop();
  if (push_remote_) remote_.push(new_remote_);
  if (issues_) {
    const spec::CommandHeader& h = next_->header;
    under_way_.push({next_pc_,
                     next_iteration_,
                     h.post_mask,
                     h.remote_en,
                     {h.remote_x, h.remote_y, h.remote_sem},
                     next_->internal(),
                     h.opcode == spec::Opcode::End,
                     h.opcode == spec::Opcode::Loop});
    next_ = nullptr;
  }
  taken_ = !issues_ && (taken_ || taken_now_);
  issues_ = taken_now_ = retires_ = retires_done_ = push_remote_ = false;
  if (fetch_ != Fetch::Idle) fetch_step(fetch_granted, advance);
  return true;
}

void Sequencer::fetch_step(bool granted, bool advance) {
  switch (fetch_) {
    case Fetch::Request:
      if (!granted) break;
      if (++beat_ == spec::CommandBytes / spec::FlitBytes) fetch_ = Fetch::Last;
      break;
    case Fetch::Last:
      fetch_ = Fetch::Check;
      break;
    case Fetch::Check: {
      const std::size_t phase = iteration_ % program_->commands.size();
      buffer_ = &program_->commands[phase][pc_];
      params_left_ = buffer_->selectors();
      if (params_left_ != 0) patch();
      fetch_ = params_left_ == 0 ? Fetch::Ready : Fetch::Param;
      break;
    }
    case Fetch::Param:
      if (--params_left_ == 0) fetch_ = Fetch::Ready;
      break;
    case Fetch::Ready:
      if (!advance) break;
      next_ = buffer_;
      next_pc_ = pc_;
      next_iteration_ = iteration_;
      advance_pc();
      break;
    default:
      break;
  }
}

void Sequencer::patch() {
  patch_ = 1 - patch_;
  const std::size_t phase = iteration_ % program_->words.size();
  patched_[patch_] = decode(with_params(program_->words[phase][pc_], params_));
  buffer_ = &patched_[patch_];
}

void Sequencer::advance_pc() {
  beat_ = 0;
  ++pc_;
  fetch_ = buffer_->header.opcode == spec::Opcode::End ? Fetch::Idle : Fetch::Request;
  const auto* loop = std::get_if<spec::LoopCommand>(&buffer_->body);
  if (loop == nullptr || iteration_ >= last_iteration_) return;
  pc_ = loop->target;
  ++iteration_;
  for (unsigned i = 0; i < params_.size(); ++i) params_[i] += steps_[i];
}

}  // namespace systole::timing
