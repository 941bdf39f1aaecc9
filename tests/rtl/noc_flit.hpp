// Flits as the Verilated ports carry them, and the traffic that tests of the network send and
// judge.
#pragma once

#include <fmt/format.h>
#include <verilated.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

namespace systole::test {

constexpr int kFlitWords = 9;
using FlitBits = VlWide<kFlitWords>;

struct Flit {
  int dst = 0;  // y << 4 | x
  int src = 0;
  int tag = 0;
  int op = 0;
  int err = 0;
  bool head = false;
  bool last = false;
  std::array<uint32_t, 8> payload{};

  bool operator==(const Flit& other) const {
    return dst == other.dst && src == other.src && tag == other.tag && op == other.op &&
           err == other.err && head == other.head && last == other.last && payload == other.payload;
  }
};

inline int node_at(int x, int y) { return y << 4 | x; }

inline void pack(const Flit& flit, FlitBits& bits) {
  std::copy(flit.payload.begin(), flit.payload.end(), &bits[0]);
  bits[8] = static_cast<uint32_t>(flit.dst) << 24 | flit.src << 16 | flit.tag << 10 | flit.op << 6 |
            flit.err << 2 | flit.head << 1 | flit.last;
}

inline Flit unpack(const FlitBits& bits) {
  Flit flit;
  std::copy(&bits[0], &bits[8], flit.payload.begin());
  flit.dst = bits[8] >> 24;
  flit.src = bits[8] >> 16 & 0xff;
  flit.tag = bits[8] >> 10 & 0x3f;
  flit.op = bits[8] >> 6 & 15;
  flit.err = bits[8] >> 2 & 15;
  flit.head = bits[8] >> 1 & 1;
  flit.last = bits[8] & 1;
  return flit;
}

/// Sends packets of numbered flits, each to be told from any other: payload word 0 is the number of
/// the flit in its packet, word 1 that of the packet among those of its source to its destination.
class PacketSource {
 public:
  void add(int src, int dst, int length) {
    const uint32_t packet = sent_[dst]++;
    for (int i = 0; i < length; ++i) {
      Flit flit;
      flit.src = src;
      flit.dst = dst;
      flit.tag = packet & 0x3f;
      flit.head = i == 0;
      flit.last = i == length - 1;
      flit.payload[0] = i;
      flit.payload[1] = packet;
      flit.payload[7] = ~(static_cast<uint32_t>(src) << 24 | dst << 16 | i);
      queue_.push_back(flit);
    }
  }

  bool empty() const { return queue_.empty(); }
  size_t size() const { return queue_.size(); }
  const Flit& front() const { return queue_.front(); }
  void pop() { queue_.pop_front(); }

 private:
  std::deque<Flit> queue_;
  std::map<int, uint32_t> sent_;
};

/// Judges the flits that come out at one port: packets are whole, and in order by source and
/// destination.
class PacketSink {
 public:
  /// Throws when the flit is not one that may come now.
  void take(const Flit& flit) {
    const std::string text = fmt::format("flit {} of packet {} from {:02x} to {:02x}",
                                         flit.payload[0], flit.payload[1], flit.src, flit.dst);
    if (flit.payload[7] !=
        ~(static_cast<uint32_t>(flit.src) << 24 | flit.dst << 16 | flit.payload[0])) {
      throw std::runtime_error(text + ": its payload was changed");
    }
    if (flit.head != !open_) {
      throw std::runtime_error(text +
                               (open_ ? ": begins inside a packet" : ": has no head before it"));
    }
    uint32_t& packets = taken_[{flit.src, flit.dst}];
    if (!open_) {
      src_ = flit.src;
      dst_ = flit.dst;
      next_ = 0;
    }
    if (flit.src != src_ || flit.dst != dst_ || flit.payload[0] != next_) {
      throw std::runtime_error(text + fmt::format(": expected flit {} of {:02x}", next_, src_));
    }
    if (flit.payload[1] != packets) {
      throw std::runtime_error(text + fmt::format(": expected packet {}", packets));
    }
    ++next_;
    ++flits_;
    open_ = !flit.last;
    if (flit.last) ++packets;
  }

  size_t flits() const { return flits_; }

 private:
  bool open_ = false;
  int src_ = 0;
  int dst_ = 0;
  uint32_t next_ = 0;
  size_t flits_ = 0;
  std::map<std::pair<int, int>, uint32_t> taken_;
};

}  // namespace systole::test
