// The command lines of `systole`, parsed and checked.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "host/driver/simulated_chip.hpp"

namespace systole::app {

/// NAME=FILE; an empty name stands for the position among the model's inputs or outputs.
using NamedFile = std::pair<std::string, std::string>;

struct RunOptions {
  std::string model;
  std::vector<NamedFile> inputs;  // several of one name follow one another, a stream
  std::vector<NamedFile> outputs;
  std::string samples;     // a folder with inputs, and the outputs to expect of them
  std::size_t stream = 0;  // inferences to run, over and over; 0: each input once
  std::string labels;
  std::string config = "small";
  std::string build;  // of the chip; empty: the configuration's own
  std::string device = "chip";
  std::string json;
  std::string timeline;
  std::string report;    // a page
  bool scaling = false;  // reports say what more tiles would give
  std::string commit = "unknown";
  std::string firmware;
  unsigned tiles = 0;
  unsigned channels = 0;  // of DRAM that are used; 0: all
  std::string optimize = "auto";
  unsigned groups = 0;     // of tiles; 0: chosen
  unsigned in_flight = 0;  // inputs of a group; 0: chosen
  unsigned stages = 0;     // of a group; 0: chosen
  uint64_t sample_cycles = 1000;
  unsigned inputs_per_request = 32;
  uint32_t timeout_cycles = 0;
  bool check = true;
  bool quiet = false;
  bool events = true;   // of the chip's commands are followed: cycles of layers
  bool explain = true;  // a failure on the chip
  std::string explain_folder = "build/explain";
  std::string bundle;  // of the explanation
  SimulationOptions simulation;
  std::vector<std::string> words;  // the command line, as it was given
};

enum class Action { Run, Done };

/// `systole compile`: of `run` it has what makes the plan, and `json`.
struct CompileCommand {
  RunOptions run;
  bool explain = false;
};

/// `systole explain`: an explanation that a run has written.
struct ExplainOptions {
  std::string folder;  // empty: the newest one
  std::string bundle;  // empty: it is only shown
};

struct ReplayOptions {
  std::string bundle;
  std::string folder;  // empty: build/replay/<the bundle's name>
  std::string build;   // of the chip; empty: the recorded one
  bool from_reset = false;
  std::string commit = "unknown";
};

/// Parse what follows the command's name. Done: help has been printed. Throw
/// Error for what cannot be meant.
Action parse_compile(int argc, const char* const* argv, CompileCommand& options);
Action parse_run(int argc, const char* const* argv, RunOptions& options);
Action parse_explain(int argc, const char* const* argv, ExplainOptions& options);
Action parse_replay(int argc, const char* const* argv, ReplayOptions& options);

}  // namespace systole::app
