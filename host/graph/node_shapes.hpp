// What several handlers ask of a node's attributes and shapes.
#pragma once

#include <fmt/format.h>

#include <string>

#include "host/command/error.hpp"
#include "host/graph/attributes.hpp"
#include "host/graph/shapes.hpp"

namespace systole::graph {

inline WindowAttributes window_attributes(const onnx::Node& node) {
  WindowAttributes attributes;
  attributes.kernel = integers(node, "kernel_shape");
  attributes.strides = integers(node, "strides");
  attributes.dilations = integers(node, "dilations");
  attributes.pads = integers(node, "pads");
  attributes.auto_pad = attribute<std::string>(node, "auto_pad", "NOTSET");
  attributes.ceil_mode = integer(node, "ceil_mode", 0) != 0;
  attributes.is_pool = node.op_type.find("Pool") != std::string::npos;
  return attributes;
}

inline void require_rank(const Shape& shape, size_t low, size_t high, const std::string& where) {
  if (shape.size() < low || shape.size() > high) {
    throw Error("input has the wrong rank", where, fmt::format("{} to {}", low, high),
                to_string(shape));
  }
}

// [N, C, W] as [N, C, 1, W]; four dimensions stay.
inline Shape as_image(const Shape& shape) {
  return shape.size() == 3 ? Shape{shape[0], shape[1], 1, shape[2]} : shape;
}

inline int64_t product(const Shape& shape, size_t begin, size_t end) {
  int64_t result = 1;
  for (size_t i = begin; i < end; ++i) result *= shape[i];
  return result;
}

}  // namespace systole::graph
