// Operators that select elements, one axis at a time: the element at output index i of an axis is
// the input's element at map[i]. Slice, Split, Pad, Gather, Tile and Resize of nearest neighbours
// are such maps. Indices are resolved here: negative ones, ends out of range, modes.
//
// `where` names the node in messages.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "host/import/tensor.hpp"

namespace systole::graph {

// Indices into an axis of the input; kFillIndex where there is no element but a fill value.
using IndexMap = std::vector<int64_t>;
constexpr int64_t kFillIndex = -1;

// An axis of a selection is no longer: its map is kept for each of its elements.
constexpr int64_t kMaxSelected = int64_t{1} << 24;

IndexMap identity_map(int64_t size);
bool is_identity(const IndexMap& map, int64_t size);
bool has_fill(const std::vector<IndexMap>& maps);
// The input's shape after one map an axis.
Shape selected_shape(const std::vector<IndexMap>& maps);
// The elements themselves, for constants and for the graph reference; `fill` is a scalar.
Tensor select(const Tensor& tensor, const std::vector<IndexMap>& maps, const Tensor& fill);
// The tensors one behind the other along `axis`.
Tensor concat(const std::vector<const Tensor*>& tensors, int64_t axis);

// start, end and step as Slice has them: negative ones count from the end, others are clamped.
IndexMap slice_map(int64_t size, int64_t start, int64_t end, int64_t step,
                   const std::string& where);

// Pad's modes: constant, edge, reflect, wrap. A negative pad cuts off.
IndexMap pad_map(int64_t size, int64_t begin, int64_t end, const std::string& mode,
                 const std::string& where);

// Gather: indices from -size to size - 1.
IndexMap gather_map(int64_t size, const Tensor& indices, const std::string& where);

// One axis of Resize. As ONNX Runtime does, coordinates are computed in binary32, and an axis of
// scale 1 stays as it is, in every mode. Beside ONNX's roundings there is "simple", from before
// they had names: up where it becomes smaller, else toward zero.
struct ResizeAxis {
  int64_t input = 1;
  int64_t output = 1;
  float scale = 1.0f;
  std::array<float, 2> roi{0.0f, 1.0f};  // tf_crop_and_resize
};
IndexMap resize_map(const ResizeAxis& axis, const std::string& coordinates,
                    const std::string& nearest, const std::string& where);

}  // namespace systole::graph
