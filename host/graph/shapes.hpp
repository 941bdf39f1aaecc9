// Shape inference: what ONNX says an operator's output looks like, and constants moved likewise.
//
// `where` names the node in messages.
#pragma once

#include <string>
#include <vector>

#include "host/graph/graph.hpp"

namespace systole::graph {

// What a node says about its window, before it is applied to an input. `dimensions` is 1 or 2; a
// 1-D window is along the width.
struct WindowAttributes {
  std::vector<int64_t> kernel, strides, dilations, pads;  // empty: ONNX's defaults
  std::string auto_pad = "NOTSET";
  bool ceil_mode = false;
  // SAME with a stride longer than the kernel: pools pad by a negative number, that is they skip
  // (ONNX's formula, and the judge's); convolutions don't.
  bool is_pool = false;
};

// The window over an input of height and width, and the output's height and width.
struct PlacedWindow {
  Window window;
  int64_t height = 0;
  int64_t width = 0;
};
PlacedWindow place_window(const WindowAttributes& attributes, int64_t height, int64_t width,
                          const std::string& where);

// numpy's broadcasting of two shapes.
Shape broadcast(const Shape& a, const Shape& b, const std::string& where);

// Reshape: 0 copies a dimension (unless allow_zero), one -1 is inferred.
Shape reshape_target(const Shape& input, const std::vector<int64_t>& request, bool allow_zero,
                     const std::string& where);
Shape flatten_target(const Shape& input, int64_t axis, const std::string& where);
// No axes: every dimension of 1.
Shape squeeze_target(const Shape& input, const std::vector<int64_t>& axes,
                     const std::string& where);
Shape unsqueeze_target(const Shape& input, const std::vector<int64_t>& axes,
                       const std::string& where);

// Concat: equal but for `axis`, along which sizes add up.
Shape concat_target(const std::vector<Shape>& inputs, int64_t axis, const std::string& where);

// A permutation of `rank` axes; empty: reversed. Throws Error unless it is one.
std::vector<int64_t> permutation(const std::vector<int64_t>& perm, size_t rank,
                                 const std::string& where);
Shape transpose_target(const Shape& input, const std::vector<int64_t>& perm);

// An axis of `rank` axes counted from the end where negative. Throws Error outside the range.
int64_t resolve_axis(int64_t axis, int64_t rank, const std::string& where);

// The tensor with its axes permuted.
Tensor transpose(const Tensor& tensor, const std::vector<int64_t>& perm);

// C-order strides; 0 along dimensions of 1 that `target`, of the same or higher rank, broadcasts.
std::vector<int64_t> broadcast_strides(const Shape& shape, const Shape& target);

}  // namespace systole::graph
