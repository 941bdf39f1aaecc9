// The mesh with the load of every link, a drawing a network.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/report/counters.hpp"
#include "host/report/html.hpp"
#include "host/report/svg.hpp"

namespace systole::report {
namespace {

using Network = LinkCounters::Network;
using Port = LinkCounters::Port;

constexpr double kWidth = 1140;
constexpr double kGapX = 48, kMargin = 26, kGapY = 62, kNodeHeight = 62, kNodeWidth = 128,
                 kHeading = 30;
constexpr std::size_t kBusiest = 8;

/// Where things are in a drawing of one network.
struct Grid {
  double left, top, node_width;
  double x(unsigned column) const { return left + column * (node_width + kGapX); }
  double y(unsigned row) const { return top + kHeading + row * (kNodeHeight + kGapY); }
};

double mesh_width(unsigned cols, double node_width) {
  return cols * node_width + (cols - 1) * kGapX;
}
double mesh_height(unsigned rows) {
  return kHeading + rows * kNodeHeight + (rows - 1) * kGapY + 14;
}

/// Wide enough for what a node says; as wide as the page allows.
double node_width(unsigned cols, double page) {
  return std::min(kNodeWidth, (page - (cols - 1) * kGapX) / cols);
}

std::string node_name(golden::Node node) {
  if (node.x > 0) return fmt::format("tile ({}, {})", node.x, node.y);
  return node.y == 0 ? "io (0, 0)" : fmt::format("memory {}", node.y - 1);
}

std::string percent(double fraction) {
  if (fraction == 0) return "0";
  if (fraction < 0.0005) return "<0.1 %";
  return fraction < 0.0995 ? fmt::format("{:.1f} %", 100 * fraction)
                           : fmt::format("{:.0f} %", 100 * fraction);
}

/// Thickness by load; dotted when nothing passed.
std::string arrow_style(double load) {
  if (load == 0) {
    return "stroke=\"#777\" stroke-width=\"1\" stroke-dasharray=\"2 3\" "
           "marker-end=\"url(#arrow)\"";
  }
  return fmt::format("stroke=\"#222\" stroke-width=\"{:.1f}\" marker-end=\"url(#arrow)\"",
                     1 + 6 * std::sqrt(std::min(1.0, load)));
}

void draw_node(Svg& svg, const Grid& grid, golden::Node node) {
  svg.rect(grid.x(node.x), grid.y(node.y), grid.node_width, kNodeHeight,
           fmt::format("fill=\"{}\" stroke=\"#222\" stroke-width=\"1.4\" rx=\"4\"",
                       node.x == 0 ? "#eee" : "#fff"));
  svg.text(grid.x(node.x) + grid.node_width / 2, grid.y(node.y) + 22, node_name(node), "middle",
           "class=\"strong\"");
}

void draw_local(Svg& svg, const Grid& grid, const LinkCounters& link, double load) {
  svg.text(grid.x(link.from.x) + grid.node_width / 2, grid.y(link.from.y) + 44,
           "to node " + percent(load), "middle", "class=\"small\"");
}

/// The two directions of an edge lie beside each other: east above west, south right of north.
void draw_link(Svg& svg, const Grid& grid, const LinkCounters& link, uint64_t cycles) {
  const double load = utilization(link, cycles);
  if (link.port == Port::Local) return draw_local(svg, grid, link, load);
  const double x = grid.x(link.from.x), y = grid.y(link.from.y);
  const double middle_x = x + grid.node_width / 2, middle_y = y + kNodeHeight / 2;
  const std::string hint = fmt::format(
      "{}: {} flits, {} of the cycles; stalled {}", name_of(link), with_commas(link.flits),
      percent(load),
      percent(cycles == 0 ? 0 : static_cast<double>(link.stalls) / static_cast<double>(cycles)));
  const std::string style = arrow_style(load), label = percent(load);
  switch (link.port) {
    case Port::East:
      svg.line(x + grid.node_width + 3, middle_y - 11, x + grid.node_width + kGapX - 3,
               middle_y - 11, style, hint);
      svg.text(x + grid.node_width + kGapX / 2, middle_y - 18, label, "middle", "class=\"small\"");
      break;
    case Port::West:
      svg.line(x - 3, middle_y + 11, x - kGapX + 3, middle_y + 11, style, hint);
      svg.text(x - kGapX / 2, middle_y + 27, label, "middle", "class=\"small\"");
      break;
    case Port::South:
      svg.line(middle_x + 11, y + kNodeHeight + 3, middle_x + 11, y + kNodeHeight + kGapY - 3,
               style, hint);
      svg.text(middle_x + 19, y + kNodeHeight + kGapY / 2 + 4, label, "start", "class=\"small\"");
      break;
    default:
      svg.line(middle_x - 11, y - 3, middle_x - 11, y - kGapY + 3, style, hint);
      svg.text(middle_x - 19, y - kGapY / 2 + 4, label, "end", "class=\"small\"");
  }
}

void draw_network(Svg& svg, const Grid& grid, const RunReport& r, Network network) {
  svg.text(grid.left, grid.top + 14,
           network == Network::Request ? "requests: addresses, and data that is written"
                                       : "responses: data that is read, and acknowledgements",
           "start", "class=\"strong\"");
  for (unsigned y = 0; y < r.rows; ++y) {
    for (unsigned x = 0; x < r.cols; ++x) draw_node(svg, grid, {x, y});
  }
  for (const LinkCounters& link : r.counters->links) {
    if (link.network == network) draw_link(svg, grid, link, r.counters->cycle);
  }
}

}  // namespace

std::string mesh_chart(const RunReport& r) {
  if (!r.counters || r.counters->links.empty() || r.cols == 0) return "";
  const bool side_by_side = mesh_width(r.cols, kNodeWidth) <= kWidth / 2 - 2 * kMargin;
  const double width = node_width(r.cols, (side_by_side ? kWidth / 2 : kWidth) - 2 * kMargin);
  const double height = mesh_height(r.rows);
  Svg svg(kWidth, side_by_side ? height : 2 * height + 20, "Load of the mesh's links",
          "The mesh as a grid of nodes, once for the request network and once for the response "
          "network; each link is an arrow with its load in per cent of the cycles.");
  draw_network(svg, {kMargin, 4, width}, r, Network::Request);
  draw_network(svg,
               {kMargin + (side_by_side ? kWidth / 2 : 0), side_by_side ? 4 : height + 24, width},
               r, Network::Response);
  return svg.str();
}

std::string link_rows(const RunReport& r) {
  if (!r.counters || r.counters->links.empty()) return "";
  std::vector<LinkCounters> links = r.counters->links;
  std::stable_sort(links.begin(), links.end(),
                   [](const auto& a, const auto& b) { return a.flits > b.flits; });
  links.resize(std::min(links.size(), kBusiest));
  const auto cycles = static_cast<double>(std::max<uint64_t>(1, r.counters->cycle));
  std::string text =
      "<table><thead><tr><th>busiest links</th><th class=\"n\">flits</th><th class=\"n\">load</th>"
      "<th class=\"n\">stalled</th></tr></thead>\n<tbody>\n";
  for (const LinkCounters& link : links) {
    text += fmt::format(
        "<tr><td>{} network, from {} {}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>"
        "<td class=\"n\">{}</td></tr>\n",
        name_of(link.network), node_name(link.from),
        link.port == Port::Local ? "router to its node" : name_of(link.port),
        with_commas(link.flits), percent(utilization(link, r.counters->cycle)),
        percent(link.stalls / cycles));
  }
  return text + "</tbody></table>\n";
}

}  // namespace systole::report
