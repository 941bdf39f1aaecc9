// Where a global address lies in the chip, in words.
#pragma once

#include <optional>
#include <string>

#include "host/driver/device.hpp"
#include "host/golden/machine.hpp"

namespace systole::report {

/// "DRAM 0", "host memory", "tile (1, 0)"; below them "the control core's space".
std::string memory_name(Address address);

/// The node at which requests for it arrive.
golden::Node home_of(Address address);

/// Offset in the scratchpad of the tile that the address belongs to; nullopt for others.
std::optional<uint32_t> scratchpad_offset(Address address);

/// "0x020000000040: DRAM 0, memory node (0, 1)", "0x040001007000: tile (1, 0), scratchpad 0x07000".
std::string address_text(Address address);

}  // namespace systole::report
