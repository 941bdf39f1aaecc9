// An attempt at a plan: the work divided in a given way over groups of tiles and stages.
#pragma once

#include <optional>
#include <vector>

#include "host/command/error.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/compile/matrix_memo.hpp"

namespace systole::compile {

/// What is compiled, and what attempts at it have in common.
struct Job {
  const graph::Graph& graph;
  const ChipConfig& config;
  const CompileOptions& options;
  MatrixMemo memo = {};
};

/// What attempts differ in.
struct Choice {
  unsigned tiles = 1;
  Division division;
  std::vector<std::size_t> cuts;  // the first node of each stage, then the number of nodes
  unsigned page_commands = 0;
  double price = 0;    // of weights (Budget)
  bool rolls = false;  // the same
};

struct Candidate {
  CompiledModel model;
  uint64_t spacing = 0;  // cycles from input to input, as a first estimate
  double price = 0;      // of weights
  bool streams = false;  // tiles share weights: rows that roll may make a difference
};

/// Why there is no plan; of several attempts the last one that had no room for an operator.
using Failure = std::optional<Error>;

/// Tries divisions of the scratchpads until one fits. None when nothing does: then `failure` says
/// why.
std::optional<Candidate> attempt(Job& job, const Choice& choice, Failure& failure);

}  // namespace systole::compile
