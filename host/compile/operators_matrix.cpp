#include "host/compile/operators.hpp"

#include <algorithm>
#include <utility>

#include "host/compile/matmul.hpp"

namespace systole::compile {

using graph::Node;

namespace {

/// The elements of a tensor of bytes, which are read often.
class Codes {
 public:
  explicit Codes(const Tensor& tensor)
      : bytes_(tensor.bytes().data()), is_signed_(tensor.type() == DataType::S8) {}
  int32_t operator[](int64_t at) const {
    return is_signed_ ? static_cast<int8_t>(bytes_[at]) : int32_t{bytes_[at]};
  }

 private:
  const uint8_t* bytes_;
  bool is_signed_;
};

/// Longest line that is not cut into columns, in bytes.
constexpr int64_t kMostOfPairs = 8192;

/// Whether a convolution can read pixels in pairs.
bool reads_pairs(const Node& node, const Shape& in) {
  const auto* conv = std::get_if<graph::QConv>(&node.op);
  if (conv == nullptr || conv->group != 1 || node.inputs.size() > 1) return false;
  const graph::Window& w = conv->window;
  const bool pointwise = w.kernel == std::array<int64_t, 2>{1, 1} &&
                         w.stride == std::array<int64_t, 2>{1, 1} &&
                         w.pads == std::array<int64_t, 4>{0, 0, 0, 0};
  return pointwise && in[1] % kPairChannels == 0 && in[3] % 2 == 0 && in[1] * in[3] <= kMostOfPairs;
}

/// Whether the dimension's elements fill [0, extent) of memory, in any order.
bool dense(const View& view, std::size_t dim, int64_t extent) {
  std::vector<int64_t> offsets = view.offsets(dim);
  std::sort(offsets.begin(), offsets.end());
  return offsets.back() == extent - 1;
}

/// Whether it multiplies a single row by a constant matrix: every tile wants all of the row.
bool takes_row(const graph::Graph& graph, const Node& node) {
  return std::holds_alternative<graph::QGemm>(node.op) && graph.value(node.inputs[0]).shape[0] == 1;
}

Weights weights_of(const graph::QConv& op) {
  const Shape& shape = op.weights.shape();
  const int64_t channels = shape[1], taps = shape[2] * shape[3];
  const Codes codes(op.weights);
  std::vector<int32_t> values;
  for (int64_t m = 0; m < shape[0]; ++m) {
    for (int64_t tap = 0; tap < taps; ++tap) {
      for (int64_t c = 0; c < channels; ++c)
        values.push_back(codes[(m * channels + c) * taps + tap] -
                         op.w_zero_point[static_cast<std::size_t>(m)]);
    }
  }
  return Weights(std::move(values), shape[0]);
}

/// `at`: where the input's elements lie.
Weights weights_of(const graph::QGemm& op, const std::vector<int64_t>& at, int64_t columns) {
  const auto depth = static_cast<int64_t>(at.size());
  const Codes codes(op.weights);
  std::vector<int32_t> values(static_cast<std::size_t>(columns * depth));
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t m = 0; m < columns; ++m)
      values[static_cast<std::size_t>(m * depth + at[static_cast<std::size_t>(k)])] =
          codes[k * columns + m] - op.w_zero_point[static_cast<std::size_t>(m)];
  }
  return Weights(std::move(values), columns);
}

}  // namespace

/// The padding of the convolution that alone reads the node's output.
Border Operators::border_of(const Node& node) const {
  const Node* reader = values_.only_reader(node);
  if (reader == nullptr) return {};
  const auto* conv = std::get_if<graph::QConv>(&reader->op);
  const Shape& in = graph_.output_of(node).shape;
  if (conv == nullptr || reader->inputs.size() > 1 || in[0] != 1) return {};
  const graph::Window& window = conv->window;
  const Shape& out = graph_.output_of(*reader).shape;
  // What the windows see of a dimension behind its end.
  const auto behind = [&](std::size_t d) {
    const int64_t seen =
        (out[d + 2] - 1) * window.stride[d] + (window.kernel[d] - 1) * window.dilation[d] + 1;
    return seen - window.pads[d] - in[d + 2];
  };
  Border border;
  border.top = window.pads[0];
  border.left = window.pads[1];
  border.bottom = std::max<int64_t>(behind(0), 0);
  border.right = std::max<int64_t>(behind(1), 0);
  const bool padded = border.top + border.left + border.bottom + border.right > 0;
  if (!padded || (border.left > 0 && behind(1) < 0)) return {};
  border.line = in[3];
  border.fill = conv->x.zero_point;
  return border;
}

/// Whether a depthwise convolution makes two pixels of 8 channels at a time, not one of 16: their
/// windows overlap.
bool Operators::joins_pixels(const Node& node) const {
  const auto& conv = std::get<graph::QConv>(node.op);
  const Shape& in = graph_.value(node.inputs[0]).shape;
  const Shape& out = graph_.output_of(node).shape;
  const bool depthwise = conv.group == in[1] && conv.group == out[1];
  const bool overlap =
      conv.window.stride[1] < conv.window.kernel[1] && conv.window.dilation[1] == 1;
  const Node* reader = values_.only_reader(node);
  return depthwise && overlap && out[1] > kPairChannels && reader != nullptr &&
         reads_pairs(*reader, out);
}

/// What convolutions and products by a constant have alike. `matrix.out` lies in `to`.
template <class Op>
void Operators::emit_matrix_node(const Node& node, const Op& op, MatrixOperator matrix, Stored to) {
  matrix.x = op.x;
  matrix.y = op.y;
  if (node.inputs.size() > 1) matrix.x_zero = &values_.stored(node.inputs[1]);
  matrix.clamp = op.clamp;
  matrix.bias = op.bias;
  matrix.multiplier = op.multiplier;
  matrix.division = &divisions_[node.output];
  matrix.out.stored = matrix.output = &to;
  emit_matrix(context_, memo_, matrix);
  values_.define(node, to);
}

void Operators::operator()(const Node& node, const graph::QConv& op) {
  const graph::Value& value = graph_.output_of(node);
  const Stored& x = values_.stored(node.inputs[0]);
  MatrixOperator matrix;
  matrix.reads_pairs = reads_pairs(node, x.shape) && x.view == View::pixel_pairs(x.shape);
  matrix.makes_pairs = joins_pixels(node);
  const Stored in = matrix.reads_pairs ? x : values_.with_view(x, View::channels_last(x.shape));
  Stored to = values_.make_output(
      node, matrix.makes_pairs ? View::pixel_pairs(value.shape) : View::channels_last(value.shape));
  if (to.buffer.space == Buffer::Space::Unplaced) to.border = border_of(node);
  matrix.in = image_of(in);
  matrix.out = image_of(to);
  matrix.kh = op.window.kernel[0];
  matrix.kw = op.window.kernel[1];
  matrix.sh = op.window.stride[0];
  matrix.sw = op.window.stride[1];
  matrix.dh = op.window.dilation[0];
  matrix.dw = op.window.dilation[1];
  matrix.top = op.window.pads[0];
  matrix.left = op.window.pads[1];
  matrix.group = op.group;
  matrix.weights = memo_.weights(node.output, {}, [&] { return weights_of(op); });
  emit_matrix_node(node, op, std::move(matrix), std::move(to));
}

void Operators::operator()(const Node& node, const graph::QGemm& op) {
  const graph::Value& value = graph_.output_of(node);
  Stored in = values_.stored(node.inputs[0]);
  const int64_t rows = in.shape[0], depth = in.shape[1], columns = value.shape[1];
  // Any order of the depth will do, as long as it is the same for all rows.
  const View wanted = View::row_major({rows, depth});
  const bool rows_apart = in.view.dims()[0] == wanted.dims()[0];
  if (!rows_apart || !dense(in.view, 1, depth)) in = values_.with_view(in, wanted);
  const std::vector<int64_t> at = in.view.offsets(1);
  Stored to = values_.make_output(node, View::row_major(value.shape));
  const Node* reader = values_.only_reader(node);
  MatrixOperator matrix;
  matrix.spreads = reader != nullptr && takes_row(graph_, *reader);
  matrix.in = {&in, 1, rows, 1, depth};
  matrix.out = {&to, 1, rows, 1, columns};
  matrix.float_clamp = op.float_clamp;
  matrix.weights = memo_.weights(node.output, at, [&] { return weights_of(op, at, columns); });
  emit_matrix_node(node, op, std::move(matrix), std::move(to));
}

void Operators::operator()(const Node& node, const graph::QMatMul& op) {
  const graph::Value& value = graph_.output_of(node);
  Stored a = values_.stored(node.inputs[0]);
  Stored b = values_.stored(node.inputs[1]);
  a = values_.with_view(a, View::row_major(a.shape));
  b = values_.with_view(b, View::row_major(b.shape));
  Stored to = values_.make_output(node, View::row_major(value.shape));
  MatmulOperator matmul{&a, &b, &to, &op, nullptr, nullptr};
  if (op.gives_a_zero) matmul.a_zero = &values_.stored(node.inputs[2]);
  if (op.gives_b_zero) matmul.b_zero = &values_.stored(node.inputs[op.gives_a_zero ? 3 : 2]);
  emit_matmul(context_, matmul);
  values_.define(node, to);
}

}  // namespace systole::compile
