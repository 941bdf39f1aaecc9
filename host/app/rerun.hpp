// A failed run once more, inside this program, without waves: to look at what one has learnt to
// look at.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "host/app/explain.hpp"

namespace systole::app {

struct RerunOptions {
  std::string checkpoint;  // to go on from; empty: from reset
  Watch watch;
  std::optional<std::pair<golden::Node, spec::Unit>> study;
  uint64_t until = 0;    // a cycle in which it ends, 0: the failure
  bool past_it = false;  // a command that differs does not end it, `until` does
};

struct Rerun {
  std::optional<uint64_t> failed_in;  // cycle; none: it ended before, as asked
  std::optional<uint64_t> changed;    // the last change of what was watched
  std::vector<uint8_t> watched;       // what it was at the end
  std::optional<golden::Mismatch> mismatch;
  ChipActivity activity;  // at the end
};

/// The same build, model, inputs and options. The run's errors are not thrown.
Rerun rerun(const FailedRun& run, const RerunOptions& options);

}  // namespace systole::app
