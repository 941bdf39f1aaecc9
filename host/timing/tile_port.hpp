// A tile's network interface, cycle by cycle: what the tile asks of others (tile_requester), and
// what it is asked (tile_target). Registers and windows are left out: programs don't use the ones,
// and compiled programs stay inside the others.
#pragma once

#include "host/timing/flit.hpp"
#include "host/timing/scratchpad.hpp"

namespace systole::timing {

/// Packets out, one at a time: posts first, then load and store in turns.
class TileRequester {
 public:
  enum class Pick : uint8_t { None, Post, Load, Store };

  /// Who sends in this cycle.
  Pick pick(bool post, bool load, bool store) const;
  /// Sends it. Behind pick(), with the flit of who was picked.
  void send(Pick pick, const Flit& flit);

  const Flit* offer() const { return requests_.empty() ? nullptr : &requests_.front(); }
  void taken() { requests_.pop(); }
  bool takes_response() const { return responses_.has_room(); }
  void receive(const Flit& response) { responses_.push(response); }

  const Flit* response() const { return responses_.empty() ? nullptr : &responses_.front(); }
  void pop_response();
  /// All posts have been answered.
  bool quiet() const { return posts_ == 0; }

 private:
  static constexpr unsigned kMaxPosts = 15;

  bool in_store_ = false;  // a store's packet has begun and not ended
  bool load_turn_ = true;
  unsigned posts_ = 0;
  Queue<Flit, 2> requests_, responses_;
};

/// Packets in: reads and writes of the scratchpad, and posts.
class TileTarget {
 public:
  explicit TileTarget(unsigned node) : node_(static_cast<uint8_t>(node)) {}

  void ask(Scratchpad& scratchpad);
  /// Ends the cycle; sets `post` to the mask of the semaphore that was posted. True when anything
  /// changed.
  bool step(uint32_t granted, unsigned& post);

  const Flit* offer() const { return responses_.empty() ? nullptr : &responses_.front(); }
  void sent() { responses_.pop(); }
  bool takes_request() const { return requests_.has_room(); }
  void receive(const Flit& request) { requests_.push(request); }
  bool idle() const { return state_ == State::Head && requests_.empty() && !reading_; }

 private:
  enum class State : uint8_t { Head, Read, Write };

  bool room() const { return responses_.size() + (reading_ ? 1 : 0) < 4; }
  Flit response(PacketKind kind) const;

  uint8_t node_;
  State state_ = State::Head;
  Flit packet_;
  uint32_t at_ = 0;  // beats' address
  unsigned beats_left_ = 0;
  bool asks_ = false, posts_now_ = false, takes_write_ = false;
  bool reading_ = false;  // a beat was granted in the cycle before
  Flit read_;
  bool first_ = true;
  Queue<Flit, 2> requests_;
  Queue<Flit, 4> responses_;
};

}  // namespace systole::timing
