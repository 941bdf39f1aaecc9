// A number that tells two byte strings apart: 64-bit FNV-1a
// (Fowler, Noll, Vo; http://www.isthe.com/chongo/tech/comp/fnv). Not for secrets.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace systole {

class Digest {
 public:
  Digest& add(const void* data, std::size_t bytes) {
    const auto* at = static_cast<const uint8_t*>(data);
    for (std::size_t i = 0; i < bytes; ++i) value_ = (value_ ^ at[i]) * 0x100000001b3;
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
  uint64_t value_ = 0xcbf29ce484222325;
};

}  // namespace systole
