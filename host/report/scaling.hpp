// What more tiles would give: a network on chips of several sizes, predicted (host/timing), not
// run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "host/driver/device.hpp"
#include "host/graph/graph.hpp"

namespace systole::report {

/// A stream of inferences on some tiles of a chip, with a plan of its own.
struct ScalePoint {
  std::string config;
  unsigned cols = 0, rows = 0;  // of the mesh
  unsigned tiles = 0;           // used
  unsigned channels = 0;        // of DRAM, used
  double cycles = 0;            // from input to input; 0: there is no plan
  std::string bound_by;         // or why there is none
};

/// 1, 2, 4, ... and all tiles of the configuration, then larger ones of up to kMostTiles: those
/// with one DRAM channel and with all. Compiles the network for each.
constexpr unsigned kMostTiles = 16;
std::vector<ScalePoint> scale(const graph::Graph& graph, const ChipConfig& config,
                              const std::string& dram);

/// Of points[i] over the first that has a plan; none without.
std::optional<double> speed_up(const std::vector<ScalePoint>& points, std::size_t i);
/// The same over how many times as many tiles there are.
std::optional<double> efficiency(const std::vector<ScalePoint>& points, std::size_t i);

}  // namespace systole::report
