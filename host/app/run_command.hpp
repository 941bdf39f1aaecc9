// `systole run`: from files to the verdict.
#pragma once

#include <optional>

#include "host/app/options.hpp"
#include "host/driver/simulated_chip.hpp"

namespace systole::app {

/// Runs a model as the options say. Returns the exit status: 0 when everything that was compared
/// agrees, else 1. Throws Error for bad input and for a device that fails. `failure` gets what
/// ended the simulation early, if anything did, in both cases.
int run(const RunOptions& options, std::optional<ChipFailure>& failure);
inline int run(const RunOptions& options) {
  std::optional<ChipFailure> ignored;
  return run(options, ignored);
}

}  // namespace systole::app
