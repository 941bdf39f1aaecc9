#include "host/report/svg.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>

namespace systole::report {
namespace {

/// An 8 x 8 tile: background, foreground, and what is drawn in the foreground.
struct Pattern {
  const char* background;
  const char* foreground;
  const char* path;
  double stroke;  // 0: filled
};

constexpr std::array<Pattern, 12> kPatterns{{
    {"#1d3f66", "#1d3f66", "", 0},                                      // solid dark
    {"#fdeccf", "#b06000", "M-2,2 L2,-2 M0,8 L8,0 M6,10 L10,6", 1.6},   // rising
    {"#f6cfd0", "#a01822", "M0,0 L8,8 M8,0 L0,8", 1.2},                 // crossed
    {"#e6daf2", "#5b2c91", "M2,0 V8 M6,0 V8", 1.4},                     // upright
    {"#cfe8d5", "#145c32", "M1,1 h3 v3 h-3 z M5,5 h3 v3 h-3 z", 0},     // chequered
    {"#d3ebf0", "#0d5a6b", "M0,2 H8 M0,6 H8", 1.4},                     // level
    {"#f7e3ef", "#8c1d62", "M-2,6 L2,10 M0,0 L8,8 M6,-2 L10,2", 1.6},   // falling
    {"#f2f2f2", "#444444", "M3,3 h2 v2 h-2 z", 0},                      // dots, few
    {"#e4e4e4", "#222222", "M0,4 H8 M4,0 V8", 0.8},                     // grid
    {"#ffffff", "#ffffff", "", 0},                                      // white
    {"#9a9a9a", "#9a9a9a", "", 0},                                      // solid grey
    {"#eef3c9", "#5d6b00", "M0,0 L4,4 L8,0 M0,6 L2,8 M8,6 L6,8", 1.2},  // waves
}};
constexpr std::size_t kWhite = 9, kGrey = 10;

std::string attribute(std::string_view style) {
  return style.empty() ? "" : " " + std::string(style);
}

bool is_rest(const char* name) {
  return std::strcmp(name, "Idle") == 0 || std::strcmp(name, "NoWork") == 0;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string with_commas(uint64_t value) {
  std::string digits = std::to_string(value);
  for (auto at = static_cast<int>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

std::string short_number(double value) {
  if (value == 0) return "0";
  const int decimals = 2 - static_cast<int>(std::floor(std::log10(std::abs(value))));
  if (decimals <= 0) return fmt::format("{:.0f}", value);
  std::string text = fmt::format("{:.{}f}", value, std::min(decimals, 9));
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string bytes_text(double bytes) {
  for (const char* unit : {"B", "KB", "MB", "GB"}) {
    if (bytes < 1000 || *unit == 'G') return short_number(bytes) + " " + unit;
    bytes /= 1000;
  }
  return "";
}

Svg::Svg(double width, double height, std::string_view title, std::string_view description)
    : text_(
          fmt::format("<svg viewBox=\"0 0 {:.0f} {:.0f}\" role=\"img\" "
                      "xmlns=\"http://www.w3.org/2000/svg\">\n<title>{}</title>\n<desc>{}</desc>\n",
                      width, height, escape(title), escape(description))) {}

Svg& Svg::element(std::string body, std::string_view hint) {
  text_ += body;
  const std::string name = body.substr(1, body.find(' ') - 1);
  text_ += hint.empty() ? "/>\n" : fmt::format("><title>{}</title></{}>\n", escape(hint), name);
  return *this;
}

Svg& Svg::rect(double x, double y, double width, double height, std::string_view style,
               std::string_view hint) {
  return element(fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.2f}\" height=\"{:.1f}\"{}",
                             x, y, width, height, attribute(style)),
                 hint);
}

Svg& Svg::line(double x1, double y1, double x2, double y2, std::string_view style,
               std::string_view hint) {
  return element(fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"{}", x1,
                             y1, x2, y2, attribute(style)),
                 hint);
}

Svg& Svg::circle(double x, double y, double radius, std::string_view style, std::string_view hint) {
  return element(fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\"{}", x, y, radius,
                             attribute(style)),
                 hint);
}

Svg& Svg::path(std::string_view d, std::string_view style, std::string_view hint) {
  return element(fmt::format("<path d=\"{}\"{}", d, attribute(style)), hint);
}

Svg& Svg::text(double x, double y, std::string_view words, std::string_view anchor,
               std::string_view style) {
  text_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y,
                       anchor, attribute(style), escape(words));
  return *this;
}

Svg& Svg::tag(double x, double y, std::string_view words) {
  const double width = 6.2 * static_cast<double>(words.size()) + 5;
  rect(x - width / 2, y - 9.5, width, 12, "fill=\"#fff\" rx=\"2\"");
  return text(x, y, words, "middle", "class=\"small\"");
}

std::string kind_fill(std::size_t kind) {
  return fmt::format("fill=\"url(#p{})\"", kind % kPatterns.size());
}

std::string clock_off_fill() { return kind_fill(kGrey); }

std::string state_fill(std::size_t state) {
  const char* name = spec::to_string(static_cast<spec::UnitState>(state));
  if (is_rest(name)) return kind_fill(kWhite);
  // White and grey are taken.
  return kind_fill(state < kWhite ? state : kPatterns.size() - 1);
}

std::string pattern_definitions() {
  std::string text =
      "<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\"><defs>\n";
  for (std::size_t i = 0; i < kPatterns.size(); ++i) {
    const Pattern& p = kPatterns[i];
    text += fmt::format(
        "<pattern id=\"p{}\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\">"
        "<rect width=\"8\" height=\"8\" fill=\"{}\"/>",
        i, p.background);
    if (*p.path != '\0') {
      text += p.stroke > 0
                  ? fmt::format("<path d=\"{}\" stroke=\"{}\" stroke-width=\"{}\" fill=\"none\"/>",
                                p.path, p.foreground, p.stroke)
                  : fmt::format("<path d=\"{}\" fill=\"{}\"/>", p.path, p.foreground);
    }
    text += "</pattern>\n";
  }
  return text +
         "<marker id=\"arrow\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" "
         "markerHeight=\"8\" markerUnits=\"userSpaceOnUse\" orient=\"auto\">"
         "<path d=\"M0,0 L8,4 L0,8 z\" fill=\"#222\"/></marker>\n</defs></svg>\n";
}

}  // namespace systole::report
