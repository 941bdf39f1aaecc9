// A saved view for GTKWave: the signals of one tile's unit in named groups, the cursor on a cycle.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "host/golden/machine.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::report {

struct WaveView {
  std::string dump_file;  // path of the FST, from the folder of the view
  std::string title;
  uint64_t cycle = 0;              // of the cursor
  golden::Node node;               // a tile
  std::optional<spec::Unit> unit;  // whose signals are shown in full; none: those of all four
  unsigned lane = 0;               // of sums and accumulators
};

/// The text of a .gtkw file. Names are those of rtl/tile/tile.sv and below.
std::string gtkw(const WaveView& view);

}  // namespace systole::report
