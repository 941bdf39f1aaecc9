// How large a network may be: what a file can make the compiler work and store is bounded, and said
// at once.
#pragma once

#include "host/graph/graph.hpp"

namespace systole::compile {

/// Elements of all tensors that are computed. A network of images of 224 x 224 has a sixth of it.
constexpr int64_t kMaxComputed = int64_t{1} << 26;
/// Multiplications of all products.
constexpr int64_t kMaxMac = int64_t{1} << 38;
/// Elements that all pools read, each as often as a window holds it.
constexpr int64_t kMaxPooled = int64_t{1} << 28;

/// Throws Error naming the node with the largest part in what is too much.
void check_size(const graph::Graph& graph);

}  // namespace systole::compile
