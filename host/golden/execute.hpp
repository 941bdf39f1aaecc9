// Executes one work command on a machine, as the loop nest in docs/reference/commands.md says.
#pragma once

#include <cstdint>
#include <vector>

#include "host/golden/machine.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::golden {

using spec::CommandWords;  // here with launch parameters added

/// Why a command cannot run, as the tile's FAULT registers say it.
struct Fault {
  spec::Fault code = spec::Fault::None;
  uint64_t info = 0;

  explicit operator bool() const { return code != spec::Fault::None; }
};

/// Contiguous bytes that a command wrote.
struct WrittenRange {
  enum class Space { Global, Accumulator };
  Space space = Space::Global;
  Address address = 0;    // Global: byte address; Accumulator: first row
  std::size_t count = 0;  // Global: bytes; Accumulator: rows
};

using WriteSet = std::vector<WrittenRange>;

/// Runs a Load, Fill, Store, Matmul or Vector command of `node`. Adds what it wrote to `written`
/// when that is not null. On a fault nothing has been written. Operand ranges are checked here;
/// windows are not.
Fault execute(Machine& machine, Node node, const CommandWords& words, WriteSet* written);

}  // namespace systole::golden
