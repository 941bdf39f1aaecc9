// How many cycles each layer will take: an estimate, of what keeps a layer busy longest. What is
// left to decide the cycle model does (cycle_model.hpp).
#pragma once

#include <vector>

#include "host/compile/schedule.hpp"

namespace systole::compile {

/// Cycles that a unit is busy with a command when nothing stands in its way.
uint64_t command_cycles(const spec::CommandWords& words);

/// Fills in predicted_cycles: of the tile and unit that a layer keeps busy longest, or of DRAM.
void predict(const Schedule& schedule, std::vector<Layer>& layers);

}  // namespace systole::compile
