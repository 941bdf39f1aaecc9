// A part of the work on a model: some tiles, some nodes, some inputs.
#pragma once

#include <vector>

#include "host/compile/schedule.hpp"

namespace systole::compile {

/// What a PartCompiler makes: the work of some tiles on some nodes, for some inputs.
struct Part {
  std::vector<Place> places;
  std::vector<Place> team;         // the tiles that are launched together, `places` among them
  std::size_t begin = 0, end = 0;  // nodes
  int first_layer = 0;             // of those nodes
  std::vector<int> inputs;         // counted from the first that comes in with the iteration
  unsigned at_once = 1;            // inputs of an iteration, of all parts
  bool staged = false;             // inputs one after the other, the team meets behind each
  unsigned lead = 0;               // output records before that of the iteration's first input
  bool is_last = true;             // makes the model's outputs
};

}  // namespace systole::compile
