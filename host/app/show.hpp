// `systole explain`: an explanation that a run has written, shown again or packed.
#pragma once

#include <string>

#include "host/app/options.hpp"

namespace systole::app {

/// Prints the explanation, or packs its folder. Returns 0. Throws Error when there is no
/// explanation, or a bundle cannot be made of it.
int show(const ExplainOptions& options);

/// Packs an explanation's folder, and prints what to do with the bundle. Throws Error; then
/// `bundle` is as it was.
void pack(const std::string& folder, const std::string& bundle);

}  // namespace systole::app
