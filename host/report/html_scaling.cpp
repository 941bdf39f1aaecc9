// More tiles: speed-up over tiles, log-log, and a table of what stands behind each point.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "host/report/html.hpp"
#include "host/report/svg.hpp"

namespace systole::report {
namespace {

constexpr double kWidth = 1140, kHeight = 380;
constexpr double kLeft = 74, kTop = 16, kPlotWidth = 560, kPlotHeight = 300;
constexpr double kKey = kLeft + kPlotWidth + 40;

/// Both axes count doublings.
struct Axes {
  double most;  // of both
  double x(double tiles) const { return kLeft + 20 + (kPlotWidth - 60) * std::log2(tiles) / most; }
  double y(double faster) const {
    return kTop + kPlotHeight - 34 - (kPlotHeight - 62) * std::log2(faster) / most;
  }
};

void draw_axes(Svg& svg, const Axes& axes) {
  svg.rect(kLeft, kTop, kPlotWidth, kPlotHeight, "fill=\"none\" stroke=\"#222\"");
  for (int e = 0; e <= axes.most; ++e) {
    const double at = std::pow(2, e);
    svg.line(axes.x(at), kTop, axes.x(at), kTop + kPlotHeight,
             "stroke=\"#ccc\" stroke-width=\"0.8\"");
    svg.line(kLeft, axes.y(at), kLeft + kPlotWidth, axes.y(at),
             "stroke=\"#ccc\" stroke-width=\"0.8\"");
    const std::string label = std::to_string(1 << e);
    svg.text(axes.x(at), kTop + kPlotHeight + 17, label, "middle", "class=\"small\"");
    svg.text(kLeft - 7, axes.y(at) + 4, label, "end", "class=\"small\"");
  }
  svg.text(kLeft + kPlotWidth / 2, kTop + kPlotHeight + 38, "tiles", "middle");
  svg.text(0, 0, "speed-up, times", "middle",
           fmt::format("transform=\"translate(18 {:.0f}) rotate(-90)\"", kTop + kPlotHeight / 2));
}

/// One DRAM channel: a ring. More of them: a diamond, larger, around it.
void draw_mark(Svg& svg, double x, double y, unsigned channels, const std::string& hint) {
  if (channels == 1) {
    svg.circle(x, y, 4.5, "fill=\"#fff\" stroke=\"#1d3f66\" stroke-width=\"2.4\"", hint);
    return;
  }
  svg.path(fmt::format("M{:.1f},{:.1f} l10,10 l-10,10 l-10,-10 z", x, y - 10),
           "fill=\"none\" stroke=\"#a01822\" stroke-width=\"1.8\"", hint);
}

std::string channels_text(unsigned channels) {
  return fmt::format("{} DRAM channel{}", channels, channels == 1 ? "" : "s");
}

/// The efficiency stands below a mark, of more channels above it.
void draw_points(Svg& svg, const Axes& axes, const std::vector<ScalePoint>& points) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto faster = speed_up(points, i);
    if (!faster) continue;
    const ScalePoint& point = points[i];
    const double x = axes.x(point.tiles), y = axes.y(std::max(*faster, 1.0));
    draw_mark(svg, x, y, point.channels,
              fmt::format("{}, {} tiles, {}: {:.2f} times as fast", point.config, point.tiles,
                          channels_text(point.channels), *faster));
    svg.text(x, point.channels == 1 ? y + 21 : y - 14,
             fmt::format("{:.0f} %", 100 * *efficiency(points, i)), "middle",
             "class=\"small halo\"");
  }
}

void draw_key(Svg& svg, const std::vector<ScalePoint>& points) {
  double y = kTop + 12;
  const auto entry = [&](const std::string& text) {
    svg.text(kKey + 36, y + 4, text);
    y += 28;
  };
  svg.line(kKey, y, kKey + 26, y, "stroke=\"#222\" stroke-width=\"1.2\" stroke-dasharray=\"6 4\"");
  entry("twice the tiles, twice the speed");
  std::map<unsigned, std::string> marks;
  for (const ScalePoint& point : points) {
    if (point.cycles == 0) continue;
    std::string& names = marks[point.channels];
    if (names.find(point.config) == std::string::npos)
      names += (names.empty() ? "" : ", ") + point.config;
  }
  for (const auto& [channels, names] : marks) {
    draw_mark(svg, kKey + 13, y, channels, "");
    entry(fmt::format("{}: {}", channels_text(channels), names));
  }
  svg.text(kKey, y + 4, "%: efficiency, speed-up over times as many tiles");
}

std::string cell(const std::string& text, bool number = true) {
  return fmt::format("<td{}>{}</td>", number ? " class=\"n\"" : "", text);
}

std::string optional_cell(const std::optional<double>& value, const char* format) {
  return cell(value ? fmt::format(fmt::runtime(format), *value) : "\u2013");
}

}  // namespace

std::string scaling_chart(const RunReport& r) {
  double most = 1;
  std::size_t shown = 0;
  for (std::size_t i = 0; i < r.scaling.size(); ++i) {
    const auto faster = speed_up(r.scaling, i);
    if (!faster) continue;
    ++shown;
    most = std::max({most, std::log2(r.scaling[i].tiles), std::log2(*faster)});
  }
  if (shown == 0) return "";
  const Axes axes{most};
  Svg svg(kWidth, kHeight, "More tiles",
          "Speed-up of a stream of inferences over the number of tiles, beside the line on which "
          "twice the tiles are twice as fast; both axes logarithmic.");
  draw_axes(svg, axes);
  const double end = std::pow(2, most);
  svg.line(axes.x(1), axes.y(1), axes.x(end), axes.y(end),
           "stroke=\"#222\" stroke-width=\"1.2\" stroke-dasharray=\"6 4\"");
  draw_points(svg, axes, r.scaling);
  draw_key(svg, r.scaling);
  return svg.str();
}

std::string scaling_rows(const RunReport& r) {
  if (r.scaling.empty()) return "";
  std::string text =
      "<table><thead><tr><th class=\"n\">tiles</th><th>configuration</th>"
      "<th class=\"n\">DRAM channels</th><th class=\"n\">cycles from input to input</th>"
      "<th class=\"n\">speed-up, times</th><th class=\"n\">efficiency, %</th>"
      "<th class=\"wide\">bound by</th></tr></thead>\n<tbody>\n";
  for (std::size_t i = 0; i < r.scaling.size(); ++i) {
    const ScalePoint& point = r.scaling[i];
    const auto part = efficiency(r.scaling, i);
    text += "<tr>" + cell(std::to_string(point.tiles));
    text += cell(fmt::format("{}, {} x {}", escape(point.config), point.cols, point.rows), false);
    text += cell(std::to_string(point.channels));
    text += cell(point.cycles == 0 ? "\u2013"
                                   : with_commas(static_cast<uint64_t>(std::lround(point.cycles))));
    text += optional_cell(speed_up(r.scaling, i), "{:.2f}");
    text += optional_cell(part ? std::optional(100 * *part) : part, "{:.0f}");
    text += cell(escape(point.bound_by), false) + "</tr>\n";
  }
  return text + "</tbody></table>\n";
}

}  // namespace systole::report
