// When host memory answers: behind a bus like PCIe, every answer takes a quarter of a microsecond,
// and 32 bytes pass a nanosecond.
#pragma once

#include <algorithm>

#include "host/timing/dram_timing.hpp"

namespace systole::timing {

class HostBus {
 public:
  static constexpr Picoseconds kLatency = 250'000;
  static constexpr Picoseconds kBytesPerNanosecond = 32;

  /// When the answer to a request of so many bytes is there. Arrivals must not decrease.
  Picoseconds access(unsigned bytes, Picoseconds arrival) {
    last_answer_ = std::max(arrival + kLatency, last_answer_ + bytes / kBytesPerNanosecond * 1000);
    return last_answer_;
  }

  template <class Archive>
  void serialize(Archive& archive) {
    archive(last_answer_);
  }

 private:
  Picoseconds last_answer_ = 0;
};

}  // namespace systole::timing
