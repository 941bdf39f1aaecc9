// Pools over one, two and three dimensions. A volume is pooled as images first, then along its
// depth: the maximum of maxima, the mean of means.
#include <fmt/format.h>

#include "host/command/error.hpp"
#include "host/graph/builder.hpp"
#include "host/graph/node_shapes.hpp"

namespace systole::graph {
namespace {

// The window of a node whose input is `given`, dimensions checked.
WindowAttributes pool_attributes(const onnx::Node& node, const Shape& given,
                                 const std::string& where) {
  WindowAttributes attributes = window_attributes(node);
  const size_t dimensions = given.size() - 2;
  if (attributes.kernel.size() != dimensions) {
    throw Error("attribute 'kernel_shape' has the wrong length", where,
                fmt::format("{}", dimensions), fmt::format("{}", attributes.kernel.size()));
  }
  return attributes;
}

// Dimensions [begin, end) of a window of three.
std::vector<int64_t> slice(const std::vector<int64_t>& values, size_t begin, size_t end) {
  if (values.size() < 3) return {};
  return {values.begin() + static_cast<std::ptrdiff_t>(begin),
          values.begin() + static_cast<std::ptrdiff_t>(end)};
}

// A volume [N, C, D, H, W]: the shapes and windows of its two pools.
struct VolumePool {
  Shape images, pooled_images;  // [N, C * D, H, W]
  Shape depth, pooled_depth;    // [N, C, D, H * W] of the pooled images
  Shape result;
  PlacedWindow image_window, depth_window;
};

VolumePool place_volume(const WindowAttributes& attributes, const Shape& x,
                        const std::string& where) {
  WindowAttributes image = attributes, depth = attributes;
  const auto& pads = attributes.pads;
  if (!pads.empty() && pads.size() != 6) {
    throw Error("attribute 'pads' has the wrong length", where, "6",
                fmt::format("{}", pads.size()));
  }
  for (auto member :
       {&WindowAttributes::kernel, &WindowAttributes::strides, &WindowAttributes::dilations}) {
    image.*member = slice(attributes.*member, 1, 3);
    depth.*member = slice(attributes.*member, 0, 1);
    if (!(depth.*member).empty()) (depth.*member).push_back(1);
  }
  if (!pads.empty()) {
    image.pads = {pads[1], pads[2], pads[4], pads[5]};
    depth.pads = {pads[0], 0, pads[3], 0};
  }
  VolumePool pool;
  pool.image_window = place_window(image, x[3], x[4], where);
  const int64_t h = pool.image_window.height, w = pool.image_window.width;
  pool.depth_window = place_window(depth, x[2], h * w, where);
  const int64_t d = pool.depth_window.height;
  pool.images = {x[0], x[1] * x[2], x[3], x[4]};
  pool.pooled_images = {x[0], x[1] * x[2], h, w};
  pool.depth = {x[0], x[1], x[2], h * w};
  pool.pooled_depth = {x[0], x[1], d, h * w};
  pool.result = {x[0], x[1], d, h, w};
  element_count(pool.result, where);
  return pool;
}

}  // namespace

// ---- maximum
// -------------------------------------------------------------------------------------

void Builder::pool_maximum(const onnx::Node& node, const std::vector<Step>& steps,
                           const Shape& result) {
  const Symbol& input = symbol(node, 0);
  if (input.index() == 0) {
    throw Error("input is a constant", where(node), "a tensor computed at run time");
  }
  if (const auto* value = std::get_if<ValueId>(&input)) {
    define(node, emit_steps(*value, steps, node.label(), node.outputs[0]));
    return;
  }
  Expression expression = take(node, 0);
  expression.steps.insert(expression.steps.end(), steps.begin(), steps.end());
  expression.shape = result;
  define(node, std::move(expression));
}

void Builder::max_pool(const onnx::Node& node) {
  const Shape given = shape_of(node, 0);
  require_rank(given, 3, 5, where(node));
  if (integer(node, "storage_order", 0) != 0) {
    throw Error("attribute 'storage_order' is not supported", where(node), "0");
  }
  const WindowAttributes attributes = pool_attributes(node, given, where(node));
  std::vector<Step> steps;
  if (given.size() == 5) {
    const VolumePool pool = place_volume(attributes, given, where(node));
    steps = {ReshapeStep{pool.images}, MaxPoolStep{pool.image_window.window, pool.pooled_images},
             ReshapeStep{pool.depth}, MaxPoolStep{pool.depth_window.window, pool.pooled_depth},
             ReshapeStep{pool.result}};
    return pool_maximum(node, steps, pool.result);
  }
  const Shape shape = as_image(given);
  const PlacedWindow placed = place_window(attributes, shape[2], shape[3], where(node));
  const Shape out{shape[0], shape[1], placed.height, placed.width};
  element_count(out, where(node));
  if (given.size() == 3) steps.push_back(ReshapeStep{shape});
  steps.push_back(MaxPoolStep{placed.window, out});
  Shape result = out;
  if (given.size() == 3) {
    result = {out[0], out[1], out[3]};
    steps.push_back(ReshapeStep{result});
  }
  pool_maximum(node, steps, result);
}

void Builder::global_max_pool(const onnx::Node& node) {
  const Shape given = shape_of(node, 0);
  require_rank(given, 3, 8, where(node));
  const Shape shape{given[0], given[1], given[2], product(given, 3, given.size())};
  Shape result(given.size(), 1);
  result[0] = given[0];
  result[1] = given[1];
  Window window;
  window.kernel = {shape[2], shape[3]};
  std::vector<Step> steps;
  if (given != shape) steps.push_back(ReshapeStep{shape});
  steps.push_back(MaxPoolStep{window, {given[0], given[1], 1, 1}});
  if (result.size() != 4) steps.push_back(ReshapeStep{result});
  pool_maximum(node, steps, result);
}

// ---- average
// -------------------------------------------------------------------------------------

Expression Builder::make_image_average_pool(const onnx::Node& node, Operand x,
                                            const PlacedWindow& placed) {
  const Shape& shape = graph_.value(x.value).shape;
  QAveragePool op;
  op.window = placed.window;
  if (integer(node, "count_include_pad", 0) != 0) {
    op.counted = model_.opset < 19 ? Counted::Window : Counted::Padded;
  }
  op.x = x.params;
  const Shape out{shape[0], shape[1], placed.height, placed.width};
  element_count(out, where(node));
  Pending pending = start_pending(node, op, {x.value}, out);
  pending.fusible = x.direct;
  return {std::move(pending), {}, out, false};
}

Expression Builder::make_volume_average_pool(const onnx::Node& node, const Operand& x) {
  const Shape given = graph_.value(x.value).shape;
  const WindowAttributes attributes = pool_attributes(node, given, where(node));
  const VolumePool pool = place_volume(attributes, given, where(node));
  const std::string name = node.outputs[0];
  Operand images = x;
  images.value = reshape_value(x.value, pool.images, node.label(), name + "#images");
  Expression first = make_image_average_pool(node, images, pool.image_window);
  std::get<Pending>(first.source).tensor = name + "#means";
  Operand means{real_value(first, name + "#means", where(node)), {}, false};
  means.value = reshape_value(means.value, pool.depth, node.label(), name + "#depth");
  Expression result = make_image_average_pool(node, means, pool.depth_window);
  result.shape = pool.result;
  result.steps.push_back(ReshapeStep{pool.result});
  std::get<Pending>(result.source).own_steps = 1;
  return result;
}

Expression Builder::make_average_pool(const onnx::Node& node, Operand x) {
  const Shape given = graph_.value(x.value).shape;
  require_rank(given, 3, 5, where(node));
  if (given.size() == 5) return make_volume_average_pool(node, x);
  const Shape shape = as_image(given);
  const WindowAttributes attributes = pool_attributes(node, given, where(node));
  const PlacedWindow placed = place_window(attributes, shape[2], shape[3], where(node));
  x.value = reshape_value(x.value, shape, node.label(), node.outputs[0] + "#x");
  Expression result = make_image_average_pool(node, x, placed);
  if (given.size() == 3) {
    result.shape = {result.shape[0], result.shape[1], result.shape[3]};
    result.steps.push_back(ReshapeStep{result.shape});
    std::get<Pending>(result.source).own_steps = 1;
  }
  return result;
}

void Builder::average_pool(const onnx::Node& node) {
  define(node, make_average_pool(node, real_operand(node, 0)));
}

Expression Builder::make_global_average_pool(const onnx::Node& node, Operand x) {
  const Shape given = graph_.value(x.value).shape;
  require_rank(given, 3, 8, where(node));
  const Shape shape{given[0], given[1], given[2], product(given, 3, given.size())};
  Shape result(given.size(), 1);
  result[0] = given[0];
  result[1] = given[1];
  x.value = reshape_value(x.value, shape, node.label(), node.outputs[0] + "#x");
  QGlobalAveragePool op;
  op.x = x.params;
  const Shape out{given[0], given[1], 1, 1};
  Pending pending = start_pending(node, op, {x.value}, out);
  pending.fusible = x.direct;
  Expression expression{std::move(pending), {}, result, false};
  if (result != out) {
    expression.steps.push_back(ReshapeStep{result});
    std::get<Pending>(expression.source).own_steps = 1;
  }
  return expression;
}

void Builder::global_average_pool(const onnx::Node& node) {
  define(node, make_global_average_pool(node, real_operand(node, 0)));
}

void Builder::qlinear_average_pool(const onnx::Node& node) {
  if (integer(node, "channels_last", 0) != 0) {
    throw Error("attribute 'channels_last' is not supported", where(node), "0");
  }
  const Dequantized y = parameters(node, 3, {}, 0, std::nullopt);
  finish_qlinear(node, make_average_pool(node, qlinear_operand(node, 0)), y);
}

void Builder::qlinear_global_average_pool(const onnx::Node& node) {
  if (integer(node, "channels_last", 0) != 0) {
    throw Error("attribute 'channels_last' is not supported", where(node), "0");
  }
  const Dequantized y = parameters(node, 3, {}, 0, std::nullopt);
  finish_qlinear(node, make_global_average_pool(node, qlinear_operand(node, 0)), y);
}

}  // namespace systole::graph
