// Holds the network, the memory nodes and the io node's interrupts against their contracts, in the
// waves of a failure: a flit that is lost or comes twice, a packet that goes astray, a port that is
// never ready again, reads that reach a memory in the wrong order, a packet that is shorter than
// its head says, an answer that nobody asked for. The units behind the network only see that
// something is wrong with what comes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "host/driver/device.hpp"
#include "host/golden/machine.hpp"
#include "host/report/waves.hpp"

namespace systole::report {

struct Finding {
  std::string title;  // "lost flit: router (1, 1), response network, cycle 155206"
  std::string evidence;
  golden::Node node;
  uint64_t cycle = 0;
};

/// What breaks a contract, earliest first. `hang`: ports that stay not ready to the end of the
/// waves count too.
std::vector<Finding> audit_network(const ChipConfig& config, const Waves& waves, bool hang);

}  // namespace systole::report
