// What a wrong result is like: the same command with one thing done otherwise that would have given
// it. "As if a_zp were 0" or "as if the weights were those of the command before" tells a designer
// more than the values do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/golden/execute.hpp"

namespace systole::golden {

/// A command that went wrong: what it found, and what it should and did leave.
struct WrongResult {
  Node node;
  CommandWords words{};
  std::optional<CommandWords> previous;  // the unit's command before it
  /// Products that the command adds its own to, oldest first: they are judged together.
  std::vector<CommandWords> chain;
  TileMemory before;  // of the tile; its accumulators before the first of the chain
  /// What the chip's scratchpad holds now, and should.
  std::vector<uint8_t> scratchpad_got, scratchpad_expected;
  WriteSet written;
  std::vector<uint8_t> expected, got;  // of the ranges of `written`, one behind the other
  unsigned element_bytes = 1;
};

struct Likenesses {
  std::vector<std::string> as_if;   // "a_zp were 0": would have given exactly `got`
  std::vector<std::string> common;  // "each wrong element is 1 too large"
};

/// Where the chip's scratchpad differs in a byte that the result hangs on: an operand that was
/// wrong. Nullopt when there is none.
std::optional<uint32_t> wrong_operand(const Machine& machine, const WrongResult& wrong);

/// `machine`: memories as they are behind the command. Both may be empty.
Likenesses likenesses(const Machine& machine, const WrongResult& wrong);

}  // namespace systole::golden
