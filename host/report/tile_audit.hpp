// Holds the parts of a tile against their contracts, in the waves of a failure: the scratchpad
// gives each port what it holds; a unit is given the command that its program says, and goes
// through the operands of that command. The judge sees only what a command wrote.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/report/network_audit.hpp"
#include "host/report/program_map.hpp"
#include "host/report/scratchpad_ports.hpp"

namespace systole::report {

/// The first read of a tile's scratchpad that brought something else than lies there: a write that
/// the memory lost shows in the read behind it. `content`: the scratchpad behind the last cycle
/// that counts, `until`.
std::optional<Finding> audit_scratchpad(const ScratchpadPorts& ports, golden::Node node,
                                        const std::vector<uint8_t>& content, uint64_t until);

/// What a sequencer gave to its unit, and when.
struct Issue {
  uint64_t cycle = 0;
  spec::CommandWords words{};
};
/// Of command `pc`, the last one up to `until`.
std::optional<Issue> last_issue(const Waves& waves, const UnitId& unit, uint32_t pc,
                                uint64_t until);

/// Whether the sequencer gave its unit the words of the command.
std::optional<Finding> audit_command(const UnitId& unit, uint32_t pc, const Issue& issue,
                                     const spec::CommandWords& words);

/// Whether the unit touched all that its command is to read and write in the scratchpad, from its
/// issue to its end, `until`: the first iteration that did not.
std::optional<Finding> audit_operands(const ScratchpadPorts& ports, const UnitId& unit, uint32_t pc,
                                      const spec::CommandWords& words, uint64_t issued,
                                      uint64_t until);

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
