// How the elements of a logical (ONNX) tensor lie in a dense buffer.
//
// Every logical dimension is a product of axes, major first; an axis has an extent and a stride in
// elements. Transpose permutes dimensions, Reshape regroups axes: neither moves data. Two views of
// one shape are compared, or walked together, through their common axes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "host/import/tensor.hpp"

namespace systole::compile {

struct Axis {
  int64_t extent = 1;
  int64_t stride = 0;
  bool operator==(const Axis& o) const { return extent == o.extent && stride == o.stride; }
};

/// Channels of a pixel that lie together in View::pixel_pairs().
constexpr int64_t kPairChannels = 8;

class View {
 public:
  /// C order.
  static View row_major(const Shape& shape);
  /// [N, C, H, W] with C innermost in memory; row major for other ranks.
  static View channels_last(const Shape& shape);
  /// [N, C, H, W], C a multiple of 8 and W even: 8 channels of two neighbouring pixels lie
  /// together, then the next 8 channels of both.
  static View pixel_pairs(const Shape& shape);
  /// `shape` broadcast (numpy) to `to`: repeated dimensions have stride 0.
  View broadcast(const Shape& from, const Shape& to) const;

  /// The same elements in the same memory under another shape of the same size; none when the axes
  /// can't be regrouped.
  std::optional<View> reshaped(const Shape& shape) const;
  View transposed(const std::vector<int64_t>& perm) const;

  /// Of each logical dimension: axes, major first, none of extent 1, none that could be merged.
  const std::vector<std::vector<Axis>>& dims() const { return dims_; }

  /// Offset in the buffer of each element of dimension `dim`, the other indices being 0.
  std::vector<int64_t> offsets(std::size_t dim) const;

  bool operator==(const View& o) const { return dims_ == o.dims_; }
  bool operator!=(const View& o) const { return !(*this == o); }

 private:
  void normalize();
  std::vector<std::vector<Axis>> dims_;
};

/// One axis that several views have in common.
struct CommonAxis {
  int64_t extent = 1;
  std::vector<int64_t> strides;  // one per view
};

/// Walks views of one shape together: axes in C order, merged as far as all views allow. None when
/// two views divide a dimension in ways that have no common refinement.
std::optional<std::vector<CommonAxis>> common_axes(const std::vector<const View*>& views);

}  // namespace systole::compile
