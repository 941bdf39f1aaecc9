#include "host/golden/graph_reference.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "host/command/error.hpp"
#include "host/golden/arith.hpp"
#include "host/golden/real.hpp"
#include "host/graph/shapes.hpp"

namespace systole::golden {
namespace {

using graph::Node;
using graph::Window;

std::vector<int32_t> integers(const Tensor& tensor) {
  std::vector<int32_t> result(static_cast<size_t>(tensor.size()));
  if (tensor.type() == DataType::S8) {
    std::copy_n(tensor.data<int8_t>(), result.size(), result.begin());
  } else if (tensor.type() == DataType::S32) {
    std::copy_n(tensor.data<int32_t>(), result.size(), result.begin());
  } else {
    std::copy_n(tensor.data<uint8_t>(), result.size(), result.begin());
  }
  return result;
}

// Index of the parameters of element i: 0, or its place along `axis`.
size_t channel_of(const Shape& shape, int64_t axis, size_t channels, int64_t i) {
  if (channels == 1) return 0;
  int64_t inner = 1;
  for (size_t d = static_cast<size_t>(axis) + 1; d < shape.size(); ++d) inner *= shape[d];
  return static_cast<size_t>(i / inner) % channels;
}

// Executes one graph; each operator is one function.
class Executor {
 public:
  Executor(const graph::Graph& graph, const graph::Tensors& inputs)
      : graph_(graph), tensors_(graph.values.size()) {
    for (size_t i = 0; i < graph.values.size(); ++i) {
      if (graph.values[i].constant) tensors_[i] = &*graph.values[i].constant;
    }
    for (graph::ValueId id : graph.inputs) bind(id, inputs);
  }

  const Tensor& execute(const Node& node) {
    const graph::Value& value = graph_.output_of(node);
    auto output = std::make_unique<Tensor>(value.type, value.shape);
    std::visit([&](const auto& op) { run(op, node, *output); }, node.op);
    tensors_[static_cast<size_t>(node.output)] = output.get();
    owned_.push_back(std::move(output));
    return *owned_.back();
  }

  const Tensor& tensor(graph::ValueId id) const { return *tensors_[static_cast<size_t>(id)]; }

 private:
  void bind(graph::ValueId id, const graph::Tensors& inputs) {
    const graph::Value& value = graph_.value(id);
    const std::string where = fmt::format("input '{}'", value.name);
    const auto given = inputs.find(value.name);
    if (given == inputs.end()) throw Error("missing input", where);
    if (given->second.type() != value.type || given->second.shape() != value.shape) {
      throw Error(
          "wrong input", where, fmt::format("{} {}", to_string(value.type), to_string(value.shape)),
          fmt::format("{} {}", to_string(given->second.type()), to_string(given->second.shape())));
    }
    tensors_[static_cast<size_t>(id)] = &given->second;
  }

  const Tensor& input(const Node& node, size_t i) const { return tensor(node.inputs[i]); }

  // Element i of an s8 or u8 output.
  static void put(Tensor& output, int64_t i, int32_t value) {
    output.bytes()[static_cast<size_t>(i)] = static_cast<uint8_t>(value);
  }

  void run(const graph::Quantize& op, const Node& node, Tensor& output) const {
    const auto* x = input(node, 0).data<float>();
    for (int64_t i = 0; i < output.size(); ++i) {
      const size_t c = channel_of(output.shape(), op.axis, op.scale.size(), i);
      put(output, i, quantize(x[i], op.scale[c], op.zero_point[c], op.clamp));
    }
  }

  void run(const graph::Dequantize& op, const Node& node, Tensor& output) const {
    const auto x = integers(input(node, 0));
    auto* y = output.data<float>();
    for (int64_t i = 0; i < output.size(); ++i) {
      const size_t c = channel_of(output.shape(), op.axis, op.scale.size(), i);
      const float real = dequantize(x[static_cast<size_t>(i)], op.scale[c], op.zero_point[c]);
      y[i] = binary32::min(binary32::max(real, op.clamp.lo), op.clamp.hi);
    }
  }

  void run(const graph::Requantize& op, const Node& node, Tensor& output) const {
    const auto x = integers(input(node, 0));
    for (size_t i = 0; i < x.size(); ++i) {
      put(output, static_cast<int64_t>(i), requantize(x[i], op.x, op.y, op.clamp));
    }
  }

  void run(const graph::Reach&, const Node& node, Tensor& output) const {
    const Tensor& x = input(node, 0);
    const Reach r = reach(x.data<float>(), static_cast<size_t>(x.size()));
    output.data<float>()[0] = r.below;
    output.data<float>()[1] = r.above;
  }

  void run(const graph::DynamicParameter& op, const Node& node, Tensor& output) const {
    const auto* given = input(node, 0).data<float>();
    const Reach r{given[0], given[1]};
    const float scale = dynamic_scale(r);
    if (op.is_zero_point) {
      put(output, 0, dynamic_zero_point(r, scale));
    } else {
      output.data<float>()[0] = scale;
    }
  }

  void run(const graph::DynamicQuantize&, const Node& node, Tensor& output) const {
    const auto* x = input(node, 0).data<float>();
    const float scale = *input(node, 1).data<float>();
    const int32_t zero_point = given_zero_point(node, 2);
    const int32_t lowest = output.type() == DataType::S8 ? -128 : 0;
    for (int64_t i = 0; i < output.size(); ++i) {
      put(output, i, quantize_dynamically(x[i], scale, zero_point, lowest, lowest + 255));
    }
  }

  // The single element of input i.
  int32_t given_zero_point(const Node& node, size_t i) const {
    return static_cast<int32_t>(input(node, i).integer(0));
  }

  // Sum over the window of output (n, m, oh, ow); padding contributes 0.
  static int32_t convolve(const graph::QConv& op, const Shape& shape, const std::vector<int32_t>& x,
                          const std::vector<int32_t>& w, int32_t x_zero, int64_t n, int64_t m,
                          int64_t oh, int64_t ow) {
    const Shape& ws = op.weights.shape();
    const Window& window = op.window;
    const int64_t first_channel = m / (ws[0] / op.group) * ws[1];
    const int32_t w_zero = op.w_zero_point[static_cast<size_t>(m)];
    int32_t acc = op.bias[static_cast<size_t>(m)];
    for (int64_t c = 0; c < ws[1]; ++c) {
      for (int64_t kh = 0; kh < ws[2]; ++kh) {
        const int64_t h = oh * window.stride[0] - window.pads[0] + kh * window.dilation[0];
        if (h < 0 || h >= shape[2]) continue;
        for (int64_t kw = 0; kw < ws[3]; ++kw) {
          const int64_t v = ow * window.stride[1] - window.pads[1] + kw * window.dilation[1];
          if (v < 0 || v >= shape[3]) continue;
          const int64_t at = ((n * shape[1] + first_channel + c) * shape[2] + h) * shape[3] + v;
          const int64_t wt = ((m * ws[1] + c) * ws[2] + kh) * ws[3] + kw;
          acc = multiply_accumulate(acc, x[static_cast<size_t>(at)] - x_zero,
                                    w[static_cast<size_t>(wt)] - w_zero);
        }
      }
    }
    return acc;
  }

  void run(const graph::QConv& op, const Node& node, Tensor& output) const {
    const auto x = integers(input(node, 0));
    const auto w = integers(op.weights);
    const int32_t x_zero = node.inputs.size() > 1 ? given_zero_point(node, 1) : op.x.zero_point;
    const Shape& shape = input(node, 0).shape();
    const Shape& out = output.shape();
    int64_t i = 0;
    for (int64_t n = 0; n < out[0]; ++n) {
      for (int64_t m = 0; m < out[1]; ++m) {
        for (int64_t oh = 0; oh < out[2]; ++oh) {
          for (int64_t ow = 0; ow < out[3]; ++ow) {
            const int32_t acc = convolve(op, shape, x, w, x_zero, n, m, oh, ow);
            if (output.type() == DataType::S32) {
              output.data<int32_t>()[i++] = acc;
              continue;
            }
            put(output, i++,
                requantize_accumulator(acc, op.multiplier[static_cast<size_t>(m)], op.y.zero_point,
                                       op.clamp));
          }
        }
      }
    }
  }

  // out[m][n] of one product of centered operands a [rows, depth] and b [depth, columns]; the
  // columns are the inner loop, so that the host's vector unit sums them side by side.
  template <typename Op>
  static void multiply(const Op& op, const int32_t* a, const int32_t* b, size_t rows, size_t depth,
                       size_t columns, Tensor& output, int64_t first) {
    std::vector<int32_t> acc(columns);
    for (size_t m = 0; m < rows; ++m) {
      std::copy(op.bias.begin(), op.bias.end(), acc.begin());
      for (size_t k = 0; k < depth; ++k) {
        for (size_t n = 0; n < columns; ++n) {
          acc[n] = multiply_accumulate(acc[n], a[m * depth + k], b[k * columns + n]);
        }
      }
      for (size_t n = 0; n < columns; ++n, ++first) {
        if (output.type() == DataType::S32) {
          output.data<int32_t>()[first] = acc[n];
        } else if (output.type() == DataType::F32) {
          output.data<float>()[first] = product(acc[n], op.multiplier[n], op.float_clamp);
        } else {
          put(output, first,
              requantize_accumulator(acc[n], op.multiplier[n], op.y.zero_point, op.clamp));
        }
      }
    }
  }

  // Elements without their zero points, one for each index of the last dimension or one for all.
  static std::vector<int32_t> centered(const Tensor& tensor, const std::vector<int32_t>& zero) {
    std::vector<int32_t> result = integers(tensor);
    for (size_t i = 0; i < result.size(); ++i) result[i] -= zero[i % zero.size()];
    return result;
  }

  void run(const graph::QGemm& op, const Node& node, Tensor& output) const {
    const int32_t x_zero = node.inputs.size() > 1 ? given_zero_point(node, 1) : op.x.zero_point;
    const auto x = centered(input(node, 0), {x_zero});
    const auto w = centered(op.weights, op.w_zero_point);
    multiply(op, x.data(), w.data(), static_cast<size_t>(output.shape()[0]),
             static_cast<size_t>(op.weights.shape()[0]), static_cast<size_t>(output.shape()[1]),
             output, 0);
  }

  void run(const graph::QMatMul& op, const Node& node, Tensor& output) const {
    const int32_t a_zero = op.gives_a_zero ? given_zero_point(node, 2) : op.a.zero_point;
    const size_t b_input = op.gives_a_zero ? 3 : 2;
    const auto a = centered(input(node, 0), {a_zero});
    const auto b = centered(
        input(node, 1),
        op.gives_b_zero ? std::vector<int32_t>{given_zero_point(node, b_input)} : op.b_zero_point);
    const auto rows = static_cast<size_t>(output.shape()[1]);
    const auto columns = static_cast<size_t>(output.shape()[2]);
    const auto depth = static_cast<size_t>(input(node, 0).shape()[2]);
    for (size_t p = 0; p < op.a_batch.size(); ++p) {
      multiply(op, a.data() + static_cast<size_t>(op.a_batch[p]) * rows * depth,
               b.data() + static_cast<size_t>(op.b_batch[p]) * depth * columns, rows, depth,
               columns, output, static_cast<int64_t>(p * rows * columns));
    }
  }

  void run(const graph::QAdd& op, const Node& node, Tensor& output) const {
    const auto a = integers(input(node, 0));
    const auto b = integers(input(node, 1));
    const AddCoefficients k = add_coefficients(op.a, op.b, op.y);
    for_each_pair(node, output.shape(), [&](int64_t i, size_t at_a, size_t at_b) {
      put(output, i,
          op.rounding == graph::Rounding::AfterOffset
              ? golden::add(a[at_a], b[at_b], k, op.clamp)
              : add_unfused(a[at_a], b[at_b], op.a, op.b, op.y, op.clamp));
    });
  }

  // Calls visit(output index, n * C + c, oh, ow) for every output of a pool.
  template <typename Visit>
  static void for_each_output(const Shape& out, Visit visit) {
    int64_t i = 0;
    for (int64_t plane = 0; plane < out[0] * out[1]; ++plane) {
      for (int64_t oh = 0; oh < out[2]; ++oh) {
        for (int64_t ow = 0; ow < out[3]; ++ow) visit(i++, plane, oh, ow);
      }
    }
  }

  // Calls visit(element index) for every element of a plane in the window, in window order.
  template <typename Visit>
  static void for_each_in_window(const Window& window, const Shape& shape, int64_t plane,
                                 int64_t oh, int64_t ow, Visit visit) {
    for (int64_t kh = 0; kh < window.kernel[0]; ++kh) {
      const int64_t h = oh * window.stride[0] - window.pads[0] + kh * window.dilation[0];
      if (h < 0 || h >= shape[2]) continue;
      for (int64_t kw = 0; kw < window.kernel[1]; ++kw) {
        const int64_t w = ow * window.stride[1] - window.pads[1] + kw * window.dilation[1];
        if (w < 0 || w >= shape[3]) continue;
        visit((plane * shape[2] + h) * shape[3] + w);
      }
    }
  }

  // Elements as binary32: those of an f32 tensor, or dequantized.
  std::vector<float> reals(const Node& node, size_t i, graph::QuantParams params) const {
    const Tensor& tensor = input(node, i);
    if (tensor.type() == DataType::F32) {
      return {tensor.data<float>(), tensor.data<float>() + tensor.size()};
    }
    std::vector<float> result;
    for (const int32_t q : integers(tensor)) {
      result.push_back(dequantize(q, params.scale, params.zero_point));
    }
    return result;
  }

  // Element i of an output of any type.
  static void put_real(Tensor& output, int64_t i, float value, graph::QuantParams y,
                       graph::Clamp clamp) {
    if (output.type() == DataType::F32) {
      output.data<float>()[i] = value;
    } else {
      put(output, i, quantize(value, y.scale, y.zero_point, clamp));
    }
  }

  static float apply(const graph::Unary& op, float x) {
    switch (op.function) {
      case graph::Function::Clip:
        return clip(x, op.alpha, op.beta);
      case graph::Function::LeakyRelu:
        return leaky_relu(x, op.alpha);
      case graph::Function::HardSigmoid:
        return hard_sigmoid(x, op.alpha, op.beta);
      case graph::Function::HardSwish:
        return hard_swish(x);
      case graph::Function::Sigmoid:
        return sigmoid(x);
      default:
        return golden::tanh(x);
    }
  }

  void run(const graph::Unary& op, const Node& node, Tensor& output) const {
    const auto x = reals(node, 0, op.x);
    for (int64_t i = 0; i < output.size(); ++i) {
      put_real(output, i, apply(op, x[static_cast<size_t>(i)]), op.y, op.clamp);
    }
  }

  static float apply(graph::BinaryFunction function, float a, float b) {
    switch (function) {
      case graph::BinaryFunction::Add:
        return binary32::add(a, b);
      case graph::BinaryFunction::Sub:
        return subtract(a, b);
      case graph::BinaryFunction::Mul:
        return binary32::mul(a, b);
      default:
        return divide(a, b);
    }
  }

  // Calls visit(output index, index in a, index in b) for every output of a broadcast operator.
  template <typename Visit>
  void for_each_pair(const Node& node, const Shape& shape, Visit visit) const {
    const auto a_strides = graph::broadcast_strides(input(node, 0).shape(), shape);
    const auto b_strides = graph::broadcast_strides(input(node, 1).shape(), shape);
    for (int64_t i = 0; i < element_count(shape); ++i) {
      int64_t at_a = 0;
      int64_t at_b = 0;
      int64_t rest = i;
      for (size_t d = shape.size(); d-- > 0;) {
        at_a += rest % shape[d] * a_strides[d];
        at_b += rest % shape[d] * b_strides[d];
        rest /= shape[d];
      }
      visit(i, static_cast<size_t>(at_a), static_cast<size_t>(at_b));
    }
  }

  void run(const graph::Binary& op, const Node& node, Tensor& output) const {
    if (op.wraps) return wrap_codes(op, node, output);
    if (op.rounding == graph::Rounding::AfterOffset) return multiply_codes(op, node, output);
    const auto a = reals(node, 0, op.a);
    const auto b = reals(node, 1, op.b);
    for_each_pair(node, output.shape(), [&](int64_t i, size_t at_a, size_t at_b) {
      put_real(output, i, apply(op.function, a[at_a], b[at_b]), op.y, op.clamp);
    });
  }

  void multiply_codes(const graph::Binary& op, const Node& node, Tensor& output) const {
    const auto a = integers(input(node, 0));
    const auto b = integers(input(node, 1));
    const float ratio = multiply_ratio(op.a, op.b, op.y);
    for_each_pair(node, output.shape(), [&](int64_t i, size_t at_a, size_t at_b) {
      put(output, i,
          golden::multiply(a[at_a] - op.a.zero_point, b[at_b] - op.b.zero_point, ratio,
                           op.y.zero_point, op.clamp));
    });
  }

  // Division towards zero; by zero it gives 0.
  static int32_t whole(graph::BinaryFunction function, int32_t a, int32_t b) {
    switch (function) {
      case graph::BinaryFunction::Add:
        return a + b;
      case graph::BinaryFunction::Sub:
        return a - b;
      case graph::BinaryFunction::Mul:
        return a * b;
      default:
        return b == 0 ? 0 : a / b;
    }
  }

  void wrap_codes(const graph::Binary& op, const Node& node, Tensor& output) const {
    const auto a = integers(input(node, 0));
    const auto b = integers(input(node, 1));
    for_each_pair(node, output.shape(), [&](int64_t i, size_t at_a, size_t at_b) {
      put(output, i, whole(op.function, a[at_a], b[at_b]));
    });
  }

  // Calls visit(row, its elements) for every row of [R, N].
  template <typename Visit>
  void for_each_row(const Node& node, graph::QuantParams x, Visit visit) const {
    const auto elements = reals(node, 0, x);
    const auto width = static_cast<std::ptrdiff_t>(input(node, 0).shape()[1]);
    int64_t row = 0;
    for (auto at = elements.begin(); at != elements.end(); at += width) {
      visit(row++, std::vector<float>(at, at + width));
    }
  }

  void run(const graph::Softmax& op, const Node& node, Tensor& output) const {
    const bool quantized = input(node, 0).type() != DataType::F32;
    const graph::QuantParams codes{1.0f, op.x.zero_point};
    const float scale = softmax_scale(quantized ? op.x.scale : 1.0f);
    for_each_row(node, codes, [&](int64_t row, const std::vector<float>& x) {
      const auto y = softmax(x, scale);
      for (size_t i = 0; i < y.size(); ++i) {
        const auto at = row * static_cast<int64_t>(y.size()) + static_cast<int64_t>(i);
        put_real(output, at, y[i], op.y, op.clamp);
      }
    });
  }

  void run(const graph::ArgMax& op, const Node& node, Tensor& output) const {
    const Tensor& x = input(node, 0);
    const int64_t width = x.shape()[1];
    const auto number = [&](int64_t i) {
      if (x.type() != DataType::F32) return static_cast<float>(x.integer(i));
      constexpr float kLargest = std::numeric_limits<float>::max();
      return binary32::min(binary32::max(x.data<float>()[i], -kLargest), kLargest);
    };
    for (int64_t row = 0; row < output.size(); ++row) {
      int64_t best = 0;
      for (int64_t i = 0; i < width; ++i) {
        const float a = number(row * width + i), b = number(row * width + best);
        if (std::isnan(a)) {
          best = 0;
          break;
        }
        if (a > b || (op.last && a == b)) best = i;
      }
      output.data<int64_t>()[row] = best;
    }
  }

  void run(const graph::RowMean& op, const Node& node, Tensor& output) const {
    for_each_row(node, op.x, [&](int64_t row, const std::vector<float>& x) {
      put_real(output, row, row_mean(x, op.order, op.divisor, row), op.y, op.clamp);
    });
  }

  void max_pool_reals(const graph::QMaxPool& op, const Node& node, Tensor& output) const {
    const auto* x = input(node, 0).data<float>();
    const Shape& shape = input(node, 0).shape();
    for_each_output(output.shape(), [&](int64_t i, int64_t plane, int64_t oh, int64_t ow) {
      float best = -std::numeric_limits<float>::infinity();
      for_each_in_window(op.window, shape, plane, oh, ow,
                         [&](int64_t at) { best = binary32::max(best, x[at]); });
      output.data<float>()[i] = best;
    });
  }

  void run(const graph::QMaxPool& op, const Node& node, Tensor& output) const {
    if (output.type() == DataType::F32) return max_pool_reals(op, node, output);
    const auto x = integers(input(node, 0));
    const Shape& shape = input(node, 0).shape();
    const int32_t lowest = output.type() == DataType::S8 ? -128 : 0;
    for_each_output(output.shape(), [&](int64_t i, int64_t plane, int64_t oh, int64_t ow) {
      int32_t best = lowest;
      for_each_in_window(op.window, shape, plane, oh, ow,
                         [&](int64_t at) { best = std::max(best, x[static_cast<size_t>(at)]); });
      put(output, i, best);
    });
  }

  void run(const graph::QAveragePool& op, const Node& node, Tensor& output) const {
    const auto x = reals(node, 0, op.x);
    const Shape& shape = input(node, 0).shape();
    for_each_output(output.shape(), [&](int64_t i, int64_t plane, int64_t oh, int64_t ow) {
      float sum = -0.0f;  // neutral: the first element stays as it is
      int64_t inside = 0;
      for_each_in_window(op.window, shape, plane, oh, ow, [&](int64_t at) {
        sum = binary32::add(sum, x[static_cast<size_t>(at)]);
        ++inside;
      });
      // Padding counts as +0.
      if (inside < op.window.kernel[0] * op.window.kernel[1]) sum = binary32::add(sum, 0.0f);
      const int64_t count =
          graph::average_divisor(op.window, op.counted, shape[2], shape[3], oh, ow);
      if (output.type() == DataType::F32) {
        output.data<float>()[i] = average(sum, count);
      } else {
        put(output, i, average_pool(sum, count, op.y, op.rounding, op.clamp));
      }
    });
  }

  void run(const graph::QGlobalAveragePool& op, const Node& node, Tensor& output) const {
    const auto x = integers(input(node, 0));
    const Shape& shape = input(node, 0).shape();
    const int64_t count = shape[2] * shape[3];
    const float multiplier = global_average_multiplier(op.x, op.y, count);
    for (int64_t plane = 0; plane < output.size(); ++plane) {
      int32_t sum = 0;
      for (int64_t i = 0; i < count; ++i) {
        sum = wrapping_add(sum, x[static_cast<size_t>(plane * count + i)]);
      }
      put(output, plane, global_average_pool(sum, count, multiplier, op.x, op.y, op.clamp));
    }
  }

  void run(const graph::Reshape&, const Node& node, Tensor& output) const {
    output.bytes() = input(node, 0).bytes();
  }

  void run(const graph::Transpose& op, const Node& node, Tensor& output) const {
    output = graph::transpose(input(node, 0), op.perm);
  }

  void run(const graph::Select& op, const Node& node, Tensor& output) const {
    output = graph::select(input(node, 0), op.index, op.fill);
  }

  void run(const graph::Concat& op, const Node& node, Tensor& output) const {
    std::vector<const Tensor*> parts;
    for (const graph::ValueId id : node.inputs) parts.push_back(&tensor(id));
    output = graph::concat(parts, op.axis);
  }

  const graph::Graph& graph_;
  std::vector<const Tensor*> tensors_;  // by value
  std::vector<std::unique_ptr<Tensor>> owned_;
};

}  // namespace

graph::Tensors run(const graph::Graph& graph, const graph::Tensors& inputs, const NodeHook& hook) {
  Executor executor(graph, inputs);
  for (const Node& node : graph.nodes) {
    const Tensor& output = executor.execute(node);
    if (hook) hook(node, output);
  }
  graph::Tensors outputs;
  for (graph::ValueId id : graph.outputs)
    outputs.emplace(graph.value(id).name, executor.tensor(id));
  return outputs;
}

}  // namespace systole::golden
