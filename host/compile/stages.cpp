#include "host/compile/stages.hpp"

#include <algorithm>

namespace systole::compile {

std::vector<std::size_t> cut_stages(const graph::Graph& graph, const std::vector<uint64_t>& cycles,
                                    unsigned stages) {
  const std::size_t nodes = graph.nodes.size();
  // A cut lies well where one value passes it that no earlier cut has.
  std::vector<std::size_t> made(graph.values.size(), 0), read(graph.values.size(), 0);
  for (std::size_t i = 0; i < nodes; ++i) {
    made[static_cast<std::size_t>(graph.nodes[i].output)] = i;
    for (const graph::ValueId id : graph.nodes[i].inputs) read[static_cast<std::size_t>(id)] = i;
  }
  const auto passes = [&](std::size_t id, std::size_t cut) {
    return !graph.values[id].constant && made[id] < cut && read[id] >= cut;
  };
  std::vector<std::size_t> places = {0};
  for (std::size_t cut = 1; cut < nodes; ++cut) {
    std::size_t values = 0;
    for (std::size_t id = 0; id < graph.values.size(); ++id) values += passes(id, cut) ? 1 : 0;
    const auto is_early = [&](graph::ValueId id) {
      return made[static_cast<std::size_t>(id)] < cut;
    };
    const bool inputs =
        std::any_of(graph.inputs.begin(), graph.inputs.end(),
                    [&](graph::ValueId id) { return passes(static_cast<std::size_t>(id), cut); });
    const bool outputs = std::any_of(graph.outputs.begin(), graph.outputs.end(), is_early);
    if (values == 1 && !inputs && !outputs) places.push_back(cut);
  }
  places.push_back(nodes);
  if (places.size() < stages + 1) return {};
  std::vector<uint64_t> sum(nodes + 1, 0);
  for (std::size_t i = 0; i < nodes; ++i) sum[i + 1] = sum[i] + cycles[i];
  // best[s][p]: of s stages up to place p, the longest one's cycles.
  std::vector<std::vector<uint64_t>> best(stages + 1,
                                          std::vector<uint64_t>(places.size(), ~uint64_t{0}));
  std::vector<std::vector<std::size_t>> from(stages + 1, std::vector<std::size_t>(places.size()));
  best[0][0] = 0;
  for (unsigned s = 1; s <= stages; ++s) {
    for (std::size_t p = s; p < places.size(); ++p) {
      for (std::size_t q = s - 1; q < p; ++q) {
        if (best[s - 1][q] == ~uint64_t{0}) continue;
        const uint64_t longest = std::max(best[s - 1][q], sum[places[p]] - sum[places[q]]);
        if (longest < best[s][p]) best[s][p] = longest, from[s][p] = q;
      }
    }
  }
  std::vector<std::size_t> cuts = {nodes};
  for (std::size_t s = stages, p = places.size() - 1; s > 0; --s) {
    p = from[s][p];
    cuts.insert(cuts.begin(), places[p]);
  }
  return cuts;
}

}  // namespace systole::compile
