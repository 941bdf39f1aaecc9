// What the tests of the io node's parts share: flits as C++ sees them, and a mesh that answers
// packets from a byte-addressed memory.
#pragma once

#include <verilated.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <stdexcept>
#include <unordered_map>
#include <vector>

#include "rtl/spec/gen/systole_spec.h"
#include "tests/support/seed.hpp"

namespace systole::test {

struct Node {
  unsigned x = 0, y = 0;
};

/// One flit; fields as in systole_pkg::flit_t.
struct Flit {
  Node dst, src;
  unsigned tag = 0;
  unsigned op = 0;
  unsigned err = 0;
  bool head = false;
  bool last = false;
  std::array<uint32_t, 8> payload{};

  static Flit from_port(const VlWide<9>& bits) {
    Flit f;
    for (int i = 0; i < 8; ++i) f.payload[i] = bits.m_storage[i];
    const uint32_t h = bits.m_storage[8];
    f.last = h & 1;
    f.head = h >> 1 & 1;
    f.err = h >> 2 & 15;
    f.op = h >> 6 & 15;
    f.tag = h >> 10 & 63;
    f.src = {h >> 16 & 15, h >> 20 & 15};
    f.dst = {h >> 24 & 15, h >> 28 & 15};
    return f;
  }

  void to_port(VlWide<9>& bits) const {
    for (int i = 0; i < 8; ++i) bits.m_storage[i] = payload[i];
    bits.m_storage[8] = uint32_t{last} | uint32_t{head} << 1 | err << 2 | op << 6 | tag << 10 |
                        src.x << 16 | src.y << 20 | dst.x << 24 | dst.y << 28;
  }

  uint64_t address() const { return payload[0] | uint64_t{payload[1] & 0xffff} << 32; }
  unsigned length() const { return payload[1] >> 16 & 0x3ff; }
  bool posts() const { return payload[1] >> 31 & 1; }

  void set_request(uint64_t address, unsigned length) {
    payload = {};
    payload[0] = static_cast<uint32_t>(address);
    payload[1] = static_cast<uint32_t>(address >> 32) | length << 16;
  }
};

using Packet = std::deque<Flit>;
using Bytes = std::vector<uint8_t>;

inline Bytes bytes_of(const void* data, std::size_t size) {
  const auto* first = static_cast<const uint8_t*>(data);
  return Bytes(first, first + size);
}

/// A request packet; for a write `data` are the bytes from `address` on.
inline Packet request_packet(unsigned op, Node src, unsigned tag, uint64_t address, unsigned length,
                             const uint8_t* data = nullptr) {
  Flit head;
  head.src = src;
  head.tag = tag;
  head.op = op;
  head.head = true;
  head.last = data == nullptr;
  head.set_request(address, length);
  Packet packet{head};
  if (data == nullptr) return packet;
  for (uint64_t beat = address / 32 * 32; beat < address + length; beat += 32) {
    Flit flit = head;
    flit.head = false;
    flit.last = beat + 32 >= address + length;
    auto* bytes = reinterpret_cast<uint8_t*>(flit.payload.data());
    for (unsigned i = 0; i < 32; ++i) {
      const uint64_t at = beat + i;
      bytes[i] = at >= address && at < address + length ? data[at - address] : 0xee;
    }
    packet.push_back(flit);
  }
  return packet;
}

/// The response to a request whose head is `request`; with bytes for a read.
inline Packet response_packet(const Flit& request, unsigned err, const Bytes& data) {
  Flit flit;
  flit.dst = request.src;
  flit.src = request.dst;
  flit.tag = request.tag;
  flit.err = err;
  flit.head = true;
  flit.op = request.op == SYSTOLE_NOC_OP_READ ? SYSTOLE_NOC_OP_READ_DATA : SYSTOLE_NOC_OP_ACK;
  if (err != SYSTOLE_ERR_OK || request.op != SYSTOLE_NOC_OP_READ) {
    flit.last = true;
    return {flit};
  }
  Packet packet;
  const uint64_t address = request.address();
  for (uint64_t beat = address / 32 * 32; beat < address + data.size(); beat += 32) {
    flit.head = packet.empty();
    flit.last = beat + 32 >= address + data.size();
    auto* bytes = reinterpret_cast<uint8_t*>(flit.payload.data());
    for (unsigned i = 0; i < 32; ++i) {
      const uint64_t at = beat + i;
      bytes[i] = at >= address && at < address + data.size() ? data[at - address] : 0xdd;
    }
    packet.push_back(flit);
  }
  return packet;
}

/// Bytes by global address, zero where never written.
class SparseBytes {
 public:
  uint8_t& operator[](uint64_t address) { return pages_[address >> 12][address & 0xfff]; }

  Bytes read(uint64_t address, std::size_t size) {
    Bytes out(size);
    for (std::size_t i = 0; i < size; ++i) out[i] = (*this)[address + i];
    return out;
  }
  void write(uint64_t address, const Bytes& data) {
    for (std::size_t i = 0; i < data.size(); ++i) (*this)[address + i] = data[i];
  }
  uint32_t read32(uint64_t address) {
    uint32_t value;
    const Bytes bytes = read(address, 4);
    std::memcpy(&value, bytes.data(), 4);
    return value;
  }
  void write32(uint64_t address, uint32_t value) { write(address, bytes_of(&value, 4)); }

 private:
  std::unordered_map<uint64_t, std::array<uint8_t, 4096>> pages_;
};

/// Answers request packets of one port: checks their form, hands them to `serve`, and gives the
/// response after a random time, in any order between packets, never mixing two.
class MeshPort {
 public:
  /// Serves one packet: for a write `data` holds its bytes; for a read it is to be filled with
  /// length() bytes. Returns an error code.
  using Serve = std::function<unsigned(const Flit& head, Bytes& data)>;

  MeshPort(Serve serve, uint64_t stream, int max_delay = 40)
      : serve_(std::move(serve)), rng_(make_rng(stream)), max_delay_(max_delay) {}

  /// Called once a cycle, before offered().
  void advance() {
    for (Pending& p : pending_) p.delay -= p.delay > 0;
    if (!current_.empty()) return;
    for (std::size_t i = 0; i < pending_.size(); ++i) {
      if (pending_[i].delay > 0) continue;
      current_ = std::move(pending_[i].packet);
      pending_.erase(pending_.begin() + static_cast<long>(i));
      return;
    }
  }

  /// The flit of a response to be taken, nullptr when there is none.
  const Flit* offered() const { return current_.empty() ? nullptr : &current_.front(); }
  void taken() { current_.pop_front(); }

  /// A request flit that was sent.
  void receive(const Flit& flit) {
    if (flit.head == in_packet_) throw std::runtime_error("head flag at the wrong place");
    if (flit.head)
      begin(flit);
    else
      collect(flit);
    in_packet_ = !flit.last;
    if (flit.last) finish();
  }

  bool idle() const { return pending_.empty() && current_.empty() && !in_packet_; }
  uint64_t packets() const { return packets_; }
  /// Packets begun and not yet answered to the last flit.
  std::size_t under_way() const { return pending_.size() + !current_.empty() + in_packet_; }

 private:
  struct Pending {
    int delay;
    Packet packet;
  };

  void begin(const Flit& flit) {
    const uint64_t first = flit.address(), last = first + flit.length() - 1;
    if (flit.length() == 0 || flit.length() > SYSTOLE_MAX_PACKET_BYTES ||
        first / SYSTOLE_MAX_PACKET_BYTES != last / SYSTOLE_MAX_PACKET_BYTES) {
      throw std::runtime_error("packet crosses a border or has no length");
    }
    if (flit.last != (flit.op != SYSTOLE_NOC_OP_WRITE)) throw std::runtime_error("last flag");
    head_ = flit;
    data_.clear();
    beat_ = first / 32 * 32;
  }

  void collect(const Flit& flit) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(flit.payload.data());
    const uint64_t first = head_.address(), end = first + head_.length();
    for (unsigned i = 0; i < 32; ++i) {
      if (beat_ + i >= first && beat_ + i < end) data_.push_back(bytes[i]);
    }
    beat_ += 32;
    if (flit.last != (beat_ >= end)) throw std::runtime_error("number of data flits");
  }

  void finish() {
    const unsigned err = serve_(head_, data_);
    if (err == SYSTOLE_ERR_OK && head_.op == SYSTOLE_NOC_OP_READ && data_.size() != head_.length())
      throw std::runtime_error("the test served a read with the wrong number of bytes");
    const int delay = max_delay_ == 0 ? 0 : static_cast<int>(uniform(rng_, 0, max_delay_));
    pending_.push_back({delay, response_packet(head_, err, data_)});
    ++packets_;
  }

  Serve serve_;
  std::mt19937_64 rng_;
  int max_delay_;
  Flit head_;
  Bytes data_;
  uint64_t beat_ = 0;
  bool in_packet_ = false;
  uint64_t packets_ = 0;
  std::deque<Pending> pending_;
  Packet current_;
};

}  // namespace systole::test
