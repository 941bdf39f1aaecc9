// Holds the parts of a tile against their contracts, in the waves of a chip that does not go on:
// the Load unit asks for what its commands name, no more, and is done with a read whose data have
// all come; a port of the scratchpad that asks is granted in time.
#pragma once

#include <vector>

#include "host/report/network_audit.hpp"

namespace systole::report {

/// What breaks one of these, earliest first.
std::vector<Finding> audit_stall(const ChipConfig& config, const Waves& waves);

}  // namespace systole::report
