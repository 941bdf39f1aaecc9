// From a wrong element of a command to the network: layer, tensor, element.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/compile/compiled_model.hpp"
#include "host/golden/lockstep.hpp"
#include "host/report/command_log.hpp"

namespace systole::report {

struct Whereabouts {
  std::string layer;   // its name; empty: the command belongs to none
  std::string op;      // "QConv"
  std::string tensor;  // the layer's output; empty: not found
  Shape shape;         // of the tensor
  std::vector<int64_t> element;
  bool intermediate = false;  // the element comes to be of a value that is not in the tensor yet
};

/// Follows the wrong element through the commands that read it next, until it lies in a tensor.
Whereabouts find(const compile::CompiledModel& model, const golden::Mismatch& mismatch,
                 const CommandLog& log);

}  // namespace systole::report
