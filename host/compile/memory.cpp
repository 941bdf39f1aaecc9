#include "host/compile/memory.hpp"

#include <algorithm>

#include "host/command/digest.hpp"
#include "host/command/error.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::compile {

Block& Block::operator=(Block&& other) noexcept {
  if (this != &other) {
    release();
    owner_ = std::exchange(other.owner_, nullptr);
    address_ = other.address_;
    bytes_ = other.bytes_;
  }
  return *this;
}

void Block::release() {
  if (owner_ != nullptr) owner_->live_.erase(address_);
  owner_ = nullptr;
}

std::map<uint32_t, uint32_t> Scratchpad::gaps() const {
  std::map<uint32_t, uint32_t> gaps;
  uint32_t at = begin_;
  for (const auto& [start, end] : live_) {
    if (start > at) gaps[at] = start;
    at = end;
  }
  if (end_ > at) gaps[at] = end_;
  return gaps;
}

Block Scratchpad::take(uint32_t start, int64_t size) {
  const auto end = static_cast<uint32_t>(start + size);
  live_[start] = end;
  return Block(this, start, static_cast<uint32_t>(size));
}

void Scratchpad::no_room(int64_t size, const std::string& what) const {
  throw Error(kNoRoom, what, "at most " + std::to_string(largest()) + " bytes",
              std::to_string(size));
}

Block Scratchpad::allocate(int64_t bytes, const std::string& what) {
  const int64_t size = round_up(std::max<int64_t>(bytes, 1), 64);
  const auto all = gaps();
  for (const uint32_t lowest : {next_, begin_}) {
    for (const auto& [start, end] : all) {
      const uint32_t from = std::max(start, lowest);
      if (int64_t{end} - from < size) continue;
      next_ = static_cast<uint32_t>(from + size);
      return take(from, size);
    }
  }
  no_room(size, what);
}

Block Scratchpad::allocate_at_end(int64_t bytes, bool top, const std::string& what) {
  const int64_t size = round_up(std::max<int64_t>(bytes, 1), 64);
  const auto all = gaps();
  const auto fits = [&](const auto& gap) { return int64_t{gap.second} - gap.first >= size; };
  if (top) {
    const auto gap = std::find_if(all.rbegin(), all.rend(), fits);
    if (gap != all.rend()) return take(static_cast<uint32_t>(gap->second - size), size);
  } else {
    const auto gap = std::find_if(all.begin(), all.end(), fits);
    if (gap != all.end()) return take(gap->first, size);
  }
  no_room(size, what);
}

uint32_t Scratchpad::largest() const {
  uint32_t largest = 0;
  for (const auto& [start, end] : gaps()) largest = std::max(largest, end - start);
  return largest;
}

Address Dram::allocate(int64_t bytes, const std::string& what) {
  const auto size = static_cast<Address>(round_up(std::max<int64_t>(bytes, 1), 512));
  for (std::size_t tried = 0; tried < used_.size(); ++tried) {
    const std::size_t channel = turn_++ % used_.size();
    if (used_[channel] + size > spec::DramChannelBytes) continue;
    const Address address = spec::DramBase + channel * spec::DramChannelBytes + used_[channel];
    used_[channel] += size;
    return address;
  }
  throw Error("DRAM is full", what, "", std::to_string(size) + " more bytes");
}

Constant::Constant(std::vector<uint8_t> all)
    : bytes(std::move(all)), digest(Digest().add(bytes.data(), bytes.size()).value()) {}

Address GlobalMemory::constant(const Constant& constant, const std::string& what) {
  const auto [first, last] = by_digest_.equal_range(constant.digest);
  for (auto known = first; known != last; ++known) {
    if (segments[known->second].bytes == constant.bytes) return segments[known->second].address;
  }
  const Address address = dram.allocate(static_cast<int64_t>(constant.bytes.size()), what);
  by_digest_.emplace(constant.digest, segments.size());
  segments.push_back({address, constant.bytes});
  return address;
}

}  // namespace systole::compile
