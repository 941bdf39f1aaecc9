#include "host/report/scaling.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/command/error.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/report/html.hpp"
#include "host/report/plan.hpp"

namespace systole::report {
namespace {

/// Inputs of a stream that plans are made for: enough for several in each tile.
unsigned stream_on(unsigned tiles) { return std::max(32u, 8 * tiles); }

ScalePoint point(const ChipConfig& config, unsigned tiles, unsigned channels) {
  return {config.name, config.num_cols, config.num_rows, tiles, channels, 0, ""};
}

std::vector<ScalePoint> wanted(const ChipConfig& own) {
  std::vector<ScalePoint> points;
  const unsigned all = own.tiles();
  for (unsigned tiles = 1; tiles < all; tiles *= 2) points.push_back(point(own, tiles, 1));
  const auto add_whole = [&](const ChipConfig& config) {
    points.push_back(point(config, config.tiles(), 1));
    if (config.channels() > 1) points.push_back(point(config, config.tiles(), config.channels()));
  };
  add_whole(own);
  for (const spec::Config& known : spec::Configs) {
    const ChipConfig config = chip_config(known.name);
    if (config.tiles() > all && config.tiles() <= kMostTiles) add_whole(config);
  }
  return points;
}

void predict(const graph::Graph& graph, const std::string& dram, ScalePoint& at) {
  compile::CompileOptions options;
  options.use_tiles = at.tiles;
  options.use_channels = at.channels;
  options.inputs = stream_on(at.tiles);
  options.dram = dram;
  try {
    const Plan plan = report::plan(compile::compile(graph, chip_config(at.config), options), dram);
    uint64_t bytes = 0;
    for (const LayerPlan& layer : plan.layers) bytes += layer.traffic.dram;
    const double peak = kDramBytesPerCycle * at.channels * plan.spacing;
    at.cycles = plan.spacing;
    at.bound_by =
        fmt::format("{}; DRAM {:.0f} %", plan.bound_by, 100 * static_cast<double>(bytes) / peak);
  } catch (const Error& error) {
    at.bound_by = error.what();
  }
}

}  // namespace

std::vector<ScalePoint> scale(const graph::Graph& graph, const ChipConfig& config,
                              const std::string& dram) {
  std::vector<ScalePoint> points = wanted(config);
  for (ScalePoint& at : points) predict(graph, dram, at);
  return points;
}

std::optional<double> speed_up(const std::vector<ScalePoint>& points, std::size_t i) {
  const auto first = std::find_if(points.begin(), points.end(),
                                  [](const ScalePoint& point) { return point.cycles > 0; });
  if (points[i].cycles == 0) return std::nullopt;
  return first->cycles / points[i].cycles;
}

std::optional<double> efficiency(const std::vector<ScalePoint>& points, std::size_t i) {
  const auto first = std::find_if(points.begin(), points.end(),
                                  [](const ScalePoint& point) { return point.cycles > 0; });
  const std::optional<double> faster = speed_up(points, i);
  if (!faster) return std::nullopt;
  return *faster * first->tiles / points[i].tiles;
}

}  // namespace systole::report
