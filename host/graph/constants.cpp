#include "host/graph/constants.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "host/command/error.hpp"
#include "host/golden/arith.hpp"
#include "host/graph/builder.hpp"
#include "host/graph/shapes.hpp"

namespace systole::graph {
namespace {

// Index into per-channel parameters of element i.
class ChannelOf {
 public:
  ChannelOf(const Shape& shape, const Dequantized& params) : per_tensor_(params.per_tensor()) {
    if (per_tensor_) return;
    channels_ = shape[static_cast<size_t>(params.axis)];
    for (size_t d = static_cast<size_t>(params.axis) + 1; d < shape.size(); ++d) {
      inner_ *= shape[d];
    }
  }
  size_t operator()(int64_t i) const {
    return per_tensor_ ? 0 : static_cast<size_t>(i / inner_ % channels_);
  }

 private:
  bool per_tensor_;
  int64_t channels_ = 1;
  int64_t inner_ = 1;
};

int64_t elements_before(const Shape& shape, size_t axis) {
  int64_t count = 1;
  for (size_t d = 0; d < axis; ++d) count *= shape[d];
  return count;
}

}  // namespace

Tensor dequantize_constant(const Dequantized& constant) {
  const Tensor& q = constant.constant();
  Tensor real(DataType::F32, q.shape());
  const ChannelOf channel(q.shape(), constant);
  for (int64_t i = 0; i < q.size(); ++i) {
    const size_t c = channel(i);
    const auto centered = static_cast<int32_t>(q.integer(i) - constant.zero_point[c]);
    real.data<float>()[i] = golden::dequantize(centered, constant.scale[c], 0);
  }
  return real;
}

Tensor quantize_constant(const Tensor& real, const Dequantized& y) {
  Tensor q(y.type, real.shape());
  const ChannelOf channel(real.shape(), y);
  for (int64_t i = 0; i < real.size(); ++i) {
    const size_t c = channel(i);
    q.bytes()[static_cast<size_t>(i)] = static_cast<uint8_t>(
        golden::quantize(real.data<float>()[i], y.scale[c], y.zero_point[c], type_range(y.type)));
  }
  return q;
}

Dequantized transpose_constant(Dequantized source, const std::vector<int64_t>& perm) {
  source.q = std::make_shared<const Tensor>(transpose(source.constant(), perm));
  const auto at = std::find(perm.begin(), perm.end(), source.axis);
  if (!source.per_tensor()) source.axis = at - perm.begin();
  return source;
}

Dequantized reshape_constant(Dequantized source, const Shape& shape, const std::string& where) {
  const Shape& old = source.constant().shape();
  if (!source.per_tensor()) {
    const auto axis = static_cast<size_t>(source.axis);
    const int64_t outer = elements_before(old, axis);
    size_t found = 0;
    while (found < shape.size() &&
           (elements_before(shape, found) != outer || shape[found] != old[axis])) {
      ++found;
    }
    if (found == shape.size()) {
      throw Error("reshape breaks the axis that constants are quantized along", where,
                  fmt::format("{} along axis {}", to_string(old), axis), to_string(shape));
    }
    source.axis = static_cast<int64_t>(found);
  }
  source.q = std::make_shared<const Tensor>(source.constant().reshaped(shape));
  return source;
}

}  // namespace systole::graph
