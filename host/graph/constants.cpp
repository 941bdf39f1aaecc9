#include "host/graph/constants.hpp"

#include "host/golden/arith.hpp"
#include "host/graph/builder.hpp"

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

}  // namespace systole::graph
