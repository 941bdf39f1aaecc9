// The search for a division of a stage's scratchpads.
#pragma once

#include <cstddef>

#include "host/compile/part_compiler.hpp"

namespace systole::compile {

/// How much of a scratchpad commands and constants take is known only afterwards. So a stage tries
/// with little for commands, then with what that would have needed; and with less and less for
/// constants.
class Fit {
 public:
  /// Programs that are longer are cut into pages.
  static constexpr uint32_t kMaxProgram = 96 * 1024;

  /// `alone`: a short stage, whose weights one tile holds. Its values may leave more room for them.
  Fit(const Budget& start, bool alone);

  const Budget& budget() const { return budget_; }
  /// Less for constants; false when there is no less.
  bool shrink();
  /// Whether the needs are met; if not, the next budget meets them, or may.
  bool meets(const Needs& needs, bool records_in_dram);
  bool too_long() const { return too_long_; }
  bool tired() const { return round_ >= 10; }

 private:
  void reset();

  Budget start_, budget_;
  std::size_t limit_;
  int round_ = 0;
  bool too_long_ = false;
};

}  // namespace systole::compile
