// What ended a run on the chip: the chip itself, or a completion and the host that reads it.
#pragma once

#include <optional>

#include "host/command/error.hpp"
#include "host/driver/session.hpp"
#include "host/driver/simulated_chip.hpp"

namespace systole::app {

/// Of a run that threw `error`. Nullopt when that was none of the chip's doing. `request`, if not
/// null, gets what a completion said.
std::optional<ChipFailure> failure_of(const Error& error, const SimulatedChip& chip,
                                      std::optional<RequestFailure>* request = nullptr);

}  // namespace systole::app
