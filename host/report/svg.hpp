// Inline SVG, put together as text: shapes and words in user units of a view box.
//
// Fills tell states apart by pattern first and by shade second, so that a page printed in black and
// white says the same. The patterns are defined once a page: pattern_definitions().
#pragma once

#include <string>
#include <string_view>

#include "rtl/spec/gen/systole_commands.hpp"

namespace systole::report {

/// Text for HTML and SVG: & < > " escaped.
std::string escape(std::string_view text);

/// "1,234,567".
std::string with_commas(uint64_t value);
/// Three significant digits, no exponent: "0.0123", "46.2", "2050".
std::string short_number(double value);
/// "12 MB", "3.4 KB" (powers of 1000).
std::string bytes_text(double bytes);

class Svg {
 public:
  /// `title` names the drawing and `description` says in words what it shows, for those who do not
  /// see it.
  Svg(double width, double height, std::string_view title, std::string_view description);

  /// `style`: attributes, such as fill="url(#p1)". `hint` is shown under the pointer.
  Svg& rect(double x, double y, double width, double height, std::string_view style,
            std::string_view hint = {});
  Svg& line(double x1, double y1, double x2, double y2, std::string_view style,
            std::string_view hint = {});
  Svg& circle(double x, double y, double radius, std::string_view style,
              std::string_view hint = {});
  Svg& path(std::string_view d, std::string_view style, std::string_view hint = {});
  /// `anchor`: start, middle or end. y is the baseline.
  Svg& text(double x, double y, std::string_view words, std::string_view anchor = "start",
            std::string_view style = {});

  /// A small label in the middle of a filled shape, on a white ground of its own.
  Svg& tag(double x, double y, std::string_view words);

  std::string str() const { return text_ + "</svg>\n"; }

 private:
  Svg& element(std::string body, std::string_view hint);

  std::string text_;
};

/// The fill of a unit's state, of a tile's clock standing still, and of other kinds by number.
std::string state_fill(std::size_t state);
std::string clock_off_fill();
std::string kind_fill(std::size_t kind);
std::string pattern_definitions();

}  // namespace systole::report
