// A checkpoint: the whole simulation between two cycles, in memory or as a file.
#pragma once

#include <cstdint>
#include <string>

#include "host/driver/simulated_chip.hpp"
#include "sim/host_record.hpp"

namespace systole::sim {

struct Checkpoint {
  uint64_t cycle = 0;
  // How much of the host's record there was.
  std::size_t calls = 0, changes = 0, events = 0;
  std::string state;  // testbench, model and judge (SimDevice::archive_state)
};

/// What a checkpoint belongs to: the build of the chip, and what the host says of its run
/// (SimulationOptions::identity).
using RunIdentity = std::vector<std::pair<std::string, std::string>>;

/// The build ID that the linker gave this library.
std::string build_id();

/// Writes the file in one piece: whole, or not at all. Throws Error naming it when it cannot be
/// written.
void write_checkpoint(const std::string& file, const RunIdentity& identity,
                      const Checkpoint& checkpoint, const HostRecord& record);

/// Throws Error naming the file when it is not a whole checkpoint, or which part of the identity
/// differs.
Checkpoint read_checkpoint(const std::string& file, const RunIdentity& identity,
                           HostRecord& record);

}  // namespace systole::sim
