// The roofline of a run: MAC a cycle over MAC a byte of DRAM traffic, log-log.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/report/html.hpp"
#include "host/report/svg.hpp"

namespace systole::report {
namespace {

constexpr double kWidth = 1140, kHeight = 520;
constexpr double kLeft = 74, kTop = 16, kPlotWidth = 560, kPlotHeight = 440;
constexpr double kAside = 130;  // room at the right of the plot for what never touches DRAM
constexpr double kKey = kLeft + kPlotWidth + kAside + 24;

struct Point {
  std::string name;
  double speed = 0;                 // MAC a cycle
  std::optional<double> intensity;  // MAC a byte; none without DRAM traffic
};

/// A path of data with its bandwidth.
struct Ceiling {
  std::string name;
  double bytes_per_cycle;
  const char* dash;
  bool label_above;
};

std::vector<Ceiling> ceilings(const RunReport& r) {
  const double channels = r.rows > 1 ? r.rows - 1 : 1;
  return {{"scratchpads", double{spec::ScratchpadBanks} * spec::BankBytes * r.tiles, "7 3", true},
          {"NoC at the memory nodes", spec::FlitBytes * channels, "2 3", true},
          {"DRAM", kDramBytesPerCycle * channels, "none", false}};
}

std::vector<Point> points(const RunReport& r) {
  std::vector<Point> result;
  for (const LayerReport& layer : r.layers) {
    if (layer.mac == 0 || layer.cycles == 0) continue;
    Point point{short_name(layer.name), static_cast<double>(layer.mac) / layer.cycles,
                std::nullopt};
    if (layer.traffic.dram > 0) {
      point.intensity = static_cast<double>(layer.mac) / static_cast<double>(layer.traffic.dram);
    }
    result.push_back(std::move(point));
  }
  return result;
}

/// All layers together, with the bytes of those that do no MAC.
std::optional<Point> whole_run(const RunReport& r) {
  if (r.mac == 0 || r.chip_cycles == 0) return std::nullopt;
  uint64_t bytes = 0;
  for (const LayerReport& layer : r.layers) bytes += layer.traffic.dram;
  Point point{"the whole run", static_cast<double>(r.mac) / r.cycles_per_input(), std::nullopt};
  if (bytes > 0) point.intensity = static_cast<double>(r.mac) / static_cast<double>(bytes);
  return point;
}

/// The part of the plane that holds everything.
struct Axes {
  double x_min, x_max, y_min, y_max;  // logarithms
  double width;                       // of the plot
  double x(double value) const {
    return kLeft + width * (std::log10(value) - x_min) / (x_max - x_min);
  }
  double y(double value) const {
    return kTop + kPlotHeight * (y_max - std::log10(value)) / (y_max - y_min);
  }
  double slope() const {  // degrees of a line of slope 1 on the page
    const double up = kPlotHeight / (y_max - y_min), right = width / (x_max - x_min);
    return std::atan2(up, right) * 180 / std::acos(-1.0);
  }
};

bool any_aside(const std::vector<Point>& all) {
  return std::any_of(all.begin(), all.end(), [](const Point& p) { return !p.intensity; });
}

Axes axes_for(const RunReport& r, const std::vector<Point>& all) {
  const double peak = r.peak_mac_per_cycle();
  double x_low = 0.1, x_high = 10, y_low = peak / 100;
  for (const Ceiling& ceiling : ceilings(r))
    x_high = std::max(x_high, peak / ceiling.bytes_per_cycle);
  for (const Point& point : all) {
    y_low = std::min(y_low, point.speed);
    if (!point.intensity) continue;
    x_low = std::min(x_low, *point.intensity);
    x_high = std::max(x_high, *point.intensity);
  }
  return {std::log10(x_low * 0.5), std::log10(x_high * 4), std::log10(y_low * 0.5),
          std::log10(peak * 2.5), kPlotWidth + (any_aside(all) ? 0 : kAside)};
}

int first_decade(double low) { return static_cast<int>(std::ceil(low)); }

std::string decade(int exponent) {
  return exponent >= 0 ? with_commas(static_cast<uint64_t>(std::pow(10, exponent)))
                       : fmt::format("{:.{}f}", std::pow(10, exponent), -exponent);
}

void draw_axes(Svg& svg, const Axes& axes) {
  svg.rect(kLeft, kTop, kPlotWidth + kAside, kPlotHeight, "fill=\"none\" stroke=\"#222\"");
  for (int e = first_decade(axes.x_min); e <= axes.x_max; ++e) {
    const double x = axes.x(std::pow(10, e));
    svg.line(x, kTop, x, kTop + kPlotHeight, "stroke=\"#ccc\" stroke-width=\"0.8\"");
    svg.text(x, kTop + kPlotHeight + 17, decade(e), "middle", "class=\"small\"");
  }
  for (int e = first_decade(axes.y_min); e <= axes.y_max; ++e) {
    const double y = axes.y(std::pow(10, e));
    svg.line(kLeft, y, kLeft + axes.width, y, "stroke=\"#ccc\" stroke-width=\"0.8\"");
    svg.text(kLeft - 7, y + 4, decade(e), "end", "class=\"small\"");
  }
  svg.text(kLeft + axes.width / 2, kTop + kPlotHeight + 38, "MAC per byte of DRAM traffic",
           "middle");
  svg.text(0, 0, "MAC per cycle", "middle",
           fmt::format("transform=\"translate(18 {:.0f}) rotate(-90)\"", kTop + kPlotHeight / 2));
}

/// From where the slope enters the plot to where it meets the compute ceiling.
void draw_ceiling(Svg& svg, const Axes& axes, const Ceiling& ceiling, double peak) {
  const double x_begin =
      std::max(std::pow(10, axes.x_min), std::pow(10, axes.y_min) / ceiling.bytes_per_cycle);
  const double x_end = peak / ceiling.bytes_per_cycle;
  if (x_end <= x_begin) return;  // above the compute ceiling everywhere
  svg.line(
      axes.x(x_begin), axes.y(x_begin * ceiling.bytes_per_cycle), axes.x(x_end), axes.y(peak),
      fmt::format("stroke=\"#222\" stroke-width=\"1.6\" stroke-dasharray=\"{}\"", ceiling.dash),
      ceiling.name);
  // The label runs along the slope, a quarter up.
  const double middle = x_begin * std::pow(x_end / x_begin, 0.42);
  svg.text(0, ceiling.label_above ? -6 : 15,
           fmt::format("{} {} B/cycle", ceiling.name, short_number(ceiling.bytes_per_cycle)),
           "middle",
           fmt::format("class=\"small halo\" transform=\"translate({:.1f} {:.1f}) rotate({:.1f})\"",
                       axes.x(middle), axes.y(middle * ceiling.bytes_per_cycle), -axes.slope()));
}

void draw_compute(Svg& svg, const Axes& axes, const RunReport& r) {
  const double peak = r.peak_mac_per_cycle(), y = axes.y(peak);
  double x = axes.x(peak / ceilings(r).front().bytes_per_cycle);
  x = std::max(x, kLeft);
  svg.line(x, y, kLeft + kPlotWidth + kAside, y, "stroke=\"#222\" stroke-width=\"2.4\"");
  svg.text(x + 8, y - 8,
           fmt::format("compute: {} MAC/cycle, {} tiles", with_commas(static_cast<uint64_t>(peak)),
                       r.tiles),
           "start", "class=\"small halo\"");
}

/// Keeps the labels of neighbouring points apart.
class Labels {
 public:
  void reserve(double x, double y) { taken_.push_back({x, y}); }
  /// Writes near (x, y), in the first place around it that is free.
  void place(Svg& svg, double x, double y, const std::string& text) {
    for (const double radius : {13.0, 22.0, 32.0}) {
      for (int step = 0; step < 12; ++step) {
        const double angle = (step * 30 - 60) * std::acos(-1.0) / 180;
        const double at_x = x + radius * std::cos(angle), at_y = y + radius * std::sin(angle);
        if (!is_free(at_x, at_y)) continue;
        reserve(at_x, at_y);
        svg.text(at_x, at_y + 4, text, "middle", "class=\"strong halo\"");
        return;
      }
    }
  }

 private:
  bool is_free(double x, double y) const {
    return std::none_of(taken_.begin(), taken_.end(), [&](const auto& other) {
      return std::abs(other.first - x) < 15 && std::abs(other.second - y) < 13;
    });
  }
  std::vector<std::pair<double, double>> taken_;
};

/// Points without DRAM traffic have a place of their own at the right, spread over its width.
std::pair<double, double> position(const Axes& axes, const Point& point, std::size_t index = 2) {
  const double aside =
      kLeft + kPlotWidth + kAside * (0.15 + 0.175 * static_cast<double>(index % 5));
  return {point.intensity ? axes.x(*point.intensity) : aside, axes.y(point.speed)};
}

std::string point_text(const Point& point) {
  return fmt::format("{} MAC/cycle, {}", short_number(point.speed),
                     point.intensity ? short_number(*point.intensity) + " MAC/B" : "no DRAM");
}

void draw_points(Svg& svg, const Axes& axes, const std::vector<Point>& all,
                 const std::optional<Point>& run) {
  Labels labels;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto [x, y] = position(axes, all[i], i);
    labels.reserve(x, y);
    svg.circle(x, y, 4.5, "fill=\"#fff\" stroke=\"#1d3f66\" stroke-width=\"2.4\"",
               all[i].name + ": " + point_text(all[i]));
  }
  if (run) {
    const auto [x, y] = position(axes, *run);
    labels.reserve(x, y);
    svg.path(fmt::format("M{:.1f},{:.1f} l6,6 l-6,6 l-6,-6 z", x, y - 6), "fill=\"#1a1a1a\"",
             run->name + ": " + point_text(*run));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto [x, y] = position(axes, all[i], i);
    labels.place(svg, x, y, std::to_string(i + 1));
  }
}

std::string fitting(const std::string& name, std::size_t characters) {
  return name.size() <= characters ? name : name.substr(0, characters - 1) + "\u2026";
}

void draw_key(Svg& svg, const std::vector<Point>& all, const std::optional<Point>& run) {
  double y = kTop + 12;
  const auto entry = [&](const std::string& name, const Point& point) {
    svg.text(kKey + 26, y, fitting(name, 40), "start");
    svg.text(kKey + 26, y + 15, point_text(point), "start", "class=\"small\"");
    y += 36;
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    svg.text(kKey + 16, y, std::to_string(i + 1), "end", "class=\"strong\"");
    entry(all[i].name, all[i]);
  }
  if (!run) return;
  svg.path(fmt::format("M{:.1f},{:.1f} l6,6 l-6,6 l-6,-6 z", kKey + 9, y - 10), "fill=\"#1a1a1a\"");
  entry(run->name, *run);
}

}  // namespace

std::string roofline_chart(const RunReport& r) {
  const std::vector<Point> all = points(r);
  if (all.empty() || r.tiles == 0) return "";
  const std::optional<Point> run = whole_run(r);
  std::vector<Point> shown = all;
  if (run) shown.push_back(*run);
  const Axes axes = axes_for(r, shown);
  const double key = kTop + 36.0 * static_cast<double>(shown.size()) + 10;
  Svg svg(
      kWidth, std::max(kHeight, key), "Roofline of the run",
      "Speed of every layer in multiply-accumulates a cycle over its multiply-accumulates a byte "
      "of DRAM traffic, under the ceilings of compute, scratchpads, NoC and DRAM.");
  draw_axes(svg, axes);
  for (const Ceiling& c : ceilings(r)) draw_ceiling(svg, axes, c, r.peak_mac_per_cycle());
  draw_compute(svg, axes, r);
  if (any_aside(shown)) {
    svg.line(kLeft + kPlotWidth, kTop, kLeft + kPlotWidth, kTop + kPlotHeight,
             "stroke=\"#222\" stroke-width=\"0.8\" stroke-dasharray=\"2 2\"");
    svg.text(kLeft + kPlotWidth + kAside / 2, kTop + kPlotHeight + 17, "no DRAM traffic", "middle",
             "class=\"small\"");
  }
  draw_points(svg, axes, all, run);
  draw_key(svg, all, run);
  return svg.str();
}

}  // namespace systole::report
