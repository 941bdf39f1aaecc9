// Which elements of a command are wrong, in words that a designer reads at once: "column=3 only, r0
// every one of 8".
#pragma once

#include <string>

#include "host/golden/lockstep.hpp"

namespace systole::report {

/// By loop variable of the command; variables that take one value are left out. Empty when one
/// element is wrong, or the command has no loops that are known.
std::string pattern_text(const golden::Mismatch& mismatch);

}  // namespace systole::report
