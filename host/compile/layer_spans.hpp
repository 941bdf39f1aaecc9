// The cycles of layers, measured or predicted: one definition for both.
//
// A layer's cycles of one input run from the begin of its first command to the retirement of its
// last one, over all tiles; layers may overlap. Inputs are `spacing` apart: from the last
// retirement of one to that of the next.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace systole::compile {

class LayerSpans {
 public:
  explicit LayerSpans(std::size_t layers) : spans_(layers) {}

  /// A command of the layer began or retired.
  void add(std::size_t layer, std::size_t input, uint64_t cycle, bool retired) {
    std::vector<Span>& spans = spans_[layer];
    if (spans.size() <= input) spans.resize(input + 1);
    if (ends_.size() <= input) ends_.resize(input + 1);
    Span& span = spans[input];
    if (retired) {
      span.end = std::max(span.end, cycle);
      ends_[input] = std::max(ends_[input], cycle);
    } else {
      span.begin = std::min(span.begin, cycle);
    }
  }

  std::size_t inputs() const { return ends_.size(); }
  /// Of one input; 0 when the layer ran no command.
  uint64_t cycles(std::size_t layer, std::size_t input) const {
    if (input >= spans_[layer].size()) return 0;
    const Span& span = spans_[layer][input];
    return span.end < span.begin ? 0 : span.end - span.begin;
  }
  /// When the last command of an input retired.
  uint64_t end(std::size_t input) const { return ends_[input]; }
  /// From the end of the input before to that of this one.
  uint64_t spacing(std::size_t input) const { return ends_[input] - ends_[input - 1]; }

  /// Mean over a set of inputs (those for which `of(input)` holds); 0 for none.
  template <typename Of>
  double mean_cycles(std::size_t layer, Of of) const {
    return mean(of, [&](std::size_t input) { return cycles(layer, input); });
  }
  /// The same of the spacing; input 0 has none.
  template <typename Of>
  double mean_spacing(Of of) const {
    return mean([&](std::size_t input) { return input > 0 && of(input); },
                [&](std::size_t input) { return spacing(input); });
  }

 private:
  struct Span {
    uint64_t begin = ~uint64_t{0};
    uint64_t end = 0;
  };

  template <typename Of, typename Value>
  double mean(Of of, Value value) const {
    double sum = 0;
    std::size_t count = 0;
    for (std::size_t input = 0; input < inputs(); ++input) {
      if (!of(input)) continue;
      sum += static_cast<double>(value(input));
      ++count;
    }
    return count == 0 ? 0 : sum / static_cast<double>(count);
  }

  std::vector<std::vector<Span>> spans_;  // by layer, by input
  std::vector<uint64_t> ends_;            // by input, over all layers
};

}  // namespace systole::compile
