// Where a network is cut into stages.
#pragma once

#include <cstdint>
#include <vector>

#include "host/graph/graph.hpp"

namespace systole::compile {

/// The first node of each stage, then the number of nodes: stages of like predicted cycles (given
/// by node), of which each reads nothing but what the one before it made. Empty when there are
/// none.
std::vector<std::size_t> cut_stages(const graph::Graph& graph, const std::vector<uint64_t>& cycles,
                                    unsigned stages);

}  // namespace systole::compile
