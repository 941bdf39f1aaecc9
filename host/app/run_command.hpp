// `systole run`: from files to the verdict.
#pragma once

#include "host/app/options.hpp"

namespace systole::app {

/// Runs a model as the options say. Returns the exit status: 0 when everything that was compared
/// agrees, else 1. Throws Error for bad input and for a device that fails.
int run(const RunOptions& options);

}  // namespace systole::app
