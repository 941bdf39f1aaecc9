// The load and store units, cycle by cycle: the registers of dma_agen, dma_load and dma_store
// (rtl/dma).
#pragma once

#include <algorithm>
#include <array>

#include "host/timing/flit.hpp"
#include "host/timing/scratchpad.hpp"

namespace systole::timing {

/// Runs of bytes between the global address space and the scratchpad.
struct Block {
  uint64_t addr = 0;
  uint32_t local = 0, run = 0, count0 = 1, count1 = 1;
  int64_t gstride0 = 0, gstride1 = 0;
  int32_t lstride0 = 0, lstride1 = 0;
};

/// Checks a block, then cuts it into packets that cross no multiple of MaxPacketBytes.
class PacketCutter {
 public:
  bool valid() const { return cut_valid_; }
  uint64_t addr() const { return addr_; }
  uint32_t local() const { return local_; }
  unsigned bytes() const {
    const auto to_boundary =
        static_cast<uint32_t>(spec::MaxPacketBytes - addr_ % spec::MaxPacketBytes);
    return std::min(left_, to_boundary);
  }
  bool last() const { return bytes() == left_ && left0_ == 1 && left1_ == 1; }

  /// Takes a block in this cycle, if the present packet is (not) taken in it.
  bool ready(bool fires) const { return !check_valid_ || moves(fires); }
  /// Ends the cycle; `block` is null without a new one. True when anything changed.
  bool step(bool fires, const Block* block);

 private:
  bool moves(bool fires) const {
    return check_valid_ && multiplied_ && (!cut_valid_ || (fires && last()));
  }
  void next_packet();

  bool check_valid_ = false, multiplied_ = false, cut_valid_ = false;
  Block check_, block_;
  uint64_t addr_ = 0, run_addr_ = 0, group_addr_ = 0;
  uint32_t local_ = 0, run_local_ = 0, group_local_ = 0;
  uint32_t left_ = 0, left0_ = 0, left1_ = 0;
};

/// Packets in flight; the next one's slot is chosen a cycle ahead.
class Slots {
 public:
  static constexpr unsigned kSlots = 16;
  bool has_next() const { return next_valid_; }
  unsigned next() const { return next_; }
  /// Ends the cycle: the next slot was used, `freed` (a bit each) have been answered.
  bool step(bool used, unsigned freed);

 private:
  unsigned busy_ = 0;
  unsigned next_ = 0;
  bool next_valid_ = true;
};

constexpr unsigned kCommandsInFlight = 4;

class LoadTiming {
 public:
  bool ready(bool request_fires) const {
    return tail_ - head_ != kCommandsInFlight && cutter_.ready(request_fires);
  }
  void take(const spec::LoadCommand& command);
  void take(const spec::FillCommand& command);

  void ask(Scratchpad& scratchpad) const;
  bool offers_request() const { return cutter_.valid() && !fill_[cut_ % 4] && slots_.has_next(); }
  /// The request's address, bytes and slot.
  Flit request() const;
  bool takes_response(uint32_t granted) const {
    return !write_valid_ || (granted >> Scratchpad::Load & 1) != 0;
  }
  /// It cuts a fill.
  bool fills() const { return cutter_.valid() && fill_[cut_ % 4]; }
  bool fill_fires(uint32_t granted, bool response_offered) const {
    return fills() && takes_response(granted) && !response_offered;
  }
  bool fill_ends() const { return cutter_.bytes() - fill_at_ <= spec::FlitBytes; }
  bool done() const { return head_ != cut_ && pending_[head_ % 4] == 0; }
  /// It has no command, and a cycle changes nothing.
  bool idle() const { return head_ == tail_ && !write_valid_ && slots_.has_next(); }

  /// Ends the cycle; `response` is null when none was taken. True when anything changed.
  bool step(uint32_t granted, bool request_fires, bool fill_fires, const Flit* response);

 private:
  void take(const Block& block, bool fill);
  void write_response(const Flit& response, unsigned& freed);

  PacketCutter cutter_;
  Slots slots_;
  unsigned head_ = 0, cut_ = 0, tail_ = 0;
  std::array<bool, 4> fill_{};
  std::array<unsigned, 4> pending_{};
  bool has_block_ = false;
  Block new_block_;
  bool still_ = false;  // the last cycle changed nothing

  struct Slot {
    unsigned entry, left, lane;
    uint32_t local;
  };
  std::array<Slot, Slots::kSlots> slot_{};

  bool write_valid_ = false, write_last_ = false;
  unsigned write_entry_ = 0;
  Banks write_banks_ = 0;
  unsigned fill_at_ = 0;
};

class StoreTiming {
 public:
  bool ready() const { return tail_ - head_ != kCommandsInFlight && cutter_.ready(begins_); }
  void take(const spec::StoreCommand& command, unsigned remote_node);

  void ask(Scratchpad& scratchpad);
  bool offers() const { return !queue_.empty(); }
  const Flit& flit() const { return queue_.front(); }
  bool done() const { return head_ != cut_ && pending_[head_ % 4] == 0; }
  bool done_posted() const { return posted_[head_ % 4]; }
  /// It has no command, and a cycle changes nothing.
  bool idle() const {
    return head_ == tail_ && queue_.empty() && !pipe_valid_ && slots_.has_next();
  }

  /// Ends the cycle; `ack` is null without one; `node_of` tells where an address lies. True when
  /// anything changed.
  template <class NodeOf>
  bool step(uint32_t granted, bool flit_taken, const Flit* ack, NodeOf node_of) {
    const bool posts = begins_ && post_travels(node_of(cutter_.addr()));
    return step(granted, flit_taken, ack, posts);
  }

 private:
  struct Entry {
    bool remote = false;
    uint8_t semaphore = 0;
    unsigned node = 0;
  };

  bool post_travels(unsigned node);
  bool step(uint32_t granted, bool flit_taken, const Flit* ack, bool posts);
  void begin_packet(bool posts);
  void read_beat();

  PacketCutter cutter_;
  Slots slots_;
  unsigned head_ = 0, cut_ = 0, tail_ = 0;
  std::array<Entry, 4> entry_{};
  std::array<bool, 4> posted_{};
  std::array<unsigned, 4> pending_{};
  std::array<unsigned, Slots::kSlots> slot_entry_{};
  bool has_block_ = false;
  Block new_block_;
  bool still_ = false;                  // the last cycle changed nothing
  bool here_ = true, here_now_ = true;  // every packet so far went to the node that is posted to

  bool data_ = false;  // a packet has begun; its beats are being read
  unsigned packet_slot_ = 0;
  uint32_t beat_local_ = 0;
  unsigned left_ = 0, lane_ = 0;
  bool pipe_valid_ = false;
  Flit pipe_;
  Queue<Flit, 4> queue_;

  // this cycle
  bool begins_ = false, asks_ = false;
};

}  // namespace systole::timing
