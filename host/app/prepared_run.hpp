// What a run on the chip is made of, from the options that shape it: one home for who runs,
// explains and replays.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "host/app/options.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/driver/batch.hpp"
#include "host/driver/session.hpp"

namespace systole::app {

struct PreparedRun {
  Batch batch;
  compile::CompiledModel model;
  double compile_s = 0;  // wall time of the compiler alone
};

/// Reads the model and its inputs, and compiles. Throws Error naming the file or node that is
/// wrong.
PreparedRun prepare(const RunOptions& options);

/// The same; an input that is not given is taken to be zeros of the model's own shape. Throws Error
/// naming one whose shape the model does not say.
PreparedRun prepare_without_data(const RunOptions& options);

SessionOptions session_options(const RunOptions& options);

/// The configuration under the name of its build.
ChipConfig chip_build(const RunOptions& options, ChipConfig config);

/// What two runs must have in common for one to go on from a checkpoint of the other.
std::vector<std::pair<std::string, std::string>> identity_of(const RunOptions& options,
                                                             const compile::CompiledModel& model,
                                                             const std::vector<Record>& records);

}  // namespace systole::app
