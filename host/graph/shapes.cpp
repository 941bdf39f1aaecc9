#include "host/graph/shapes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "host/command/error.hpp"

namespace systole::graph {
namespace {

// No window, stride or padding is larger: keeps all index arithmetic far from overflow.
constexpr int64_t kMaxWindow = int64_t{1} << 24;

// The two values of a window attribute, height first; a single one is the width's.
std::array<int64_t, 2> pair_of(const std::vector<int64_t>& values, int64_t low, const char* name,
                               size_t dimensions, int64_t missing, const std::string& where) {
  if (values.empty()) return {missing, missing};
  if (values.size() != dimensions) {
    throw Error(fmt::format("attribute '{}' has the wrong length", name), where,
                fmt::format("{}", dimensions), fmt::format("{}", values.size()));
  }
  for (int64_t value : values) {
    if (value < low || value > kMaxWindow) {
      throw Error(fmt::format("attribute '{}' is out of range", name), where,
                  fmt::format("{} to {}", low, kMaxWindow), fmt::format("{}", value));
    }
  }
  return dimensions == 1 ? std::array<int64_t, 2>{missing, values[0]}
                         : std::array<int64_t, 2>{values[0], values[1]};
}

// ONNX keeps pads as begins, then ends.
std::array<int64_t, 4> pads_of(const std::vector<int64_t>& pads, size_t dimensions,
                               const std::string& where) {
  if (pads.empty()) return {0, 0, 0, 0};
  if (pads.size() != 2 * dimensions) {
    throw Error("attribute 'pads' has the wrong length", where, fmt::format("{}", 2 * dimensions),
                fmt::format("{}", pads.size()));
  }
  for (int64_t pad : pads) {
    if (pad < 0 || pad > kMaxWindow) {
      throw Error("attribute 'pads' is out of range", where, fmt::format("0 to {}", kMaxWindow),
                  fmt::format("{}", pad));
    }
  }
  if (dimensions == 1) return {0, pads[0], 0, pads[1]};
  return {pads[0], pads[1], pads[2], pads[3]};
}

// Output size along one dimension; sets the pads of SAME.
int64_t place(const WindowAttributes& attributes, int64_t size, size_t d, Window& window,
              const std::string& where) {
  int64_t& begin = window.pads[d];
  int64_t& end = window.pads[d + 2];
  const int64_t stride = window.stride[d];
  const int64_t span = (window.kernel[d] - 1) * window.dilation[d] + 1;
  if (attributes.auto_pad == "SAME_UPPER" || attributes.auto_pad == "SAME_LOWER") {
    const int64_t out = (size + stride - 1) / stride;
    const int64_t needed = (out - 1) * stride + span - size;
    const int64_t total = attributes.is_pool ? needed : std::max<int64_t>(needed, 0);
    // Rounded toward zero, also where negative.
    begin = attributes.auto_pad == "SAME_UPPER" ? total / 2 : (total + 1) / 2;
    end = total - begin;
    return out;
  }
  if (attributes.auto_pad == "VALID") begin = end = 0;
  const int64_t room = size + begin + end - span;
  if (room < 0) {
    throw Error("window is larger than the padded input", where,
                fmt::format("at most {}", size + begin + end), fmt::format("{}", span));
  }
  if (!attributes.ceil_mode) return room / stride + 1;
  const int64_t out = (room + stride - 1) / stride + 1;
  // A last window that would start in the padding behind the input is dropped.
  return (out - 1) * stride >= size + begin ? out - 1 : out;
}

}  // namespace

PlacedWindow place_window(const WindowAttributes& attributes, int64_t height, int64_t width,
                          const std::string& where) {
  const size_t dimensions = attributes.kernel.size();
  if (dimensions != 1 && dimensions != 2) {
    throw Error("attribute 'kernel_shape' has the wrong length", where, "1 or 2",
                fmt::format("{}", dimensions));
  }
  static const std::set<std::string> known = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
  if (!known.count(attributes.auto_pad)) {
    throw Error("attribute 'auto_pad' is unknown", where,
                "NOTSET, SAME_UPPER, SAME_LOWER or VALID");
  }
  PlacedWindow placed;
  Window& window = placed.window;
  window.kernel = pair_of(attributes.kernel, 1, "kernel_shape", dimensions, 1, where);
  window.stride = pair_of(attributes.strides, 1, "strides", dimensions, 1, where);
  window.dilation = pair_of(attributes.dilations, 1, "dilations", dimensions, 1, where);
  window.pads = pads_of(attributes.pads, dimensions, where);
  placed.height = place(attributes, height, 0, window, where);
  placed.width = place(attributes, width, 1, window, where);
  return placed;
}

Shape broadcast(const Shape& a, const Shape& b, const std::string& where) {
  const size_t rank = std::max(a.size(), b.size());
  Shape result(rank);
  for (size_t i = 0; i < rank; ++i) {
    const int64_t da = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t db = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (da != db && da != 1 && db != 1) {
      throw Error("shapes do not broadcast", where, to_string(a), to_string(b));
    }
    result[rank - 1 - i] = std::max(da, db);
  }
  element_count(result, where);
  return result;
}

Shape reshape_target(const Shape& input, const std::vector<int64_t>& request, bool allow_zero,
                     const std::string& where) {
  const int64_t elements = element_count(input, where);
  const Error misfit("reshape does not fit", where, fmt::format("{} elements", elements),
                     to_string(request));
  Shape result = request;
  int64_t known = 1;
  int inferred = -1;
  for (size_t i = 0; i < result.size(); ++i) {
    if (result[i] == 0 && !allow_zero && i < input.size()) result[i] = input[i];
    if (result[i] == -1 && inferred < 0) {
      inferred = static_cast<int>(i);
    } else if (result[i] < 0 || result[i] > kMaxElements || known > kMaxElements) {
      throw misfit;
    } else {
      known *= result[i];
    }
  }
  if (inferred >= 0) {
    if (known == 0) throw misfit;
    result[static_cast<size_t>(inferred)] = elements / known;
  }
  if (element_count(result, where) != elements) throw misfit;
  return result;
}

int64_t resolve_axis(int64_t axis, int64_t rank, const std::string& where) {
  if (axis < -rank || axis >= rank) {
    throw Error("axis is out of range", where, fmt::format("{} to {}", -rank, rank - 1),
                fmt::format("{}", axis));
  }
  return axis < 0 ? axis + rank : axis;
}

Shape flatten_target(const Shape& input, int64_t axis, const std::string& where) {
  const auto rank = static_cast<int64_t>(input.size());
  const int64_t split = axis == rank ? rank : resolve_axis(axis, rank, where);
  Shape result{1, 1};
  for (int64_t i = 0; i < rank; ++i) {
    result[i < split ? 0 : 1] *= input[static_cast<size_t>(i)];
  }
  return result;
}

Shape squeeze_target(const Shape& input, const std::vector<int64_t>& axes,
                     const std::string& where) {
  std::set<int64_t> dropped;
  for (int64_t axis : axes) {
    const int64_t resolved = resolve_axis(axis, static_cast<int64_t>(input.size()), where);
    if (input[static_cast<size_t>(resolved)] != 1) {
      throw Error("squeezed dimension is not 1", where, fmt::format("1 at axis {}", axis),
                  to_string(input));
    }
    dropped.insert(resolved);
  }
  Shape result;
  for (size_t i = 0; i < input.size(); ++i) {
    const bool drop = axes.empty() ? input[i] == 1 : dropped.count(static_cast<int64_t>(i)) > 0;
    if (!drop) result.push_back(input[i]);
  }
  return result;
}

Shape unsqueeze_target(const Shape& input, const std::vector<int64_t>& axes,
                       const std::string& where) {
  const size_t rank = input.size() + axes.size();
  std::set<int64_t> inserted;
  for (int64_t axis : axes) {
    if (!inserted.insert(resolve_axis(axis, static_cast<int64_t>(rank), where)).second) {
      throw Error("axis is there twice", where, "", fmt::format("{}", axis));
    }
  }
  Shape result;
  size_t next = 0;
  for (size_t i = 0; i < rank; ++i) {
    result.push_back(inserted.count(static_cast<int64_t>(i)) ? 1 : input[next++]);
  }
  return result;
}

Shape concat_target(const std::vector<Shape>& inputs, int64_t axis, const std::string& where) {
  Shape result = inputs.front();
  const auto along = static_cast<size_t>(axis);
  for (size_t i = 1; i < inputs.size(); ++i) {
    const Shape& other = inputs[i];
    bool fits = other.size() == result.size();
    for (size_t d = 0; fits && d < other.size(); ++d) fits = d == along || other[d] == result[d];
    if (!fits) throw Error("shapes do not fit", where, to_string(result), to_string(other));
    result[along] += other[along];
  }
  element_count(result, where);
  return result;
}

std::vector<int64_t> permutation(const std::vector<int64_t>& perm, size_t rank,
                                 const std::string& where) {
  std::vector<int64_t> result = perm;
  if (result.empty()) {
    for (size_t i = rank; i > 0; --i) result.push_back(static_cast<int64_t>(i - 1));
  }
  std::vector<int64_t> sorted = result;
  std::sort(sorted.begin(), sorted.end());
  bool valid = sorted.size() == rank;
  for (size_t i = 0; valid && i < rank; ++i) valid = sorted[i] == static_cast<int64_t>(i);
  if (!valid) {
    throw Error("attribute 'perm' is no permutation", where, fmt::format("{} axes", rank),
                to_string(perm));
  }
  return result;
}

Shape transpose_target(const Shape& input, const std::vector<int64_t>& perm) {
  Shape result;
  for (int64_t axis : perm) result.push_back(input[static_cast<size_t>(axis)]);
  return result;
}

std::vector<int64_t> broadcast_strides(const Shape& shape, const Shape& target) {
  std::vector<int64_t> strides(target.size(), 0);
  int64_t stride = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t dim = shape[shape.size() - 1 - i];
    strides[target.size() - 1 - i] = dim == 1 ? 0 : stride;
    stride *= dim;
  }
  return strides;
}

Tensor transpose(const Tensor& tensor, const std::vector<int64_t>& perm) {
  const Shape& shape = tensor.shape();
  Tensor result(tensor.type(), transpose_target(shape, perm));
  const std::vector<int64_t> input_strides = broadcast_strides(shape, shape);
  std::vector<int64_t> strides;
  for (int64_t axis : perm) strides.push_back(input_strides[static_cast<size_t>(axis)]);
  const size_t bytes = element_size(tensor.type());
  std::vector<int64_t> index(shape.size());
  int64_t source = 0;
  for (int64_t i = 0; i < result.size(); ++i) {
    std::memcpy(result.bytes().data() + static_cast<size_t>(i) * bytes,
                tensor.bytes().data() + static_cast<size_t>(source) * bytes, bytes);
    for (size_t d = shape.size(); d-- > 0;) {
      source += strides[d];
      if (++index[d] < result.shape()[d]) break;
      source -= strides[d] * index[d];
      index[d] = 0;
    }
  }
  return result;
}

}  // namespace systole::graph
