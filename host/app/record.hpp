// The record of a failed run, for its explanation's folder.
#pragma once

#include "host/app/explain.hpp"
#include "host/bundle/failure_record.hpp"

namespace systole::app {

/// All but where the waves and the checkpoint lie, and how to repeat it. Throws Error when a file
/// that the run read cannot be read any more.
bundle::FailureRecord record_of(const FailedRun& run);

}  // namespace systole::app
