// `systole replay`: a failure that someone has packed, run again.
#pragma once

#include "host/app/options.hpp"

namespace systole::app {

/// Unpacks a bundle and runs it; prints the explanation and what the run showed. Returns the exit
/// status: 1 when a failure shows, 0 when it is gone (from reset only). Throws Error, and leaves no
/// folder, for a bundle that is damaged or of another build, and for a run that does not fail as it
/// did; until the bundle has been checked the folder of an earlier replay stays as it is.
int replay(const ReplayOptions& options);

}  // namespace systole::app
