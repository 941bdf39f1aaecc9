// Reads an FST file of the chip, cycle by cycle: what a wave viewer shows, for programs.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

namespace systole::report {

/// Values of signals in one cycle, in the order in which they were asked for: bits, the highest
/// first.
using WaveValues = std::vector<std::string>;

/// The low 64 bits of a value; bits that are not known count as 0.
uint64_t number(const std::string& bits);

class Waves {
 public:
  /// Throws Error when the file is not an FST.
  explicit Waves(std::string file);

  /// The time that it covers, in cycles.
  uint64_t from() const { return from_; }
  uint64_t to() const { return to_; }

  /// Whether it holds a signal: "TOP.systole_chip.clk_i", without a range.
  bool has(const std::string& name) const { return handles_.count(name) != 0; }

  /// Calls `see` for every cycle of the file, with the values that the signals have before the
  /// rising edge in which it ends. A signal that the file does not hold is "0" throughout.
  void read(const std::vector<std::string>& names,
            const std::function<void(uint64_t cycle, const WaveValues&)>& see) const;

 private:
  std::string file_;
  uint64_t from_ = 0;
  uint64_t to_ = 0;
  std::unordered_map<std::string, uint32_t> handles_;
};

}  // namespace systole::report
