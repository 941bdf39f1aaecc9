// From ONNX to the canonical graph: what becomes what, and what is refused with which words.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "host/command/error.hpp"
#include "host/golden/graph_reference.hpp"
#include "host/graph/graph.hpp"
#include "host/graph/shapes.hpp"
#include "tests/host/model_builder.hpp"
#include "tests/support/seed.hpp"

namespace systole {
namespace {

using Catch::Matchers::Contains;
using test::ModelBuilder;
using Ints = std::vector<int64_t>;

std::vector<std::string> operators(const graph::Graph& graph) {
  std::vector<std::string> names;
  for (const graph::Node& node : graph.nodes) names.push_back(graph::operator_name(node.op));
  return names;
}
using Names = std::vector<std::string>;

// x s8 -> DQ -> `middle` -> Q -> y s8, scales 0.5 and `scale`, zero points 3 and `zero`.
template <typename Middle>
graph::Graph around(Middle middle, float scale = 0.5f, int8_t zero = 3,
                    const Shape& shape = {1, 2, 4, 6}) {
  ModelBuilder b;
  b.input("x", DataType::S8, shape);
  const auto d = b.dequantize<int8_t>("x", 0.5f, 3, "d");
  b.quantize<int8_t>(middle(b, d), scale, zero, "y");
  b.output("y", DataType::S8, {});
  return b.build();
}

Tensor random_weights(const Shape& shape, uint64_t stream) {
  auto rng = test::make_rng(stream);
  Tensor tensor(DataType::S8, shape);
  for (int64_t i = 0; i < tensor.size(); ++i) {
    tensor.data<int8_t>()[i] = static_cast<int8_t>(test::uniform(rng, -128, 127));
  }
  return tensor;
}

// A model that refuses to build, and the words it says.
void refuse(const ModelBuilder& b, const std::string& node, const std::string& reason,
            const graph::Tensors& inputs = {}) {
  CHECK_THROWS_WITH(b.build(inputs), Contains(node) && Contains(reason));
}

}  // namespace

TEST_CASE("QDQ convolution with Relu becomes one operator between Quantize and Dequantize",
          "[graph]") {
  const graph::Graph graph = test::small_conv_model().build();
  CHECK(operators(graph) == Names{"Quantize", "QConv", "Dequantize"});
  const auto& conv = std::get<graph::QConv>(graph.nodes[1].op);
  CHECK(conv.clamp.lo == -128);
  CHECK(conv.clamp.hi == 127);
  CHECK(conv.bias == std::vector<int32_t>{100, -2000, 30, 7});
  CHECK(conv.multiplier[2] == (0.05f * 0.01f) / 0.1f);
  CHECK(graph.output_of(graph.nodes[1]).shape == Shape{1, 4, 5, 6});
  CHECK(graph::mac_count(graph, graph.nodes[1]) == 4 * 5 * 6 * 2 * 9);
  CHECK(graph.value(graph.outputs[0]).name == "y");
  CHECK(graph.value(graph.inputs[0]).name == "x");
}

TEST_CASE("QDQ and QOperator models of one convolution are one graph", "[graph]") {
  const Tensor w = random_weights({4, 3, 3, 2}, 1);
  const std::vector<int32_t> bias{1, 2, 3, 4};
  ModelBuilder qdq;
  qdq.input("x", DataType::S8, {1, 3, 7, 8});
  const auto conv = qdq.node("Conv",
                             {qdq.dequantize<int8_t>("x", 0.5f, 3, "d"), qdq.weights(w, 0.25f, "w"),
                              qdq.weights(Tensor(Shape{4}, bias), 0.125f, "b")},
                             "conv", {{"strides", Ints{2, 1}}, {"auto_pad", "SAME_UPPER"}});
  qdq.quantize<int8_t>(conv, 2.0f, -9, "y");
  qdq.output("y", DataType::S8, {});
  ModelBuilder qop;
  qop.input("x", DataType::S8, {1, 3, 7, 8});
  qop.node("QLinearConv",
           {"x", qop.scalar(0.5f), qop.scalar<int8_t>(3), qop.constant(w), qop.scalar(0.25f),
            qop.scalar<int8_t>(0), qop.scalar(2.0f), qop.scalar<int8_t>(-9), qop.vector(bias)},
           "y", {{"strides", Ints{2, 1}}, {"pads", Ints{1, 0, 1, 1}}});
  qop.output("y", DataType::S8, {});
  const graph::Graph a = qdq.build();
  const graph::Graph b = qop.build();
  REQUIRE(operators(a) == Names{"QConv"});
  REQUIRE(operators(b) == Names{"QConv"});
  const auto& ca = std::get<graph::QConv>(a.nodes[0].op);
  const auto& cb = std::get<graph::QConv>(b.nodes[0].op);
  CHECK(ca.weights == cb.weights);
  CHECK(ca.bias == cb.bias);
  CHECK(ca.multiplier == cb.multiplier);
  CHECK(ca.window.pads == cb.window.pads);
  CHECK(ca.window.stride == cb.window.stride);
  CHECK(a.output_of(a.nodes[0]).shape == b.output_of(b.nodes[0]).shape);
}

TEST_CASE("a standalone Relu is a clamp at the zero point", "[graph]") {
  const auto relu = [](ModelBuilder& b, const std::string& x) { return b.node("Relu", {x}, "r"); };
  const graph::Graph same = around(relu);
  REQUIRE(operators(same) == Names{"Requantize"});
  CHECK(std::get<graph::Requantize>(same.nodes[0].op).clamp.lo == 3);
  const graph::Graph other = around(relu, 0.25f, -20);
  CHECK(std::get<graph::Requantize>(other.nodes[0].op).clamp.lo == -20);
  CHECK(std::get<graph::Requantize>(other.nodes[0].op).x.scale == 0.5f);
}

TEST_CASE("Clip is a clamp at its quantized bounds", "[graph]") {
  const graph::Graph graph = around([](ModelBuilder& b, const std::string& x) {
    return b.node("Clip", {x, b.scalar(-1.0f), b.scalar(6.0f)}, "c");
  });
  const auto clamp = std::get<graph::Requantize>(graph.nodes[0].op).clamp;
  CHECK(clamp.lo == 1);
  CHECK(clamp.hi == 15);
}

TEST_CASE("DequantizeLinear and QuantizeLinear of equal parameters vanish around data movement",
          "[graph]") {
  const graph::Graph graph = around([](ModelBuilder& b, const std::string& x) {
    const auto t = b.node("Transpose", {x}, "t", {{"perm", Ints{0, 2, 3, 1}}});
    return b.node("Flatten", {t}, "f", {{"axis", int64_t{2}}});
  });
  CHECK(operators(graph) == Names{"Transpose", "Reshape"});
  CHECK(graph.value(graph.outputs[0]).shape == Shape{4, 12});
  CHECK(graph.value(graph.outputs[0]).type == DataType::S8);
}

TEST_CASE("an activation behind a pool or a movement joins the operator before them", "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::S8, {1, 2, 6, 6});
  const auto conv = b.node("Conv",
                           {b.dequantize<int8_t>("x", 0.5f, 3, "d"),
                            b.weights(random_weights({4, 2, 3, 3}, 2), 0.25f, "w")},
                           "conv");
  const auto pool = b.node("MaxPool", {conv}, "p", {{"kernel_shape", Ints{2, 2}}});
  b.quantize<int8_t>(b.node("Relu", {pool}, "r"), 1.0f, -5, "y");
  b.output("y", DataType::S8, {});
  const graph::Graph graph = b.build();
  CHECK(operators(graph) == Names{"QConv", "QMaxPool"});
  CHECK(std::get<graph::QConv>(graph.nodes[0].op).clamp.lo == -5);
}

TEST_CASE("Gemm and MatMul with constant weights become one form", "[graph]") {
  const Tensor w = random_weights({5, 10}, 3);  // [N, K]
  ModelBuilder gemm;
  gemm.input("x", DataType::S8, {4, 10});
  gemm.quantize<int8_t>(
      gemm.node("Gemm", {gemm.dequantize<int8_t>("x", 0.5f, 3, "d"), gemm.weights(w, 0.25f, "w")},
                "g", {{"transB", int64_t{1}}, {"alpha", 0.5f}}),
      1.0f, 0, "y");
  gemm.output("y", DataType::S8, {});
  ModelBuilder matmul;
  matmul.input("x", DataType::S8, {2, 2, 10});
  matmul.quantize<int8_t>(matmul.node("MatMul",
                                      {matmul.dequantize<int8_t>("x", 0.5f, 3, "d"),
                                       matmul.weights(graph::transpose(w, {1, 0}), 0.25f, "w")},
                                      "m"),
                          1.0f, 0, "y");
  matmul.output("y", DataType::S8, {});
  const graph::Graph a = gemm.build();
  const graph::Graph b = matmul.build();
  REQUIRE(operators(a) == Names{"QGemm"});
  REQUIRE(operators(b) == Names{"Reshape", "QGemm", "Reshape"});
  const auto& ga = std::get<graph::QGemm>(a.nodes[0].op);
  const auto& gb = std::get<graph::QGemm>(b.nodes[1].op);
  CHECK(ga.weights.shape() == Shape{10, 5});
  CHECK(ga.weights == gb.weights);
  CHECK(ga.multiplier[0] == 0.0625f);
  CHECK(gb.multiplier[0] == 0.125f);
  CHECK(b.value(b.outputs[0]).shape == Shape{2, 2, 5});
}

TEST_CASE("MatMul of run-time operands broadcasts its batches", "[graph]") {
  ModelBuilder b;
  b.input("a", DataType::S8, {2, 1, 3, 4});
  b.input("b", DataType::U8, {3, 4, 5});
  b.quantize<int8_t>(
      b.node("MatMul",
             {b.dequantize<int8_t>("a", 0.5f, 3, "ad"), b.dequantize<uint8_t>("b", 0.5f, 9, "bd")},
             "m"),
      1.0f, 0, "y");
  b.output("y", DataType::S8, {});
  const graph::Graph graph = b.build();
  REQUIRE(operators(graph) == Names{"Reshape", "QMatMul", "Reshape"});
  const auto& op = std::get<graph::QMatMul>(graph.nodes[1].op);
  CHECK(op.a_batch == Ints{0, 0, 0, 1, 1, 1});
  CHECK(op.b_batch == Ints{0, 1, 2, 0, 1, 2});
  CHECK(graph.value(graph.outputs[0]).shape == Shape{2, 3, 3, 5});
}

TEST_CASE("an added constant and a float bias become the s32 bias", "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::S8, {4, 10});
  const auto m = b.node(
      "MatMul",
      {b.dequantize<int8_t>("x", 0.5f, 3, "d"), b.weights(random_weights({10, 3}, 4), 0.25f, "w")},
      "m");
  const auto sum = b.node("Add", {b.vector<float>({1.0f, -0.1875f, 100.0f}), m}, "s");
  b.quantize<int8_t>(sum, 1.0f, 0, "y");
  b.output("y", DataType::S8, {});
  const graph::Graph graph = b.build();
  REQUIRE(operators(graph) == Names{"QGemm"});
  // In units of 0.5 * 0.25; a tie goes to the even number.
  CHECK(std::get<graph::QGemm>(graph.nodes[0].op).bias == std::vector<int32_t>{8, -2, 800});
}

TEST_CASE("weights stored as float, quantized and moved in the model are folded", "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::S8, {1, 2});
  const Tensor real(Shape{3, 2}, std::vector<float>{1, 2, 3, 4, 5, -600});
  const auto q = b.quantize<int8_t>(b.constant(real), 0.5f, 0, "wq");
  const auto t = b.node("Transpose", {b.dequantize<int8_t>(q, 0.5f, 0, "wd")}, "wt");
  b.quantize<int8_t>(b.node("MatMul", {b.dequantize<int8_t>("x", 1.0f, 0, "d"), t}, "m"), 1.0f, 0,
                     "y");
  b.output("y", DataType::S8, {});
  const graph::Graph graph = b.build();
  REQUIRE(operators(graph) == Names{"QGemm"});
  CHECK(std::get<graph::QGemm>(graph.nodes[0].op).weights ==
        Tensor(Shape{2, 3}, std::vector<int8_t>{2, 6, 10, 4, 8, -128}));
}

TEST_CASE("Add rounds as the judge's kernel for it does", "[graph]") {
  const auto build = [](int8_t zero, bool relu, DataType second) {
    ModelBuilder b;
    b.input("a", DataType::S8, {1, 4});
    b.input("b", second, {3, 1});
    const auto bd = second == DataType::S8 ? b.dequantize<int8_t>("b", 0.5f, 1, "bd")
                                           : b.dequantize<uint8_t>("b", 0.5f, 1, "bd");
    auto y = b.node("Add", {b.dequantize<int8_t>("a", 0.5f, 3, "ad"), bd}, "s");
    if (relu) y = b.node("Relu", {y}, "r");
    b.quantize<int8_t>(y, 0.7f, zero, "y");
    b.output("y", DataType::S8, {});
    return b.build();
  };
  const auto rounding = [](const graph::Graph& graph) {
    return std::get<graph::QAdd>(graph.nodes[0].op).rounding;
  };
  CHECK(rounding(build(5, false, DataType::S8)) == graph::Rounding::AfterOffset);
  CHECK(rounding(build(-128, true, DataType::S8)) == graph::Rounding::AfterOffset);
  CHECK(rounding(build(5, true, DataType::S8)) == graph::Rounding::BeforeOffset);
  CHECK(rounding(build(5, false, DataType::U8)) == graph::Rounding::BeforeOffset);
  // The judge takes an activation out only where nothing but Transpose stands before it.
  const auto moved = [](const std::string& op, const Ints& request) {
    ModelBuilder b;
    b.input("x", DataType::S8, {2, 3});
    const auto d = b.dequantize<int8_t>("x", 0.5f, 3, "d");
    const auto sum = b.node("Add", {d, d}, "s");
    const auto m = op == "Reshape" ? b.node(op, {sum, b.vector(request)}, "m")
                                   : b.node(op, {sum}, "m", {{"perm", request}});
    b.quantize<int8_t>(b.node("Relu", {m}, "r"), 0.7f, -128, "y");
    b.output("y", DataType::S8, {});
    return b.build();
  };
  CHECK(rounding(moved("Transpose", {1, 0})) == graph::Rounding::AfterOffset);
  CHECK(rounding(moved("Reshape", {6})) == graph::Rounding::BeforeOffset);
  // The operand that stands still along the inner dimension is the second one.
  const graph::Graph graph = build(5, false, DataType::S8);
  CHECK(graph.value(graph.nodes[0].inputs[1]).name == "b");
}

TEST_CASE("an AveragePool over the whole image without padding is a GlobalAveragePool", "[graph]") {
  const auto build = [](const Ints& kernel, const Ints& pads, uint8_t zero) {
    ModelBuilder b;
    b.input("x", DataType::U8, {1, 2, 5, 4});
    const auto y = b.node("AveragePool", {b.dequantize<uint8_t>("x", 0.5f, 3, "xd")}, "p",
                          {{"kernel_shape", kernel}, {"pads", pads}});
    b.quantize<uint8_t>(b.node("Relu", {y}, "r"), 0.5f, zero, "y");
    b.output("y", DataType::U8, {});
    return operators(b.build());
  };
  CHECK(build({5, 4}, {0, 0, 0, 0}, 0) == Names{"QGlobalAveragePool"});
  CHECK(build({5, 3}, {0, 0, 0, 0}, 0) == Names{"QAveragePool"});
  CHECK(build({6, 4}, {1, 0, 0, 0}, 0) == Names{"QAveragePool"});
  // An activation that the output's range does not imply keeps the judge's kernel in float.
  CHECK(build({5, 4}, {0, 0, 0, 0}, 7) == Names{"QAveragePool"});
}

TEST_CASE("two pairs of QuantizeLinear and DequantizeLinear in a row become one", "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::F32, {4});
  const auto first = b.dequantize<int8_t>(b.quantize<int8_t>("x", 0.5f, 0, "q1"), 0.5f, 0, "d1");
  b.dequantize<int8_t>(b.quantize<int8_t>(first, 0.25f, 0, "q2"), 0.25f, 0, "y");
  b.output("y", DataType::F32, {4});
  const graph::Graph graph = b.build();
  REQUIRE(operators(graph) == Names{"Quantize", "Dequantize"});
  // Both cover [-32, 31.75].
  CHECK(std::get<graph::Quantize>(graph.nodes[0].op).scale[0] == 63.75f / 255.0f);
}

TEST_CASE("a dynamic batch takes the size of the input", "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::S8, {-1, 6});
  b.quantize<int8_t>(b.node("Relu", {b.dequantize<int8_t>("x", 0.5f, 3, "d")}, "r"), 1.0f, 0, "y");
  b.output("y", DataType::S8, {});
  CHECK(graph::dynamic_inputs(b.parse()) == Names{"x"});
  const graph::Graph graph = b.build({{"x", Tensor(DataType::S8, {7, 6})}});
  CHECK(graph.value(graph.outputs[0]).shape == Shape{7, 6});
  refuse(b, "input 'x'", "batch dimension is dynamic");
  refuse(b, "input 'x'", "expected int8 [N, 6], got int8 [7, 5]",
         {{"x", Tensor(DataType::S8, {7, 5})}});
  refuse(b, "no input 'z'", "one of: x", {{"z", Tensor(DataType::S8, {7, 6})}});
}

TEST_CASE("scales, weights and biases that are inputs are bound when the graph is built",
          "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::S8, {1, 1, 3, 3});
  b.input("x_scale", DataType::F32, {});
  b.input("w", DataType::S8, {2, 1, 2, 2});
  b.node("QLinearConv",
         {"x", "x_scale", b.scalar<int8_t>(0), "w", b.scalar(1.0f), b.scalar<int8_t>(0),
          b.scalar(1.0f), b.scalar<int8_t>(0)},
         "y");
  b.output("y", DataType::S8, {});
  CHECK(graph::parameter_inputs(b.parse()) == Names{"x_scale", "w"});
  const Tensor w = random_weights({2, 1, 2, 2}, 5);
  const graph::Graph graph =
      b.build({{"x_scale", Tensor(Shape{}, std::vector<float>{2.5f})}, {"w", w}});
  const auto& conv = std::get<graph::QConv>(graph.nodes[0].op);
  CHECK(conv.x.scale == 2.5f);
  CHECK(conv.weights == w);
  CHECK(graph.inputs.size() == 1);
  refuse(b, "input 'x_scale'", "missing input", {{"w", w}});
}

TEST_CASE("a missing or wrong run-time input is named", "[graph]") {
  const auto model = test::small_conv_model().parse();
  const graph::Graph graph = graph::build(model);
  const auto check = [&](const graph::Tensors& inputs) {
    graph::check_inputs(graph, model, inputs);
  };
  CHECK_NOTHROW(check({{"x", Tensor(DataType::F32, {1, 2, 5, 6})}}));
  CHECK_THROWS_WITH(check({}), Contains("missing input") && Contains("'x'"));
  CHECK_THROWS_WITH(check({{"x", Tensor(DataType::F32, {1, 2, 5, 7})}}),
                    Contains("[1, 2, 5, 6]") && Contains("[1, 2, 5, 7]"));
  CHECK_THROWS_WITH(check({{"x", Tensor(DataType::S8, {1, 2, 5, 6})}}), Contains("got int8"));
  CHECK_THROWS_WITH(check({{"u", Tensor(DataType::S8, {1})}}), Contains("unknown input"));
}

TEST_CASE("a float model is refused with the node that needs QDQ", "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::F32, {1, 1, 4, 4});
  b.node("Conv", {"x", b.constant(Tensor(DataType::F32, {1, 1, 2, 2}))}, "first");
  b.output("first", DataType::F32, {});
  refuse(b, "'first' (Conv)", "QDQ");

  ModelBuilder weights;
  weights.input("x", DataType::S8, {1, 1, 4, 4});
  weights.node("Conv",
               {weights.dequantize<int8_t>("x", 1.0f, 0, "d"),
                weights.constant(Tensor(DataType::F32, {1, 1, 2, 2}), "w")},
               "conv");
  weights.output("conv", DataType::F32, {});
  refuse(weights, "'conv' (Conv)", "weights 'w' are not quantized");

  ModelBuilder output;
  output.input("x", DataType::S8, {1, 1, 4, 4});
  output.node("Conv",
              {output.dequantize<int8_t>("x", 1.0f, 0, "d"),
               output.weights(random_weights({1, 1, 2, 2}, 6), 1.0f, "w")},
              "conv");
  output.output("conv", DataType::F32, {});
  refuse(output, "output 'conv'", "straight from 'conv' (Conv)");
}

// x u8 [4, 10] times s8 weights [10, 3], each through DequantizeLinear, by `op`.
struct ProductModel : ModelBuilder {
  ProductModel() {
    input("x", DataType::U8, {4, 10});
    dequantize<uint8_t>("x", 0.5f, 3, "d");
    weights(random_weights({10, 3}, 9), 0.25f, "w");
  }
  std::string s32_bias(float scale = 0.125f) {
    return weights(Tensor(Shape{3}, std::vector<int32_t>{7, -8, 9}), scale, "b");
  }
};

TEST_CASE("a product that nothing quantizes has a float result", "[graph]") {
  ProductModel gemm;
  const auto sum = gemm.node("Gemm", {"d", "w", gemm.s32_bias()}, "g");
  gemm.node("Relu", {sum}, "y");
  gemm.output("y", DataType::F32, {});
  const graph::Graph a = gemm.build();
  REQUIRE(operators(a) == Names{"QGemm"});
  const auto& op = std::get<graph::QGemm>(a.nodes[0].op);
  CHECK(op.bias == std::vector<int32_t>{7, -8, 9});
  CHECK(op.multiplier == std::vector<float>(3, 0.125f));
  CHECK(op.float_clamp.lo == 0.0f);
  CHECK(op.float_clamp.hi == std::numeric_limits<float>::infinity());
  CHECK(a.value(a.outputs[0]).type == DataType::F32);

  ProductModel matmul;
  const auto added =
      matmul.node("Add", {matmul.s32_bias(), matmul.node("MatMul", {"d", "w"}, "m")}, "s");
  matmul.node("Transpose", {added}, "y", {{"perm", Ints{1, 0}}});
  matmul.output("y", DataType::F32, {});
  const graph::Graph b = matmul.build();
  REQUIRE(operators(b) == Names{"QGemm", "Transpose"});
  CHECK(std::get<graph::QGemm>(b.nodes[0].op).bias == op.bias);
  CHECK(std::get<graph::QGemm>(b.nodes[0].op).float_clamp.is_full());
}

// Biases of the only product of a model.
std::vector<int32_t> biases(const ModelBuilder& b) {
  const graph::Graph graph = b.build();
  for (const graph::Node& node : graph.nodes) {
    if (const auto* conv = std::get_if<graph::QConv>(&node.op)) return conv->bias;
    if (const auto* gemm = std::get_if<graph::QGemm>(&node.op)) return gemm->bias;
  }
  return {};
}

// ProductModel's Gemm with a bias of `scale` (0.125 is the accumulator's), `tail` of it quantized.
template <typename Tail>
ProductModel biased_gemm(float scale, Tail tail, uint8_t zero = 9,
                         const std::map<std::string, onnx::Attribute>& more = {}) {
  ProductModel b;
  const auto sum = b.node("Gemm", {"d", "w", b.s32_bias(scale)}, "g", more);
  b.quantize<uint8_t>(tail(b, sum), 1.0f, zero, "y");
  b.output("y", DataType::U8, {});
  return b;
}
const auto nothing = [](ModelBuilder&, const std::string& x) { return x; };
const auto relu = [](ModelBuilder& b, const std::string& x) { return b.node("Relu", {x}, "r"); };

constexpr const char* kOwnScale = "bias 'b' has a scale of its own";

TEST_CASE("an s32 bias of any scale is added as it is where the judge fuses", "[graph]") {
  const std::vector<int32_t> as_is{7, -8, 9};
  for (const float scale : {0.125f, 0.12625f, 0.2f, 0.375f, 0.0625f}) {
    CAPTURE(scale);
    CHECK(biases(biased_gemm(scale, nothing)) == as_is);
    CHECK(biases(biased_gemm(scale, relu, 0)) == as_is);
    CHECK(biases(biased_gemm(scale, nothing, 9, {{"alpha", 0.37f}})) == as_is);

    ProductModel matmul;
    const auto m = matmul.node("MatMul", {"d", "w"}, "m");
    const auto sum = matmul.node("Add", {m, matmul.s32_bias(scale)}, "s");
    matmul.quantize<uint8_t>(sum, 1.0f, 9, "y");
    matmul.output("y", DataType::U8, {});
    CHECK(biases(matmul) == as_is);

    ModelBuilder conv;
    conv.input("x", DataType::S8, {1, 2, 4, 4});
    const auto d = conv.dequantize<int8_t>("x", 0.5f, 3, "d");
    const auto w = conv.weights(random_weights({3, 2, 2, 2}, 6), 0.25f, "w");
    const auto b = conv.weights(Tensor(Shape{3}, as_is), scale, "b");
    conv.quantize<int8_t>(conv.node("Conv", {d, w, b}, "c"), 1.0f, 9, "y");
    conv.output("y", DataType::S8, {});
    CHECK(biases(conv) == as_is);

    ProductModel real;
    real.output(real.node("Gemm", {"d", "w", real.s32_bias(scale)}, "y"), DataType::F32, {});
    CHECK(biases(real) == as_is);
  }
}

TEST_CASE("an s32 bias that the judge adds in float is rescaled if it stays whole", "[graph]") {
  // An activation that the output's range does not imply; the accumulator's scale is 0.125.
  CHECK(biases(biased_gemm(0.125f, relu)) == std::vector<int32_t>{7, -8, 9});
  CHECK(biases(biased_gemm(std::nextafter(0.125f, 1.0f), relu)) == std::vector<int32_t>{7, -8, 9});
  CHECK(biases(biased_gemm(0.375f, relu)) == std::vector<int32_t>{21, -24, 27});
  CHECK(biases(biased_gemm(0.125f, nothing, 9, {{"beta", 2.0f}})) ==
        std::vector<int32_t>{14, -16, 18});
  for (const float scale : {0.12625f, 0.2f, 0.0625f}) {
    refuse(biased_gemm(scale, relu), "'g' (Gemm)", kOwnScale);
  }
  refuse(biased_gemm(0.125f, nothing, 9, {{"beta", 0.3f}}), "'g' (Gemm)", kOwnScale);
}

TEST_CASE("a bias of its own scale is refused where it is open what the judge fuses", "[graph]") {
  const auto flat_relu = [](ModelBuilder& b, const std::string& x) {
    return b.node("Relu", {b.node("Flatten", {x}, "f")}, "r");
  };
  CHECK(biases(biased_gemm(0.125f, flat_relu, 0)) == std::vector<int32_t>{7, -8, 9});
  refuse(biased_gemm(0.375f, flat_relu, 0), "'g' (Gemm)", kOwnScale);

  ProductModel add;  // which no Gemm takes in
  const auto sum = add.node("Add", {add.node("Gemm", {"d", "w"}, "g"), add.s32_bias(0.2f)}, "s");
  add.quantize<uint8_t>(sum, 1.0f, 9, "y");
  add.output("y", DataType::U8, {});
  refuse(add, "'s' (Add)", kOwnScale);

  ProductModel mixed;
  mixed.quantize<int8_t>(mixed.node("Gemm", {"d", "w", mixed.s32_bias(0.2f)}, "g"), 1.0f, 9, "y");
  mixed.output("y", DataType::S8, {});
  refuse(mixed, "'g' (Gemm)", kOwnScale);
}

TEST_CASE("an s32 bias that is moved behind its DequantizeLinear is refused", "[graph]") {
  ProductModel b;
  const auto moved = b.node("Reshape", {b.s32_bias(), b.vector<int64_t>({1, 3})}, "moved");
  b.quantize<uint8_t>(b.node("Gemm", {"d", "w", moved}, "g"), 1.0f, 9, "y");
  b.output("y", DataType::U8, {});
  refuse(b, "'g' (Gemm)", "bias 'moved' is moved");
}

TEST_CASE("a MatMul of three dimensions with a bias is a float product before an activation",
          "[graph]") {
  const auto build = [](bool activated, float scale) {
    ModelBuilder b;
    b.input("x", DataType::U8, {2, 4, 10});
    const auto d = b.dequantize<uint8_t>("x", 0.5f, 3, "d");
    const auto m = b.node("MatMul", {d, b.weights(random_weights({10, 3}, 9), 0.25f, "w")}, "m");
    const auto bias = b.weights(Tensor(Shape{3}, std::vector<int32_t>{7, -8, 9}), scale, "b");
    const auto sum = b.node("Add", {m, bias}, "s");
    b.quantize<uint8_t>(activated ? b.node("Relu", {sum}, "r") : sum, 1.0f, 9, "y");
    b.output("y", DataType::U8, {});
    CHECK(biases(b) == std::vector<int32_t>{7, -8, 9});
    return operators(b.build());
  };
  CHECK(build(false, 0.2f) == Names{"Reshape", "QGemm", "Reshape"});
  CHECK(build(true, 0.2f) == Names{"Reshape", "QGemm", "Quantize", "Reshape"});
}

TEST_CASE("the scale of a float product takes Gemm's alpha first", "[graph]") {
  ProductModel b;
  b.node("Gemm", {"d", b.weights(random_weights({10, 3}, 9), 0.3f, "v")}, "y", {{"alpha", 0.37f}});
  b.output("y", DataType::F32, {});
  const graph::Graph graph = b.build();
  CHECK(std::get<graph::QGemm>(graph.nodes[0].op).multiplier[0] == (0.37f * 0.5f) * 0.3f);
}

TEST_CASE("MatMul of run-time operands has a float result too", "[graph]") {
  ModelBuilder b;
  b.input("a", DataType::U8, {2, 3, 4});
  b.input("b", DataType::S8, {2, 4, 5});
  b.node("MatMul",
         {b.dequantize<uint8_t>("a", 0.5f, 3, "ad"), b.dequantize<int8_t>("b", 0.5f, 9, "bd")},
         "y");
  b.output("y", DataType::F32, {});
  const graph::Graph graph = b.build();
  REQUIRE(operators(graph) == Names{"QMatMul"});
  CHECK(graph.output_of(graph.nodes[0]).type == DataType::F32);
}

TEST_CASE("a float product is computed once for an output and a quantization behind Flatten",
          "[graph]") {
  ProductModel b;
  const auto flat = b.node("Flatten", {b.node("MatMul", {"d", "w"}, "m")}, "f");
  b.quantize<uint8_t>(b.node("Relu", {flat}, "r"), 0.5f, 9, "q");
  b.output("f", DataType::F32, {});
  b.output("q", DataType::U8, {});
  const graph::Graph graph = b.build();
  REQUIRE(operators(graph) == Names{"QGemm", "Quantize"});
  CHECK(graph.nodes[1].inputs[0] == graph.nodes[0].output);
  CHECK(std::get<graph::Quantize>(graph.nodes[1].op).clamp.lo == 9);
}

TEST_CASE("a product that the judge computes in float is refused with the reason", "[graph]") {
  const auto refuse_product = [](const std::string& reason, auto body) {
    ProductModel b;
    b.output(body(b), DataType::F32, {});
    refuse(b, "output", reason);
  };
  refuse_product("a bias that is not int32", [](ProductModel& b) {
    return b.node("Gemm", {"d", "w", b.vector<float>({1, 2, 3})}, "y");
  });
  refuse_product("or that beta scales", [](ProductModel& b) {
    return b.node("Gemm", {"d", "w", b.s32_bias(0.0625f)}, "y", {{"beta", 2.0f}});
  });
  refuse_product("a Transpose of it that is quantized", [](ProductModel& b) {
    b.node("MatMul", {"d", "w"}, "y");
    const auto t = b.node("Transpose", {"y"}, "t", {{"perm", Ints{1, 0}}});
    b.output(b.quantize<int8_t>(t, 1.0f, 0, "q"), DataType::S8, {});
    return "y";
  });
  refuse_product("an Add behind it", [](ProductModel& b) {
    return b.node("Add", {b.node("Gemm", {"d", "w"}, "g"), b.s32_bias()}, "y");
  });
  refuse_product("an Add behind it", [](ProductModel& b) {
    return b.node("Add", {b.node("MatMul", {"d", "w"}, "m"), b.scalar(1.0f)}, "y");
  });
  refuse_product("a Transpose behind a Gemm", [](ProductModel& b) {
    return b.node("Transpose", {b.node("Gemm", {"d", "w"}, "g")}, "y");
  });
  refuse_product("Relu and Flatten behind it", [](ProductModel& b) {
    return b.node("Flatten", {b.node("Relu", {b.node("Gemm", {"d", "w"}, "g")}, "r")}, "y");
  });
  refuse_product("quantized for one of its readers", [](ProductModel& b) {
    b.node("MatMul", {"d", "w"}, "y");
    b.output(b.quantize<int8_t>("y", 1.0f, 0, "q"), DataType::S8, {});
    return "y";
  });
  refuse_product("between DequantizeLinear and the product", [](ProductModel& b) {
    return b.node("MatMul", {b.node("Flatten", {"d"}, "f"), "w"}, "y");
  });

  ModelBuilder mixed;
  mixed.input("x", DataType::S8, {4, 10});
  const Tensor w(DataType::U8, {10, 3});
  mixed.node("MatMul", {mixed.dequantize<int8_t>("x", 0.5f, 3, "d"), mixed.weights(w, 1.0f, "w")},
             "y");
  mixed.output("y", DataType::F32, {});
  refuse(mixed, "straight from 'y' (MatMul)", "int8 times uint8");
}

TEST_CASE("unsupported operators, attributes and types are named", "[graph]") {
  ModelBuilder op;
  op.input("x", DataType::F32, {4});
  op.node("Einsum", {"x"}, "sum");
  op.output("sum", DataType::F32, {4});
  refuse(op, "'sum' (Einsum)", "operator Einsum is not supported");

  ModelBuilder attribute;
  attribute.input("x", DataType::F32, {4});
  attribute.node("QuantizeLinear", {"x", attribute.scalar(1.0f), attribute.scalar<int8_t>(0)}, "y",
                 {{"output_dtype", int64_t{5}}});
  attribute.output("y", DataType::S8, {4});
  refuse(attribute, "'y' (QuantizeLinear)", "output_dtype");

  ModelBuilder kind;
  kind.input("x", DataType::F32, {4});
  kind.node("Flatten", {"x"}, "y", {{"axis", 1.5f}});
  kind.output("y", DataType::F32, {4});
  refuse(kind, "'y' (Flatten)", "attribute 'axis' has the wrong type");

  ModelBuilder type;
  type.input("x", DataType::S64, {4});
  type.node("Relu", {"x"}, "y");
  type.output("y", DataType::F32, {4});
  refuse(type, "'y' (Relu)", "got int64");
}

TEST_CASE("scales and zero points out of range are named", "[graph]") {
  for (float scale : {0.0f, -1.0f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    ModelBuilder b;
    b.input("x", DataType::F32, {4});
    b.quantize<int8_t>("x", scale, 0, "y");
    b.output("y", DataType::S8, {4});
    refuse(b, "'y' (QuantizeLinear)", "finite and positive");
  }
  ModelBuilder type;
  type.input("x", DataType::S8, {4});
  type.dequantize<uint8_t>("x", 1.0f, 0, "y");
  type.output("y", DataType::F32, {4});
  refuse(type, "'y' (DequantizeLinear)", "expected int8, got uint8");
  ModelBuilder channels;
  channels.input("x", DataType::F32, {4, 3});
  channels.node("QuantizeLinear", {"x", channels.vector<float>({1, 2})}, "y");
  channels.output("y", DataType::U8, {4, 3});
  refuse(channels, "'y' (QuantizeLinear)", "1 or 3 elements, got 2");
}

TEST_CASE("shapes that do not fit are named", "[graph]") {
  const auto conv = [](const Shape& weights, const std::map<std::string, onnx::Attribute>& more) {
    ModelBuilder b;
    b.input("x", DataType::S8, {1, 4, 5, 5});
    b.quantize<int8_t>(b.node("Conv",
                              {b.dequantize<int8_t>("x", 1.0f, 0, "d"),
                               b.weights(random_weights(weights, 7), 1.0f, "w")},
                              "conv", more),
                       1.0f, 0, "y");
    b.output("y", DataType::S8, {});
    return b;
  };
  CHECK_NOTHROW(conv({6, 2, 3, 3}, {{"group", int64_t{2}}}).build());
  refuse(conv({6, 3, 3, 3}, {}), "'conv' (Conv)", "do not match");
  refuse(conv({6, 2, 3, 3}, {{"group", int64_t{0}}}), "'conv' (Conv)", "do not match");
  refuse(conv({5, 2, 3, 3}, {{"group", int64_t{2}}}), "'conv' (Conv)", "do not match");
  refuse(conv({6, 4, 6, 3}, {}), "'conv' (Conv)", "window is larger");
  refuse(conv({6, 4, 3, 3}, {{"kernel_shape", Ints{2, 3}}}), "'conv' (Conv)", "kernel_shape");
  refuse(conv({6, 4, 3, 3}, {{"strides", Ints{0, 1}}}), "'conv' (Conv)", "strides");
  refuse(conv({6, 4, 3, 3}, {{"pads", Ints{0, -1, 0, 0}}}), "'conv' (Conv)", "pads");
  refuse(conv({6, 4, 3, 3}, {{"pads", Ints{1, 1}}}), "'conv' (Conv)", "pads");
  refuse(conv({6, 4, 3, 3}, {{"auto_pad", "SOME"}}), "'conv' (Conv)", "auto_pad");
  const int64_t huge = int64_t{1} << 40;
  refuse(conv({6, 4, 3, 3}, {{"dilations", Ints{huge, huge}}}), "'conv' (Conv)", "dilations");
  refuse(conv({6, 4, 3, 3}, {{"pads", Ints{1 << 20, 1 << 20, 1 << 20, 1 << 20}}}), "'conv' (Conv)",
         "too large");

  ModelBuilder b;
  b.input("x", DataType::S8, {2, 6});
  b.node("Reshape", {"x", b.vector<int64_t>({5, -1})}, "r");
  b.output("r", DataType::S8, {});
  refuse(b, "'r' (Reshape)", "12 elements");
}

TEST_CASE("Reshape, Flatten, Squeeze and Unsqueeze infer what ONNX says", "[graph]") {
  CHECK(graph::reshape_target({2, 3, 4}, {0, -1}, false, "") == Shape{2, 12});
  CHECK(graph::reshape_target({2, 3, 4}, {4, 3, -1, 2}, false, "") == Shape{4, 3, 1, 2});
  CHECK(graph::flatten_target({2, 3, 4}, 0, "") == Shape{1, 24});
  CHECK(graph::flatten_target({2, 3, 4}, -1, "") == Shape{6, 4});
  CHECK(graph::flatten_target({2, 3, 4}, 3, "") == Shape{24, 1});
  CHECK(graph::squeeze_target({1, 3, 1}, {}, "") == Shape{3});
  CHECK(graph::squeeze_target({1, 3, 1}, {-1}, "") == Shape{1, 3});
  CHECK(graph::unsqueeze_target({3}, {0, -1}, "") == Shape{1, 3, 1});
  CHECK_THROWS_AS(graph::reshape_target({2, 3}, {-1, -1}, false, "x"), Error);
  CHECK_THROWS_AS(graph::squeeze_target({2, 3}, {0}, "x"), Error);
  CHECK_THROWS_AS(graph::permutation({0, 0}, 2, "x"), Error);
}

TEST_CASE("windows are placed as ONNX says, at the edges too", "[graph]") {
  graph::WindowAttributes w;
  w.kernel = {3, 3};
  w.strides = {2, 2};
  CHECK(graph::place_window(w, 7, 8, "").height == 3);
  CHECK(graph::place_window(w, 7, 8, "").width == 3);
  w.ceil_mode = true;
  CHECK(graph::place_window(w, 7, 8, "").width == 4);
  w.ceil_mode = false;
  w.auto_pad = "SAME_UPPER";
  const auto upper = graph::place_window(w, 7, 8, "");
  CHECK(upper.width == 4);
  CHECK(upper.window.pads == std::array<int64_t, 4>{1, 0, 1, 1});
  w.auto_pad = "SAME_LOWER";
  CHECK(graph::place_window(w, 7, 8, "").window.pads == std::array<int64_t, 4>{1, 1, 1, 0});
  w = {};
  w.kernel = {1};
  w.strides = {3};
  w.auto_pad = "SAME_UPPER";
  CHECK(graph::place_window(w, 1, 9, "").window.pads[1] == 0);
  w.is_pool = true;
  CHECK(graph::place_window(w, 1, 9, "").window.pads[1] == -1);
}

TEST_CASE("a scale whose reciprocal overflows is refused with its node", "[graph]") {
  for (const float scale : {2.9e-39f, 3.0e-39f}) {
    ModelBuilder b;
    b.input("x", DataType::F32, {4});
    b.quantize<int8_t>("x", scale, 0, "y");
    b.output("y", DataType::S8, {4});
    if (std::isfinite(1.0f / scale)) {
      CHECK_NOTHROW(b.build());
    } else {
      refuse(b, "'y' (QuantizeLinear)", "too small");
    }
  }
}

TEST_CASE("unused nodes and values leave no trace", "[graph]") {
  auto b = test::small_conv_model();
  b.node("Softmax", {"conv"}, "unused");
  const graph::Graph graph = b.build();
  CHECK(graph.nodes.size() == 3);
  CHECK(graph.values.size() == 4);
  CHECK_THAT(graph::describe(graph), Contains("QConv") && Contains("'conv' (Conv)"));
}

}  // namespace systole
