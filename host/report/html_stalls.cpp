// Stacked bars: where the cycles of units and of layers went.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "host/report/html.hpp"
#include "host/report/svg.hpp"

namespace systole::report {
namespace {

constexpr double kWidth = 1140, kLeft = 230, kRight = 20, kBar = kWidth - kLeft - kRight;
constexpr double kBarHeight = 15, kBarStep = 18;
constexpr std::size_t kLongest = 8;     // waits in the table
constexpr std::size_t kManyTiles = 16;  // more are shown as their mean

/// Cycles by state, and behind them those of the clock off.
struct Row {
  std::string group;  // empty: the one above
  std::string name;
  std::vector<double> parts;
};

std::string part_name(std::size_t part) {
  return part < spec::NumUnitStates ? spec::to_string(static_cast<spec::UnitState>(part))
                                    : "clock off";
}

std::string part_fill(std::size_t part) {
  return part < spec::NumUnitStates ? state_fill(part) : clock_off_fill();
}

double total(const std::vector<double>& parts) {
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

constexpr double kLegendStep = 140;
constexpr int kLegendColumns = 8;

/// What occurs at all. Returns the height that it takes.
double legend_height(std::size_t entries) {
  return 24.0 * static_cast<double>((entries + kLegendColumns - 1) / kLegendColumns) + 6;
}

std::vector<std::size_t> parts_seen(const std::vector<Row>& rows) {
  std::vector<std::size_t> seen;
  for (std::size_t part = 0; part <= spec::NumUnitStates; ++part) {
    const bool any = std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
      return part < row.parts.size() && row.parts[part] > 0;
    });
    if (any) seen.push_back(part);
  }
  return seen;
}

void draw_legend(Svg& svg, const std::vector<std::size_t>& parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const double x = 10 + kLegendStep * static_cast<double>(i % kLegendColumns);
    const double y = 4 + 24.0 * static_cast<double>(i / kLegendColumns);
    svg.rect(x, y, 22, 15, part_fill(parts[i]) + " stroke=\"#222\" stroke-width=\"0.8\"");
    svg.text(x + 27, y + 12, part_name(parts[i]), "start", "class=\"small\"");
  }
}

void draw_bar(Svg& svg, const Row& row, double y, double scale) {
  double x = kLeft;
  const double sum = total(row.parts);
  for (std::size_t part = 0; part < row.parts.size(); ++part) {
    const double width = row.parts[part] * scale;
    if (width <= 0) continue;
    const double share = 100 * row.parts[part] / sum;
    svg.rect(x, y, width, kBarHeight, part_fill(part) + " stroke=\"#222\" stroke-width=\"0.6\"",
             fmt::format("{} {}: {} {} cycles, {:.1f} %", row.group, row.name, part_name(part),
                         short_number(row.parts[part]), share));
    if (width > 44) {
      svg.tag(x + width / 2, y + 11.5, fmt::format("{:.0f} %", share));
    }
    x += width;
  }
}

/// Ticks under the bars at round numbers: about six of them.
double tick_step(double largest) {
  double step = 1;
  while (step * 60 < largest) step *= 10;
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    if (largest / (step * factor) <= 7) return step * factor;
  }
  return step * 10;
}

void draw_axis(Svg& svg, double top, double bottom, double largest, double scale,
               const std::string& unit, bool percent) {
  const double step = percent ? largest / 5 : tick_step(largest);
  for (double tick = 0; tick <= largest * 1.0001; tick += step) {
    const double x = kLeft + tick * scale;
    svg.line(x, top, x, bottom, "stroke=\"#999\" stroke-width=\"0.7\"");
    svg.text(x, bottom + 15,
             percent ? fmt::format("{:.0f}", 100 * tick / largest)
                     : with_commas(static_cast<uint64_t>(tick)),
             "middle", "class=\"small\"");
  }
  svg.text(kLeft + kBar / 2, bottom + 32, unit, "middle", "class=\"small\"");
}

std::string bars(const std::vector<Row>& rows, const std::string& title,
                 const std::string& description, const std::string& unit, bool percent) {
  const auto seen = parts_seen(rows);
  if (seen.empty()) return "";
  const double top = legend_height(seen.size()) + 8;
  double largest = 0, height = top;
  for (const Row& row : rows) {
    largest = std::max(largest, total(row.parts));
    height += kBarStep + (row.group.empty() ? 0 : 7);
  }
  Svg svg(kWidth, height + 44, title, description);
  const double scale = kBar / largest;
  draw_legend(svg, seen);
  draw_axis(svg, top, height + 4, largest, scale, unit, percent);
  double y = top;
  for (const Row& row : rows) {
    if (!row.group.empty()) {
      y += 7;
      svg.text(10, y + 12, row.group, "start", "class=\"strong\"");
    }
    svg.text(kLeft - 8, y + 12, row.name, "end", "class=\"small\"");
    draw_bar(svg, row, y, scale);
    y += kBarStep;
  }
  return svg.str();
}

std::vector<double> parts_of(const TileCounters& tile, std::size_t unit) {
  std::vector<double> parts(tile.units[unit].states.begin(), tile.units[unit].states.end());
  parts.push_back(tile.clock_off);
  return parts;
}

std::vector<Row> rows_by_tile(const ChipCounters& counters) {
  std::vector<Row> rows;
  for (const TileCounters& tile : counters.tiles) {
    for (std::size_t u = 0; u < spec::NumUnits; ++u) {
      rows.push_back({u == 0 ? fmt::format("tile ({}, {})", tile.node.x, tile.node.y) : "",
                      lower(spec::to_string(static_cast<spec::Unit>(u))), parts_of(tile, u)});
    }
  }
  return rows;
}

std::vector<Row> mean_rows(const ChipCounters& counters) {
  std::vector<Row> rows;
  for (std::size_t u = 0; u < spec::NumUnits; ++u) {
    Row row{u == 0 ? fmt::format("mean of {} tiles", counters.tiles.size()) : "",
            lower(spec::to_string(static_cast<spec::Unit>(u))),
            std::vector<double>(spec::NumUnitStates + 1)};
    for (const TileCounters& tile : counters.tiles) {
      const std::vector<double> parts = parts_of(tile, u);
      for (std::size_t p = 0; p < parts.size(); ++p) {
        row.parts[p] += parts[p] / static_cast<double>(counters.tiles.size());
      }
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

/// The words "at the end of a long name" fit into the left margin.
std::string fitting(const std::string& name, std::size_t characters) {
  return name.size() <= characters ? name : name.substr(0, characters - 1) + "\u2026";
}

}  // namespace

std::string tile_states_chart(const RunReport& r) {
  if (!r.counters || r.counters->tiles.empty()) return "";
  const bool many = r.counters->tiles.size() > kManyTiles;
  return bars(
      many ? mean_rows(*r.counters) : rows_by_tile(*r.counters),
      "States of the units of every tile",
      "One stacked bar for each unit of each tile: shares of the run's cycles in each state.",
      fmt::format("% of the run's {} cycles", with_commas(r.counters->cycle)), true);
}

std::string layer_states_chart(const RunReport& r) {
  if (r.tiles == 0 || r.inputs == 0) return "";
  std::vector<Row> rows;
  for (const LayerReport& layer : r.layers) {
    bool first = true;
    for (std::size_t u = 0; u < spec::NumUnits; ++u) {
      const StateTotals& totals = layer.states[u];
      if (totals.sum() == 0) continue;
      Row row{first ? fitting(short_name(layer.name), 24) : "",
              lower(spec::to_string(static_cast<spec::Unit>(u))),
              {}};
      for (const uint64_t cycles : totals.states) {
        row.parts.push_back(static_cast<double>(cycles) / static_cast<double>(r.inputs) / r.tiles);
      }
      rows.push_back(std::move(row));
      first = false;
    }
  }
  return bars(
      rows, "States of the units in every layer",
      "One stacked bar for each unit of each layer: its cycles for one input, by state, mean "
      "over the tiles.",
      "cycles of one input, mean over the tiles", false);
}

std::string wait_rows(const RunReport& r) {
  if (r.waits.empty() || !r.counters) return "";
  const auto cycles = static_cast<double>(std::max<uint64_t>(1, r.counters->cycle));
  std::string text =
      "<table><thead><tr><th>longest waits for semaphores</th><th>posted by</th>"
      "<th class=\"n\">cycles</th><th class=\"n\">of the run</th></tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < std::min(r.waits.size(), kLongest); ++i) {
    const WaitReport& wait = r.waits[i];
    text += fmt::format(
        "<tr><td>{} of tile ({}, {}), semaphore {}</td><td>{}</td><td class=\"n\">{}</td>"
        "<td class=\"n\">{:.0f} %</td></tr>\n",
        lower(spec::to_string(wait.who.unit)), wait.who.node.x, wait.who.node.y, wait.semaphore,
        escape(wait.posted_by), with_commas(wait.cycles),
        100 * static_cast<double>(wait.cycles) / cycles);
  }
  return text + "</tbody></table>\n";
}

}  // namespace systole::report
