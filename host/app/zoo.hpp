// `systole zoo`: networks that others know, what of them is here, and how to get the rest.
#pragma once

namespace systole::app {

/// argv[0] is the command's name, argv[1], if given, a folder instead of $SYSTOLE_DATA/mlperf_tiny
/// (SYSTOLE_DATA: ../shared/data by default). Returns the exit status.
int zoo(int argc, const char* const* argv);

}  // namespace systole::app
