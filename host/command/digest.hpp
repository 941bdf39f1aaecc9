// A number that tells two byte strings apart, after FNV-1a (Fowler, Noll, Vo;
// http://www.isthe.com/chongo/tech/comp/fnv), eight bytes at a time. Not for secrets.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace systole {

class Digest {
 public:
  Digest& add(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const uint8_t*>(data);
    for (; bytes >= sizeof(uint64_t); bytes -= sizeof(uint64_t), at += sizeof(uint64_t)) {
      uint64_t word;
      std::memcpy(&word, at, sizeof word);
      mix(word);
    }
    for (std::size_t i = 0; i < bytes; ++i) mix(at[i]);
    return *this;
  }
  /// The length too, so that ("ab", "c") and ("a", "bc") differ.
  Digest& add(const std::string& text) {
    const uint64_t length = text.size();
    return add(&length, sizeof length).add(text.data(), text.size());
  }
  uint64_t value() const { return value_; }
  std::string text() const { return fmt::format("{:016x}", value_); }

 private:
  void mix(uint64_t word) {
    value_ = (value_ ^ word) * 0x100000001b3;
    value_ ^= value_ >> 32;  // so that high bits count for all that follow
  }

  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace systole
