// When a unit's commands are fetched, issued and retired: the registers of rtl/tile/sequencer.sv.
#pragma once

#include <array>

#include "host/timing/flit.hpp"
#include "host/timing/program.hpp"
#include "host/timing/scratchpad.hpp"

namespace systole::timing {

/// The counters of rtl/tile/semaphores.sv, as a cycle sees them.
class Semaphores {
 public:
  void begin_cycle() { taken_ = 0; }
  /// Takes one from each of the mask, if all can be taken in this cycle.
  bool take(unsigned mask) {
    if ((mask & ~(nonzero_ & ~taken_)) != 0) return false;
    taken_ |= mask;
    return true;
  }
  void post(unsigned mask) { posts_[posts_made_++] = static_cast<uint16_t>(mask); }
  /// True when a counter was taken from or posted to.
  bool end_cycle();

 private:
  std::array<uint8_t, spec::NumSemaphores> count_{};
  unsigned nonzero_ = 0;
  unsigned taken_ = 0;
  std::array<uint16_t, 8> posts_{};
  unsigned posts_made_ = 0;
};

class Sequencer {
 public:
  struct RemotePost {
    uint8_t x, y, semaphore;
  };
  struct Retired {
    uint32_t pc;
    uint32_t iteration;
    bool ends_iteration;  // it is the Loop
  };

  void launch(const TileLaunch& launch, const UnitProgram& program);

  // A cycle: fetch() and remote_post() show what it begins with, then issue(), retire(), step().
  bool wants_fetch() const { return fetch_ == Fetch::Request; }
  Banks fetch_banks() const;
  bool has_remote_post() const { return !remote_.empty(); }
  const RemotePost& remote_post() const { return remote_.front(); }

  /// Whether the next command starts in this cycle, for a unit that is ready or not; for one of the
  /// unit (not internal), issued() is what it takes.
  bool issue(Semaphores& semaphores, bool unit_ready);
  bool issued_to_unit() const { return issues_ && !next_->internal(); }
  const Command& issued() const { return *next_; }
  uint32_t issued_pc() const { return next_pc_; }
  uint32_t issued_iteration() const { return next_iteration_; }

  /// Whether a command retires, `done` by the unit in this cycle or before; posts to `semaphores`.
  bool retire(Semaphores& semaphores, bool done, bool done_posted);
  const Retired& retired() const { return retired_; }

  /// Ends the cycle. True when anything changed.
  bool step(bool fetch_granted, bool done, bool done_posted, bool remote_taken);

  bool ended() const { return ended_; }
  bool quiet() const { return ended_ && remote_.empty(); }

 private:
  static constexpr unsigned kMaxUnderWay = 4;
  enum class Fetch : uint8_t { Idle, Request, Last, Check, Param, Ready };

  struct UnderWay {
    uint32_t pc = 0, iteration = 0;
    uint16_t post_mask = 0;
    bool remote = false;
    RemotePost post{};
    bool internal = false, is_end = false, is_loop = false;
  };

  void patch();
  void fetch_step(bool granted, bool advance);
  void advance_pc();

  const UnitProgram* program_ = nullptr;
  Params params_{};
  Params steps_{};
  uint32_t last_iteration_ = 0;

  // fetch
  Fetch fetch_ = Fetch::Idle;
  uint32_t pc_ = 0, iteration_ = 0;
  unsigned beat_ = 0, params_left_ = 0;
  const Command* buffer_ = nullptr;
  std::array<Command, 2> patched_;  // one in the buffer, one next
  unsigned patch_ = 0;

  // issue
  const Command* next_ = nullptr;
  uint32_t next_pc_ = 0, next_iteration_ = 0;
  bool taken_ = false, taken_now_ = false, issues_ = false;

  // retirement
  Queue<UnderWay, 4> under_way_;
  Queue<bool, 4> done_;  // behind an internal command: whether each posted
  bool retires_ = false, retires_done_ = false;
  Retired retired_{};
  Queue<RemotePost, 4> remote_;
  bool push_remote_ = false;
  RemotePost new_remote_{};
  bool ended_ = true;
};

}  // namespace systole::timing
