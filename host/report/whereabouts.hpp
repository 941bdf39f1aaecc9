// From a wrong element of a command to the network: layer, tensor, element.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/compile/compiled_model.hpp"
#include "host/golden/lockstep.hpp"
#include "host/report/command_log.hpp"
#include "host/report/program_map.hpp"

namespace systole::report {

struct Whereabouts {
  std::string layer;   // its name; empty: the command belongs to none
  std::string op;      // "QConv"
  std::string tensor;  // the layer's output; empty: not found
  Shape shape;         // of the tensor
  std::vector<int64_t> element;
  bool intermediate = false;  // the element comes to be of a value that is not in the tensor yet
  std::string source;         // of a Load: what it reads there, "element [0, 3] of ..."
};

/// Follows the wrong element through the commands that read it next, until it lies in a tensor; of
/// a Load, looks at where it reads instead.
Whereabouts find(const compile::CompiledModel& model, const ProgramMap& map,
                 const golden::Mismatch& mismatch, const CommandLog& log);

/// The layer of a command of the page that a unit is in, as find() gives it; no tensor.
Whereabouts layer_of(const compile::CompiledModel& model, const ProgramMap& map,
                     const CommandLog& log, const UnitId& unit, uint32_t pc);

/// What lies at an address when nothing runs: "a constant that layer 'fc1' (Gemm) loads".
std::string constant_text(const compile::CompiledModel& model, const ProgramMap& map,
                          Address address);

}  // namespace systole::report
