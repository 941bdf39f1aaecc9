// Who gets which banks of a tile's scratchpad in a cycle: the arbitration of
// rtl/tile/scratchpad.sv.
#pragma once

#include <cstdint>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::timing {

/// A set of banks, one bit each.
using Banks = uint16_t;

/// The banks that a window of up to 32 bytes touches: chunk c of 16 bytes lies in bank
/// (c + c/16 + c/256) mod 16.
inline Banks banks_of(uint32_t address, unsigned bytes) {
  const uint32_t first = (address % spec::ScratchpadBytes) / spec::BankBytes;
  const uint32_t behind = (address % spec::BankBytes + bytes - 1) / spec::BankBytes;
  const auto bank = [](uint32_t c) { return (c + (c >> 4) + (c >> 8)) % spec::ScratchpadBanks; };
  // Without branches: how many there are, nobody could foresee.
  const unsigned set = 1u << bank(first) | unsigned{behind > 0} << bank(first + 1) |
                       unsigned{behind > 1} << bank(first + 2);
  return static_cast<Banks>(set);
}

class Scratchpad {
 public:
  /// Requesters in the order of their priority. Matrix: up to four windows of a row, eight chunks
  /// of weights.
  enum Requester : unsigned { Act = 0, Wgt = 4, Va = 12, Vb, Vd, Ni, Load, Store, Fetch };
  static constexpr unsigned kRequesters = 19;

  void ask(unsigned requester, Banks banks) {
    wants_[requester] = banks;
    asking_ |= 1u << requester;
  }
  bool asked(unsigned requester) const { return (asking_ >> requester & 1) != 0; }

  /// Ends the requests of this cycle: those granted, a bit each.
  uint32_t grant() {
    const uint32_t preferred = asking_ & starved_;
    const uint32_t granted =
        preferred == 0 ? in_order(0, 0) : in_order(preferred, lowest(preferred));
    count_refusals(asking_ & ~granted);
    refused_any_ = (asking_ & ~granted) != 0;
    refusals_ += static_cast<unsigned>(__builtin_popcount(asking_ & ~granted));
    asking_ = 0;
    return granted;
  }
  /// Whether the last cycle refused anyone.
  bool refused_any() const { return refused_any_; }
  uint64_t refusals() const { return refusals_; }

 private:
  static constexpr unsigned kPatience = 63;  // refusals in a row

  static unsigned lowest(uint32_t set) { return static_cast<unsigned>(__builtin_ctz(set)); }

  uint32_t in_order(uint32_t preferred, unsigned first) const {
    const unsigned reserved = preferred == 0 ? 0 : wants_[first];
    unsigned used = 0;
    uint32_t granted = 0;
    for (uint32_t left = asking_; left != 0; left &= left - 1) {
      const unsigned r = lowest(left);
      const bool prefer = preferred != 0 && r == first;
      if ((wants_[r] & (used | reserved)) != 0 && !prefer) continue;
      used |= wants_[r];
      granted |= 1u << r;
    }
    return granted;
  }

  void count_refusals(uint32_t refused) {
    if ((refused | counting_) == 0) return;
    for (uint32_t left = counting_ & ~refused; left != 0; left &= left - 1)
      count_[lowest(left)] = 0;
    starved_ &= refused;
    for (uint32_t left = refused; left != 0; left &= left - 1) {
      const unsigned r = lowest(left);
      if (count_[r] < kPatience) ++count_[r];
      if (count_[r] == kPatience) starved_ |= 1u << r;
    }
    counting_ = refused;
  }

  Banks wants_[kRequesters] = {};
  uint32_t asking_ = 0;
  uint8_t count_[kRequesters] = {};
  uint32_t counting_ = 0;  // refused in the cycle before
  uint32_t starved_ = 0;
  bool refused_any_ = false;
  uint64_t refusals_ = 0;
};

}  // namespace systole::timing
