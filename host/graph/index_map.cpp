#include "host/graph/index_map.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/command/error.hpp"
#include "host/graph/shapes.hpp"

namespace systole::graph {

IndexMap identity_map(int64_t size) {
  IndexMap map(static_cast<size_t>(size));
  std::iota(map.begin(), map.end(), int64_t{0});
  return map;
}

bool is_identity(const IndexMap& map, int64_t size) { return map == identity_map(size); }

bool has_fill(const std::vector<IndexMap>& maps) {
  return std::any_of(maps.begin(), maps.end(), [](const IndexMap& map) {
    return std::count(map.begin(), map.end(), kFillIndex) > 0;
  });
}

Shape selected_shape(const std::vector<IndexMap>& maps) {
  Shape shape;
  for (const IndexMap& map : maps) shape.push_back(static_cast<int64_t>(map.size()));
  return shape;
}

Tensor select(const Tensor& tensor, const std::vector<IndexMap>& maps, const Tensor& fill) {
  Tensor result(tensor.type(), selected_shape(maps));
  const std::vector<int64_t> strides = broadcast_strides(tensor.shape(), tensor.shape());
  const size_t bytes = element_size(tensor.type());
  for (int64_t i = 0; i < result.size(); ++i) {
    int64_t source = 0;
    int64_t rest = i;
    bool filled = false;
    for (size_t d = maps.size(); d-- > 0;) {
      const auto extent = static_cast<int64_t>(maps[d].size());
      const int64_t index = maps[d][static_cast<size_t>(rest % extent)];
      filled |= index == kFillIndex;
      source += index * strides[d];
      rest /= extent;
    }
    const uint8_t* from =
        filled ? fill.bytes().data() : tensor.bytes().data() + static_cast<size_t>(source) * bytes;
    std::memcpy(result.bytes().data() + static_cast<size_t>(i) * bytes, from, bytes);
  }
  return result;
}

Tensor concat(const std::vector<const Tensor*>& tensors, int64_t axis) {
  Shape shape = tensors.front()->shape();
  const auto along = static_cast<size_t>(axis);
  shape[along] = 0;
  for (const Tensor* tensor : tensors) shape[along] += tensor->shape()[along];
  Tensor result(tensors.front()->type(), shape);
  const int64_t outer = std::accumulate(shape.begin(), shape.begin() + axis, int64_t{1},
                                        [](int64_t a, int64_t b) { return a * b; });
  if (result.size() == 0) return result;
  uint8_t* to = result.bytes().data();
  for (int64_t i = 0; i < outer; ++i) {
    for (const Tensor* tensor : tensors) {
      const size_t run = tensor->bytes().size() / static_cast<size_t>(outer);
      to = std::copy_n(tensor->bytes().data() + static_cast<size_t>(i) * run, run, to);
    }
  }
  return result;
}

IndexMap slice_map(int64_t size, int64_t start, int64_t end, int64_t step,
                   const std::string& where) {
  if (step == 0) throw Error("slice has step 0", where, "any other");
  const auto resolved = [&](int64_t index, int64_t low, int64_t high) {
    return std::clamp(index < 0 ? index + size : index, low, high);
  };
  IndexMap map;
  if (step > 0) {
    const int64_t last = resolved(end, 0, size);
    int64_t i = resolved(start, 0, size);
    for (; i < last; i = step < size ? i + step : size) map.push_back(i);
  } else {
    const int64_t last = resolved(end, -1, size - 1);
    int64_t i = resolved(start, std::min<int64_t>(size - 1, 0), size - 1);
    for (; i > last; i = step > -size ? i + step : -1) map.push_back(i);
  }
  return map;
}

IndexMap pad_map(int64_t size, int64_t begin, int64_t end, const std::string& mode,
                 const std::string& where) {
  // What negative pads leave.
  const int64_t first = std::max<int64_t>(-begin, 0);
  const int64_t count = size + std::min<int64_t>(begin, 0) + std::min<int64_t>(end, 0);
  const int64_t before = std::max<int64_t>(begin, 0), behind = std::max<int64_t>(end, 0);
  const bool reads = mode == "edge" || mode == "reflect" || mode == "wrap";
  if (!reads && mode != "constant") {
    throw Error("attribute 'mode' is unknown", where, "constant, edge, reflect or wrap", mode);
  }
  if (count < 0 || (reads && count == 0 && before + behind > 0)) {
    throw Error("negative pads leave nothing", where, fmt::format("at most {}", size),
                fmt::format("{} and {}", begin, end));
  }
  IndexMap map;
  element_count({count + before, behind}, where);
  for (int64_t i = -before; i < count + behind; ++i) {
    int64_t at = i;
    if (i < 0 || i >= count) {
      if (mode == "constant") {
        map.push_back(kFillIndex);
        continue;
      }
      if (mode == "edge") {
        at = std::clamp<int64_t>(i, 0, count - 1);
      } else if (mode == "wrap") {
        at = ((i % count) + count) % count;
      } else {
        const int64_t period = std::max<int64_t>(2 * (count - 1), 1);
        at = ((i % period) + period) % period;
        at = std::min(at, period - at);
        at = count == 1 ? 0 : at;
      }
    }
    map.push_back(first + at);
  }
  return map;
}

IndexMap gather_map(int64_t size, const Tensor& indices, const std::string& where) {
  IndexMap map;
  for (int64_t i = 0; i < indices.size(); ++i) {
    const int64_t index = indices.integer(i);
    if (index < -size || index >= size) {
      throw Error("index is out of range", where, fmt::format("{} to {}", -size, size - 1),
                  fmt::format("{}", index));
    }
    map.push_back(index < 0 ? index + size : index);
  }
  return map;
}

namespace {

// Where output element x lies in the input.
float original(const ResizeAxis& axis, float x, const std::string& mode, const std::string& where) {
  const auto input = static_cast<float>(axis.input);
  const auto output = static_cast<float>(axis.output);
  if (mode == "half_pixel") return (x + 0.5f) / axis.scale - 0.5f;
  if (mode == "asymmetric") return x / axis.scale;
  if (mode == "pytorch_half_pixel") {
    return axis.output > 1 ? (x + 0.5f) / axis.scale - 0.5f : 0.0f;
  }
  if (mode == "tf_half_pixel_for_nn") return (x + 0.5f) / axis.scale;
  if (mode == "align_corners") return axis.output == 1 ? 0.0f : x * (input - 1) / (output - 1);
  if (mode == "half_pixel_symmetric") {
    const float adjustment = output / (axis.scale * input);
    const float offset = input / 2 * (1.0f - adjustment);
    return offset + (x + 0.5f) / axis.scale - 0.5f;
  }
  if (mode == "tf_crop_and_resize") {
    const auto [start, end] = axis.roi;
    return axis.output > 1 ? start * (input - 1) + x * (end - start) * (input - 1) / (output - 1)
                           : 0.5f * (start + end) * (input - 1);
  }
  throw Error("attribute 'coordinate_transformation_mode' is unknown", where,
              "half_pixel, half_pixel_symmetric, pytorch_half_pixel, align_corners, asymmetric, "
              "tf_half_pixel_for_nn or tf_crop_and_resize",
              mode);
}

float nearest_of(float x, float scale, const std::string& mode, const std::string& where) {
  if (mode == "simple") return scale < 1.0f ? std::ceil(x) : std::trunc(x);
  if (mode == "floor") return std::floor(x);
  if (mode == "ceil") return std::ceil(x);
  if (mode == "round_prefer_ceil") return std::round(x);
  if (mode == "round_prefer_floor") {
    return x - std::floor(x) == 0.5f ? std::floor(x) : std::round(x);
  }
  throw Error("attribute 'nearest_mode' is unknown", where,
              "round_prefer_floor, round_prefer_ceil, floor or ceil", mode);
}

}  // namespace

IndexMap resize_map(const ResizeAxis& axis, const std::string& coordinates,
                    const std::string& nearest, const std::string& where) {
  const bool crops = coordinates == "tf_crop_and_resize";
  if (axis.scale == 1.0f) return identity_map(axis.input);
  IndexMap map;
  const auto last = static_cast<float>(axis.input - 1);
  for (int64_t i = 0; i < axis.output; ++i) {
    const float x = original(axis, static_cast<float>(i), coordinates, where);
    const bool outside = crops && (x < 0.0f || x > last);
    if (std::isnan(x)) throw Error("attribute or input 'roi' is NaN", where, "a number");
    const float at = std::clamp(nearest_of(x, axis.scale, nearest, where), 0.0f, last);
    map.push_back(outside ? kFillIndex : static_cast<int64_t>(at));
  }
  return map;
}

}  // namespace systole::graph
