// Who lies where: a tile's scratchpad while its program is emitted, and DRAM.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "host/compile/compiled_model.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::compile {

/// The problem of errors for want of scratchpad memory: another division may help.
inline const std::string kNoRoom = "does not fit in the scratchpad";

class Scratchpad;

/// Bytes of a scratchpad, from construction until destruction in the order of emission. What the
/// hardware still does with them then is the schedule's business: a later owner waits.
class Block {
 public:
  Block() = default;
  Block(Scratchpad* owner, uint32_t address, uint32_t bytes)
      : owner_(owner), address_(address), bytes_(bytes) {}
  Block(Block&& other) noexcept { *this = std::move(other); }
  Block& operator=(Block&& other) noexcept;
  ~Block() { release(); }

  uint32_t address() const { return address_; }
  uint32_t bytes() const { return bytes_; }
  explicit operator bool() const { return owner_ != nullptr; }
  void release();

 private:
  Scratchpad* owner_ = nullptr;
  uint32_t address_ = 0;
  uint32_t bytes_ = 0;
};

/// Next fit: every block comes from behind the one before it, wrapping around, so that memory is
/// used again as late as possible and loads can run far ahead.
class Scratchpad {
 public:
  /// [begin, end).
  Scratchpad(uint32_t begin, uint32_t end) : begin_(begin), end_(end), next_(begin) {}

  /// Multiple of 64. Throws Error naming `what` when there is no room.
  Block allocate(int64_t bytes, const std::string& what);
  /// At one end of the memory, for what stays while other blocks come and go in the rest.
  Block allocate_at_end(int64_t bytes, bool top, const std::string& what);
  /// The next block is looked for from the begin on.
  void rewind() { next_ = begin_; }
  /// Bytes of the largest block that can be had.
  uint32_t largest() const;

 private:
  friend class Block;
  std::map<uint32_t, uint32_t> gaps() const;  // start, end
  Block take(uint32_t start, int64_t size);
  [[noreturn]] void no_room(int64_t size, const std::string& what) const;

  uint32_t begin_, end_, next_;
  std::map<uint32_t, uint32_t> live_;  // start, end
};

/// DRAM of all channels. Nothing is ever freed; consecutive tensors take turns in the channels.
class Dram {
 public:
  explicit Dram(unsigned channels) : used_(channels) {}

  /// Multiple of 512. Throws Error naming `what` when the channels are full.
  Address allocate(int64_t bytes, const std::string& what);
  /// First address of channel 0 behind all that is allocated there.
  Address end() const { return spec::DramBase + used_.front(); }

 private:
  std::vector<Address> used_;
  std::size_t turn_ = 0;
};

/// Bytes that are known now, with their digest.
struct Constant {
  explicit Constant(std::vector<uint8_t> all);

  std::vector<uint8_t> bytes;
  uint64_t digest;
};

/// What programs find in DRAM, and what they keep there: one for all tiles.
class GlobalMemory {
 public:
  /// `channels` of DRAM are used, from 0 on.
  explicit GlobalMemory(unsigned channels) : dram(channels) {}

  /// Where the bytes lie; the same ones only once.
  Address constant(const Constant& constant, const std::string& what);

  Dram dram;
  std::vector<Segment> segments;

 private:
  std::unordered_multimap<uint64_t, std::size_t> by_digest_;  // index in segments
};

inline int64_t round_up(int64_t value, int64_t to) { return (value + to - 1) / to * to; }
inline int64_t divide_up(int64_t value, int64_t by) { return (value + by - 1) / by; }

}  // namespace systole::compile
