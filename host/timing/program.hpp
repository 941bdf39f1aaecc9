// The four programs of a tile, decoded once.
#pragma once

#include <array>
#include <cstdint>
#include <variant>
#include <vector>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::timing {

struct Command {
  spec::CommandHeader header;
  std::variant<std::monostate, spec::LoopCommand, spec::LoadCommand, spec::FillCommand,
               spec::StoreCommand, spec::MatmulCommand, spec::VectorCommand>
      body;

  /// End, Nop and Loop are the sequencer's own.
  bool internal() const;
  unsigned selectors() const {
    return unsigned{header.sel0_en} + unsigned{header.sel1_en} + unsigned{header.sel2_en};
  }
};

Command decode(const spec::CommandWords& words);

using Params = std::array<uint32_t, spec::NumParams>;
/// The words with the launch parameters that the header selects added to them.
spec::CommandWords with_params(spec::CommandWords words, const Params& params);

struct UnitProgram {
  uint32_t address = 0;  // of the first command in the scratchpad
  /// By phase, by command: pages replace one another at the same place.
  std::vector<std::vector<spec::CommandWords>> words;
  std::vector<std::vector<Command>> commands;
};

struct TileLaunch {
  unsigned x = 0, y = 0;
  std::array<UnitProgram, spec::NumUnits> units;
  Params params{};
  Params steps{};
  uint32_t iterations = 1;
};

}  // namespace systole::timing
