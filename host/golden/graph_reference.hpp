// The second opinion: executes a graph operator by operator with plain loops and the formulas of
// arith.hpp. Knows nothing of the compiler, its layouts or its tiling.
#pragma once

#include <functional>

#include "host/graph/graph.hpp"

namespace systole::golden {

// Called with every value that a node has written, in the order of the nodes.
using NodeHook = std::function<void(const graph::Node&, const Tensor&)>;

// The outputs of the graph by name. `inputs` holds each run-time input of the graph, with its type
// and shape (throws Error naming the input otherwise); other entries are ignored.
graph::Tensors run(const graph::Graph& graph, const graph::Tensors& inputs,
                   const NodeHook& hook = {});

}  // namespace systole::golden
