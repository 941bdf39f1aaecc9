// Commands as text: one line a command, its fields by name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole {

/// "Load wait=3 post=1 addr=0x20000000000 run=512 ...": fields that are zero are left out, and
/// semaphores are listed by number.
std::string disassemble(const spec::CommandWords& words);

/// The commands of an image, a line each, numbered from 0 in every program. A program ends with its
/// End.
std::string disassemble(const std::vector<uint8_t>& image);

}  // namespace systole
