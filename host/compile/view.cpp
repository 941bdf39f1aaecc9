#include "host/compile/view.hpp"

#include <algorithm>

namespace systole::compile {
namespace {

std::vector<Axis> merged(const std::vector<Axis>& axes) {
  std::vector<Axis> out;
  for (const Axis& axis : axes) {
    if (axis.extent == 1) continue;
    if (!out.empty() && out.back().stride == axis.extent * axis.stride) {
      out.back() = {out.back().extent * axis.extent, axis.stride};
    } else {
      out.push_back(axis);
    }
  }
  return out;
}

}  // namespace

void View::normalize() {
  for (auto& axes : dims_) axes = merged(axes);
}

View View::row_major(const Shape& shape) {
  View view;
  view.dims_.resize(shape.size());
  int64_t stride = 1;
  for (std::size_t i = shape.size(); i-- > 0;) {
    view.dims_[i] = {{shape[i], stride}};
    stride *= shape[i];
  }
  view.normalize();
  return view;
}

View View::channels_last(const Shape& shape) {
  if (shape.size() != 4) return row_major(shape);
  return row_major({shape[0], shape[2], shape[3], shape[1]}).transposed({0, 3, 1, 2});
}

View View::pixel_pairs(const Shape& s) {
  constexpr int64_t together = kPairChannels;
  const View view = row_major({s[0], s[2], s[3] / 2, s[1] / together, 2, together});
  return *view.transposed({0, 3, 5, 1, 2, 4}).reshaped(s);
}

View View::broadcast(const Shape& from, const Shape& to) const {
  View view;
  const std::size_t added = to.size() - from.size();
  for (std::size_t i = 0; i < to.size(); ++i) {
    if (i < added || (from[i - added] == 1 && to[i] != 1)) {
      view.dims_.push_back({{to[i], 0}});
    } else {
      view.dims_.push_back(dims_[i - added]);
    }
  }
  view.normalize();
  return view;
}

std::optional<View> View::reshaped(const Shape& shape) const {
  std::vector<Axis> axes;
  for (const auto& dim : dims_) axes.insert(axes.end(), dim.begin(), dim.end());
  axes = merged(axes);
  View view;
  view.dims_.resize(shape.size());
  for (std::size_t i = shape.size(); i-- > 0;) {
    int64_t left = shape[i];
    std::vector<Axis> reversed;
    while (left > 1) {
      Axis& last = axes.back();
      if (left % last.extent == 0) {
        reversed.push_back(last);
        left /= last.extent;
        axes.pop_back();
      } else if (last.extent % left == 0) {
        reversed.push_back({left, last.stride});
        last = {last.extent / left, last.stride * left};
        left = 1;
      } else {
        return std::nullopt;
      }
    }
    view.dims_[i].assign(reversed.rbegin(), reversed.rend());
  }
  view.normalize();
  return view;
}

View View::transposed(const std::vector<int64_t>& perm) const {
  View view;
  for (const int64_t from : perm) view.dims_.push_back(dims_[static_cast<std::size_t>(from)]);
  return view;
}

std::vector<int64_t> View::offsets(std::size_t dim) const {
  std::vector<int64_t> out = {0};
  for (const Axis& axis : dims_[dim]) {
    std::vector<int64_t> next;
    for (const int64_t base : out) {
      for (int64_t i = 0; i < axis.extent; ++i) next.push_back(base + i * axis.stride);
    }
    out = std::move(next);
  }
  return out;
}

std::optional<std::vector<CommonAxis>> common_axes(const std::vector<const View*>& views) {
  const std::size_t rank = views.front()->dims().size();
  std::vector<CommonAxis> axes;  // innermost first
  for (std::size_t dim = rank; dim-- > 0;) {
    std::vector<std::vector<Axis>> left;
    for (const View* view : views) left.push_back(view->dims()[dim]);
    while (!left.front().empty()) {
      int64_t extent = left.front().back().extent;
      for (const auto& one : left) extent = std::min(extent, one.back().extent);
      CommonAxis axis{extent, {}};
      for (auto& one : left) {
        Axis& last = one.back();
        if (last.extent % extent != 0) return std::nullopt;
        axis.strides.push_back(last.stride);
        last = {last.extent / extent, last.stride * extent};
        if (last.extent == 1) one.pop_back();
      }
      axes.push_back(std::move(axis));
    }
  }
  std::reverse(axes.begin(), axes.end());
  std::vector<CommonAxis> out;
  for (CommonAxis& axis : axes) {
    bool merges = !out.empty();
    for (std::size_t v = 0; merges && v < views.size(); ++v) {
      merges = out.back().strides[v] == axis.extent * axis.strides[v];
    }
    if (merges) {
      out.back().extent *= axis.extent;
      out.back().strides = axis.strides;
    } else {
      out.push_back(std::move(axis));
    }
  }
  return out;
}

}  // namespace systole::compile
