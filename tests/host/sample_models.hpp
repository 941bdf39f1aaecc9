// Small models that have every operator between them, so that broken ones are made of all.
#pragma once

#include <numeric>
#include <string>
#include <vector>

#include "tests/host/model_builder.hpp"

namespace systole::test {

inline const std::string kMicrosoft = "com.microsoft";
using Ints = std::vector<int64_t>;

/// Elements all over the type's range.
template <typename T>
Tensor scattered(const Shape& shape) {
  Tensor tensor(Tensor::type_of<T>(), shape);
  for (int64_t i = 0; i < tensor.size(); ++i)
    tensor.data<T>()[i] = static_cast<T>(i * 37 % 251 - 120);
  return tensor;
}

/// An f32 input through QuantizeLinear and DequantizeLinear.
inline std::string quantized_input(ModelBuilder& b, const std::string& name, const Shape& shape) {
  b.input(name, DataType::F32, shape);
  b.quantize<int8_t>(name, 0.05f, 3, name + "q");
  return b.dequantize<int8_t>(name + "q", 0.05f, 3, name + "d");
}

inline void quantized_output(ModelBuilder& b, const std::string& x, const Shape& shape) {
  b.quantize<int8_t>(x, 0.1f, -5, x + "_q");
  b.dequantize<int8_t>(x + "_q", 0.1f, -5, x + "_y");
  b.output(x + "_y", DataType::F32, shape);
}

/// Gemm with a bias, Relu, and a MatMul whose result stays float.
inline ModelBuilder dense_model() {
  ModelBuilder b;
  const auto x = quantized_input(b, "x", {1, 20});
  const auto w = b.weights(scattered<int8_t>({24, 20}), 0.01f, "w");
  const auto bias = b.weights(scattered<int32_t>({24}), 0.05f * 0.01f, "bias");
  const auto y = b.node("Gemm", {x, w, bias}, "gemm", {{"transB", int64_t{1}}});
  b.quantize<int8_t>(b.node("Relu", {y}, "relu"), 0.1f, -128, "rq");
  const auto h = b.dequantize<int8_t>("rq", 0.1f, -128, "rd");
  b.node("MatMul", {h, b.weights(scattered<int8_t>({24, 5}), 0.02f, "w2")}, "y");
  b.output("y", DataType::F32, {1, 5});
  return b;
}

/// The QOperator form: a depthwise convolution, an addition, a global average.
inline ModelBuilder qlinear_model() {
  ModelBuilder b;
  b.input("x", DataType::U8, {1, 6, 5, 5});
  const auto s = [&](float scale) { return b.scalar(scale); };
  const auto z = b.scalar<uint8_t>(128);
  const std::vector<float> scales(6, 0.02f);
  const auto conv = b.node(
      "QLinearConv",
      {"x", s(0.05f), z, b.constant(scattered<int8_t>({6, 1, 3, 3})), b.vector(scales),
       b.constant(Tensor(DataType::S8, {6})), s(0.2f), z, b.constant(scattered<int32_t>({6}))},
      "conv", {{"group", int64_t{6}}, {"pads", Ints{1, 1, 1, 1}}});
  const auto sum =
      b.node("QLinearAdd", {conv, s(0.2f), z, "x", s(0.05f), z, s(0.3f), z}, "sum", {}, kMicrosoft);
  const auto product = b.node("QLinearMul", {sum, s(0.3f), z, "x", s(0.05f), z, s(0.5f), z},
                              "product", {}, kMicrosoft);
  const auto leaky = b.node("QLinearLeakyRelu", {product, s(0.5f), z, s(0.4f), z}, "leaky",
                            {{"alpha", 0.1f}}, kMicrosoft);
  const auto joined = b.node("QLinearConcat", {s(0.4f), z, leaky, s(0.4f), z, sum, s(0.3f), z},
                             "joined", {{"axis", int64_t{1}}}, kMicrosoft);
  b.node("QLinearGlobalAveragePool", {joined, s(0.4f), z, s(0.1f), z}, "y", {}, kMicrosoft);
  b.output("y", DataType::U8, {1, 12, 1, 1});
  return b;
}

/// Functions and operators on two float tensors.
inline ModelBuilder float_model() {
  ModelBuilder b;
  b.input("x", DataType::F32, {2, 3, 4});
  b.input("z", DataType::F32, {3, 1});
  auto x = b.node("Add", {"x", "z"}, "add");
  x = b.node("Mul", {x, b.vector<float>({1.5f, -2.0f, 0.25f, 3.0f})}, "mul");
  x = b.node("Sub", {x, "x"}, "sub");
  x = b.node("Div", {x, b.scalar(3.0f)}, "div");
  x = b.node("LeakyRelu", {x}, "leaky", {{"alpha", 0.2f}});
  x = b.node("Sigmoid", {x}, "sigmoid");
  x = b.node("HardSigmoid", {x}, "hard", {{"alpha", 0.25f}, {"beta", 0.5f}});
  x = b.node("Tanh", {x}, "tanh");
  x = b.node("Clip", {x, b.scalar(-0.9f), b.scalar(0.9f)}, "clip");
  b.node("Softmax", {x}, "soft", {{"axis", int64_t{-1}}});
  b.node("ReduceMean", {x}, "mean", {{"axes", Ints{2}}, {"keepdims", int64_t{0}}});
  b.node("ArgMax", {x}, "arg", {{"axis", int64_t{1}}});
  b.output("soft", DataType::F32, {2, 3, 4});
  b.output("mean", DataType::F32, {2, 3});
  b.output("arg", DataType::S64, {2, 1, 4});
  return b;
}

/// Pools, on integers and on binary32 numbers.
inline ModelBuilder pool_model() {
  ModelBuilder b;
  const auto x = quantized_input(b, "x", {1, 3, 7, 6});
  const auto largest =
      b.node("MaxPool", {x}, "largest", {{"kernel_shape", Ints{3, 2}}, {"strides", Ints{2, 1}}});
  quantized_output(b, largest, {1, 3, 3, 5});
  const auto mean = b.node("AveragePool", {x}, "mean",
                           {{"kernel_shape", Ints{2, 2}},
                            {"strides", Ints{2, 2}},
                            {"ceil_mode", int64_t{1}},
                            {"pads", Ints{1, 0, 0, 1}}});
  quantized_output(b, mean, {1, 3, 4, 4});
  b.node("GlobalAveragePool", {"x"}, "average");
  b.node("GlobalMaxPool", {"x"}, "maximum");
  b.node("AveragePool", {"x"}, "same",
         {{"kernel_shape", Ints{3, 3}}, {"auto_pad", std::string("SAME_UPPER")}});
  b.output("average", DataType::F32, {1, 3, 1, 1});
  b.output("maximum", DataType::F32, {1, 3, 1, 1});
  b.output("same", DataType::F32, {1, 3, 7, 6});
  return b;
}

/// All that only moves elements.
inline ModelBuilder movement_model() {
  ModelBuilder b;
  b.input("x", DataType::S8, {2, 3, 4});
  auto x = b.node("Transpose", {"x"}, "turned", {{"perm", Ints{0, 2, 1}}});
  x = b.node(
      "Slice",
      {x, b.vector(Ints{0, 3}), b.vector(Ints{2, 0}), b.vector(Ints{0, 1}), b.vector(Ints{1, -1})},
      "slice");
  x = b.node("Pad", {x, b.vector(Ints{0, 1, 0, 0, 0, 2}), b.scalar<int8_t>(7)}, "pad");
  x = b.node("Gather", {x, b.vector(Ints{2, 0, -1})}, "gather", {{"axis", int64_t{2}}});
  x = b.node("Unsqueeze", {x, b.vector(Ints{1})}, "more");
  x = b.node("Resize", {x, "", b.vector<float>({1, 1, 2, 1.5f})}, "resize",
             {{"coordinate_transformation_mode", std::string("asymmetric")},
              {"nearest_mode", std::string("floor")}});
  x = b.node("Squeeze", {x, b.vector(Ints{1})}, "fewer");
  b.node("Split", {x, b.vector(Ints{3, 5})}, "part", {{"axis", int64_t{1}}}, "", 2);
  x = b.node("Concat", {"part_1", "part"}, "joined", {{"axis", int64_t{1}}});
  b.node("Reshape", {x, b.vector(Ints{0, -1})}, "reshape");
  b.node("Flatten", {x}, "flat", {{"axis", int64_t{2}}});
  b.node("Identity", {x}, "same");
  b.output("reshape", DataType::S8, {2, 32});
  b.output("flat", DataType::S8, {16, 4});
  b.output("same", DataType::S8, {2, 8, 4});
  return b;
}

/// Movement between DequantizeLinear and QuantizeLinear.
inline ModelBuilder quantized_movement_model() {
  ModelBuilder b;
  const auto x = quantized_input(b, "x", {1, 4, 3, 3});
  auto y = b.node("Pad", {x, b.vector(Ints{0, 0, 1, 1, 0, 0, 1, 1})}, "pad");
  y = b.node("Resize", {y, "", "", b.vector(Ints{1, 4, 10, 5})}, "resize");
  y = b.node("Concat", {y, y}, "joined", {{"axis", int64_t{1}}});
  y = b.node("Transpose", {y}, "turned", {{"perm", Ints{0, 2, 3, 1}}});
  quantized_output(b, y, {1, 10, 5, 8});
  return b;
}

/// Products of two run-time operands, and an addition that broadcasts.
inline ModelBuilder attention_model() {
  ModelBuilder b;
  const auto x = quantized_input(b, "x", {2, 5, 8});
  const auto z = quantized_input(b, "z", {2, 8, 6});
  const auto scores = b.node("MatMul", {x, z}, "scores");
  b.quantize<int8_t>(scores, 0.4f, 1, "sq");
  const auto s = b.dequantize<int8_t>("sq", 0.4f, 1, "sd");
  const auto soft = b.node("Softmax", {s}, "soft", {{"axis", int64_t{-1}}});
  quantized_output(b, soft, {2, 5, 6});
  const auto sum = b.node("Add", {s, quantized_input(b, "v", {6})}, "sum");
  quantized_output(b, sum, {2, 5, 6});
  return b;
}

/// Integers that are the result.
inline ModelBuilder integer_model() {
  ModelBuilder b;
  b.input("x", DataType::U8, {1, 2, 4, 4});
  b.input("m", DataType::S8, {3, 7});
  b.node("ConvInteger",
         {"x", b.constant(scattered<uint8_t>({3, 2, 2, 2})), b.scalar<uint8_t>(9),
          b.scalar<uint8_t>(100)},
         "conv", {{"strides", Ints{2, 2}}});
  b.node("MatMulInteger", {"m", b.constant(scattered<int8_t>({7, 4})), b.scalar<int8_t>(-3)},
         "sums");
  b.node("Cast", {"sums"}, "floats", {{"to", int64_t{1}}});
  b.output("conv", DataType::S32, {1, 3, 2, 2});
  b.output("floats", DataType::F32, {3, 4});
  return b;
}

/// One dimension, per-channel weights, dilation.
inline ModelBuilder sequence_model() {
  ModelBuilder b;
  const auto x = quantized_input(b, "x", {1, 3, 12});
  const auto w =
      b.node("DequantizeLinear",
             {b.constant(scattered<int8_t>({4, 3, 3})),
              b.vector<float>({0.01f, 0.02f, 0.03f, 0.04f}), b.constant(Tensor(DataType::S8, {4}))},
             "w", {{"axis", int64_t{0}}});
  const auto y = b.node("Conv", {x, w}, "conv", {{"dilations", Ints{2}}, {"strides", Ints{2}}});
  quantized_output(b, b.node("Clip", {y, b.scalar(0.0f), b.scalar(6.0f)}, "clip"), {1, 4, 4});
  return b;
}

/// What is computed when the graph is built; a batch and a shape that the inputs say.
inline ModelBuilder constant_model() {
  ModelBuilder b;
  b.input("x", DataType::F32, {-1, 2, 3});
  b.input("shape", DataType::S64, {2});
  const auto dims = b.node("Shape", {"x"}, "dims");
  const auto first = b.node("Slice", {dims, b.vector(Ints{0}), b.vector(Ints{1})}, "first");
  const auto rest = b.node("Constant", {}, "rest", {{"value", Tensor(Shape{1}, Ints{-1})}});
  const auto target = b.node("Concat", {first, rest}, "target", {{"axis", int64_t{0}}});
  b.node("Reshape", {"x", target}, "y");
  b.output("y", DataType::F32, {-1, 6});
  return b;
}

inline std::vector<ModelBuilder> sample_models() {
  return {small_conv_model(), dense_model(),    qlinear_model(),           float_model(),
          pool_model(),       movement_model(), attention_model(),         integer_model(),
          sequence_model(),   constant_model(), quantized_movement_model()};
}

}  // namespace systole::test
