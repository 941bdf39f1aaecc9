// What the model of the network carries: flits without their data, and queues of them.
#pragma once

#include <array>
#include <cstdint>

namespace systole::timing {

/// Cycles since the model's time began.
using Cycle = uint64_t;

enum class PacketKind : uint8_t { Read, Write, Post, Data, Ack };

/// Who of a tile asked, and gets the response.
enum class Client : uint8_t { Load, Store, Post };

struct Flit {
  uint64_t address = 0;  // of a request's first byte
  uint16_t bytes = 0;    // of a request
  uint8_t from = 0;      // nodes, counted row by row
  uint8_t to = 0;
  PacketKind kind = PacketKind::Read;
  Client client = Client::Load;
  uint8_t slot = 0;  // of the client's packets in flight
  uint8_t semaphore = 0;
  bool head = true;
  bool last = true;
  bool posts = false;  // a write that posts `semaphore` with its last beat
};

/// As rtl/common/fifo.sv: what is pushed in a cycle is offered in the next. The caller looks at
/// has_room() and empty() before it pushes or pops in that cycle.
template <class T, unsigned Depth>
class Queue {
 public:
  bool empty() const { return count_ == 0; }
  bool has_room() const { return count_ < Depth; }
  unsigned size() const { return count_; }
  const T& front() const { return entries_[head_]; }
  void push(const T& entry) {
    entries_[(head_ + count_) % kEntries] = entry;
    ++count_;
  }
  void pop() {
    head_ = (head_ + 1) % kEntries;
    --count_;
  }

 private:
  static constexpr unsigned kEntries = Depth <= 2 ? 2 : Depth <= 4 ? 4 : Depth <= 16 ? 16 : 32;
  std::array<T, kEntries> entries_{};
  unsigned head_ = 0;
  unsigned count_ = 0;
};

}  // namespace systole::timing
