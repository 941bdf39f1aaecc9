// A large byte-addressed memory of which only the touched pages exist. Untouched bytes read as 0.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include "host/command/archive.hpp"

namespace systole {

class SparseMemory {
 public:
  static constexpr uint64_t kPageBytes = 64 * 1024;

  SparseMemory() = default;
  SparseMemory(const SparseMemory& other) {
    for (const auto& [number, page] : other.pages_) pages_[number] = std::make_unique<Page>(*page);
  }
  SparseMemory& operator=(const SparseMemory&) = delete;

  void write(uint64_t address, const void* data, std::size_t bytes) {
    const auto* from = static_cast<const uint8_t*>(data);
    while (bytes > 0) {
      const std::size_t part = part_of_page(address, bytes);
      std::memcpy(page(address) + address % kPageBytes, from, part);
      address += part, from += part, bytes -= part;
    }
  }

  void read(uint64_t address, void* data, std::size_t bytes) const {
    auto* to = static_cast<uint8_t*>(data);
    while (bytes > 0) {
      const std::size_t part = part_of_page(address, bytes);
      const auto found = pages_.find(address / kPageBytes);
      if (found == pages_.end()) {
        std::memset(to, 0, part);
      } else {
        std::memcpy(to, found->second->data() + address % kPageBytes, part);
      }
      address += part, to += part, bytes -= part;
    }
  }

  /// Of a checkpoint: the pages that exist, by address.
  template <class Archive>
  void save(Archive& archive) const {
    std::vector<uint64_t> numbers;
    for (const auto& [number, page] : pages_) numbers.push_back(number);
    std::sort(numbers.begin(), numbers.end());
    archive(numbers);
    for (const uint64_t number : numbers)
      archive(cereal::binary_data(pages_.at(number)->data(), kPageBytes));
  }
  template <class Archive>
  void load(Archive& archive) {
    std::vector<uint64_t> numbers;
    archive(numbers);
    pages_.clear();
    for (const uint64_t number : numbers)
      archive(cereal::binary_data(page(number * kPageBytes), kPageBytes));
  }

 private:
  using Page = std::array<uint8_t, kPageBytes>;

  static std::size_t part_of_page(uint64_t address, std::size_t bytes) {
    return std::min<std::size_t>(bytes, kPageBytes - address % kPageBytes);
  }

  uint8_t* page(uint64_t address) {
    auto& slot = pages_[address / kPageBytes];
    if (!slot) slot = std::make_unique<Page>(Page{});
    return slot->data();
  }

  std::unordered_map<uint64_t, std::unique_ptr<Page>> pages_;
};

}  // namespace systole
