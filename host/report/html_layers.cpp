// The table of layers: measured against predicted cycles, and what bounds each.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "host/report/html.hpp"
#include "host/report/svg.hpp"

namespace systole::report {
namespace {

/// Two bars, one above the other: measured and predicted.
std::string comparison(const LayerReport& layer, double largest) {
  constexpr double kWidth = 110;
  const double predicted = layer.predicted_cycles;
  Svg svg(kWidth, 22, "measured and predicted cycles",
          fmt::format("{:.0f} measured, {:.0f} predicted", layer.cycles, layer.predicted_cycles));
  svg.rect(0, 2, kWidth * layer.cycles / largest, 8, kind_fill(0));
  svg.rect(0.5, 12, std::max(0.0, kWidth * predicted / largest - 1), 8,
           kind_fill(1) + " stroke=\"#b06000\"");
  return svg.str();
}

std::string cell(const std::string& text, bool number = false) {
  return fmt::format("<td{}>{}</td>", number ? " class=\"n\"" : "", text);
}

std::string error_text(const LayerReport& layer) {
  const auto error = layer.prediction_error();
  return error ? fmt::format("{:+.0f} %", 100 * *error) : "\u2013";
}

std::string moved(uint64_t bytes) {
  return bytes == 0 ? "\u2013" : bytes_text(static_cast<double>(bytes));
}

/// The number stays with its unit.
std::string bound_text(const std::string& text) {
  if (text.empty()) return "\u2013";
  std::string escaped = escape(text);
  for (auto at = escaped.find(" %"); at != std::string::npos; at = escaped.find(" %", at)) {
    escaped.replace(at, 1, "&nbsp;");
  }
  return escaped;
}

std::string layer_row(const RunReport& r, const LayerReport& layer, double largest) {
  const double peak = layer.cycles * r.peak_mac_per_cycle();
  std::string text = "<tr>";
  text += cell(escape(short_name(layer.name))) + cell(escape(layer.op));
  text += cell(with_commas(static_cast<uint64_t>(std::lround(layer.cycles))), true);
  text += cell(with_commas(static_cast<uint64_t>(std::lround(layer.predicted_cycles))), true) +
          cell(error_text(layer), true);
  text += cell(comparison(layer, largest));
  text += cell(with_commas(layer.mac), true);
  text += cell(fmt::format("{:.1f}", peak == 0 ? 0 : 100 * static_cast<double>(layer.mac) / peak),
               true);
  text += cell(moved(layer.traffic.dram), true) + cell(moved(layer.traffic.host), true);
  text += cell(bound_text(layer.bound_by));
  return text + "</tr>\n";
}

}  // namespace

std::string layer_rows(const RunReport& r) {
  double largest = 1;
  for (const LayerReport& layer : r.layers) {
    largest = std::max({largest, layer.cycles, layer.predicted_cycles});
  }
  std::string text =
      "<table><thead><tr><th>layer</th><th>operator</th><th class=\"n\">cycles</th>"
      "<th class=\"n\">predicted</th><th class=\"n\">off by</th>"
      "<th>measured, predicted</th><th class=\"n\">MAC</th>"
      "<th class=\"n\">util. %</th><th class=\"n\">DRAM</th><th class=\"n\">host "
      "mem.</th><th class=\"wide\">bound by</th></tr></thead>\n"
      "<tbody>\n";
  for (const LayerReport& layer : r.layers) text += layer_row(r, layer, largest);
  return text + "</tbody></table>\n";
}

}  // namespace systole::report
