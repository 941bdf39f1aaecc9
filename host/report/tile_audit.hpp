// Holds the parts of a tile against their contracts, in the waves of a failure: the scratchpad
// gives each port what it holds; a unit is given the command that its program says. The judge sees
// only what a command wrote.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/report/network_audit.hpp"
#include "host/report/program_map.hpp"

namespace systole::report {

/// The first read of a tile's scratchpad that brought something else than lies there, and the first
/// write that did not change what it should. `content`: the scratchpad behind the last cycle that
/// counts, `until`.
std::optional<Finding> audit_scratchpad(const Waves& waves, golden::Node node,
                                        const std::vector<uint8_t>& content, uint64_t until);

/// Whether the sequencer gave its unit the words of command `pc`, the last time up to `until`.
std::optional<Finding> audit_command(const Waves& waves, const UnitId& unit, uint32_t pc,
                                     const spec::CommandWords& words, uint64_t until);

/// The last cycle in [from, to] in which a port of the scratchpad wrote the byte.
std::optional<uint64_t> last_scratchpad_write(const Waves& waves, golden::Node node,
                                              uint32_t offset, uint64_t from, uint64_t to);
/// The same of a row of accumulators.
std::optional<uint64_t> last_accumulator_write(const Waves& waves, golden::Node node, unsigned row,
                                               uint64_t from, uint64_t to);

/// Who wrote a byte of a tile's scratchpad in a cycle: "the Load unit (32 bytes from 0x079c0)";
/// when none did, that the scratchpad changed it itself, and what was written elsewhere. Empty when
/// the waves do not tell.
std::string scratchpad_writer(const Waves& waves, golden::Node node, uint32_t offset,
                              uint64_t cycle);

}  // namespace systole::report
