// `systole compile`: a model's plan, without a run.
#pragma once

#include "host/app/options.hpp"

namespace systole::app {

/// Prints the plan, and writes it as JSON when asked. Returns the exit status.
int compile_model(const CompileCommand& command);

}  // namespace systole::app
