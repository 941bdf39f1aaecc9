// DRAM channels: rows and the data bus.
#include <fmt/format.h>

#include "host/report/counters.hpp"
#include "host/report/html.hpp"
#include "host/report/svg.hpp"

namespace systole::report {
namespace {

constexpr double kWidth = 1140, kLeft = 150, kBar = 620, kChannel = 84;

struct Part {
  const char* name;
  uint64_t count;
  std::size_t kind;  // of pattern
};

/// A bar of shares of `whole`, a label in or behind each.
void draw_shares(Svg& svg, double y, const std::vector<Part>& parts, double whole) {
  double x = kLeft;
  svg.rect(kLeft, y, kBar, 18, "fill=\"#fff\" stroke=\"#222\" stroke-width=\"0.8\"");
  for (const Part& part : parts) {
    const double width = whole == 0 ? 0 : static_cast<double>(part.count) / whole * kBar;
    if (width <= 0) continue;
    const double share = 100 * width / kBar;
    svg.rect(x, y, width, 18, kind_fill(part.kind) + " stroke=\"#222\" stroke-width=\"0.6\"",
             fmt::format("{}: {}, {:.1f} %", part.name, with_commas(part.count), share));
    if (width > 96) {
      svg.tag(x + width / 2, y + 13, fmt::format("{} {:.0f} %", part.name, share));
    }
    x += width;
  }
}

std::string bytes_a_cycle(uint64_t beats, uint64_t cycles) {
  const double bytes = static_cast<double>(beats) * spec::FlitBytes;
  return short_number(cycles == 0 ? 0 : bytes / static_cast<double>(cycles));
}

void draw_channel(Svg& svg, double y, std::size_t index, const DramChannelCounters& c,
                  uint64_t cycles) {
  const double accesses = static_cast<double>(c.row_hits + c.row_misses + c.row_conflicts);
  svg.text(10, y + 13, fmt::format("channel {}", index), "start", "class=\"strong\"");
  svg.text(kLeft - 8, y + 13, "rows", "end", "class=\"small\"");
  draw_shares(
      svg, y,
      {{"hits", c.row_hits, 0}, {"misses", c.row_misses, 1}, {"conflicts", c.row_conflicts, 2}},
      accesses);
  svg.text(kLeft + kBar + 12, y + 13,
           fmt::format("{} hits, {} misses, {} conflicts", with_commas(c.row_hits),
                       with_commas(c.row_misses), with_commas(c.row_conflicts)),
           "start", "class=\"small\"");
  svg.text(kLeft - 8, y + 39, "data bus", "end", "class=\"small\"");
  draw_shares(svg, y + 26, {{"busy", c.bus_busy_cycles, 5}}, static_cast<double>(cycles));
  svg.text(kLeft + kBar + 12, y + 39,
           fmt::format("{:.1f} % busy; read {}, write {} bytes a cycle (peak {})",
                       100 * utilization(c, cycles), bytes_a_cycle(c.read_beats, cycles),
                       bytes_a_cycle(c.write_beats, cycles), kDramBytesPerCycle),
           "start", "class=\"small\"");
  svg.text(kLeft, y + 60,
           fmt::format("{} read and {} written in all; {} refreshes",
                       bytes_text(static_cast<double>(c.read_beats) * spec::FlitBytes),
                       bytes_text(static_cast<double>(c.write_beats) * spec::FlitBytes),
                       with_commas(c.refreshes)),
           "start", "class=\"small\"");
}

}  // namespace

std::string dram_chart(const RunReport& r) {
  if (!r.counters || r.counters->channels.empty()) return "";
  const auto& channels = r.counters->channels;
  Svg svg(kWidth, kChannel * static_cast<double>(channels.size()) + 4, "DRAM channels",
          "For each channel a bar of row hits, misses and conflicts, and a bar of the share of "
          "cycles in which its data bus was busy.");
  for (std::size_t i = 0; i < channels.size(); ++i) {
    draw_channel(svg, 4 + kChannel * static_cast<double>(i), i, channels[i], r.counters->cycle);
  }
  return svg.str();
}

}  // namespace systole::report
