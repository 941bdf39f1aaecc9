// The walk of one unit's sequencer through its program: which command comes next, with which
// parameters.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::golden {

/// What a launch latches, for one tile.
struct Launch {
  std::array<uint32_t, spec::NumUnits>
      program{};  // scratchpad address of each unit's first command
  std::array<uint32_t, spec::NumParams> param{};
  std::array<uint32_t, spec::NumParams> step{};
  uint32_t inputs = 1;
};

/// A command as the unit gets it: launch parameters added.
struct Step {
  uint32_t pc = 0;  // index in the program
  spec::CommandWords words{};
  spec::CommandHeader header;
  spec::Fault fault = spec::Fault::None;  // why the sequencer stops here instead
  uint64_t info = 0;

  bool is_end() const { return header.opcode == spec::Opcode::End; }
  /// End, Nop or Loop: the sequencer's own; waits, posts and retires like the others, does nothing
  /// else.
  bool is_internal() const {
    return is_end() || header.opcode == spec::Opcode::Nop || header.opcode == spec::Opcode::Loop;
  }
};

class ProgramWalker {
 public:
  ProgramWalker() = default;
  ProgramWalker(spec::Unit unit, const Launch& launch);

  /// The next command that waits and posts (End, Nop or work), and moves behind it; Loops are
  /// followed. At End, and after a fault, it stays.
  Step next(const std::vector<uint8_t>& scratchpad);

 private:
  Step fetch(const std::vector<uint8_t>& scratchpad) const;
  void follow_loop(const spec::CommandWords& words);
  spec::Fault add_parameters(Step& step) const;

  spec::Unit unit_ = spec::Unit::Load;
  Launch launch_;  // parameters of the current input
  uint32_t pc_ = 0;
  uint32_t input_ = 0;
};

}  // namespace systole::golden
