// Canonical forms of element-wise operators, Softmax, ReduceMean and float tensors.
#include <catch2/catch.hpp>

#include "host/command/error.hpp"
#include "host/graph/graph.hpp"
#include "tests/host/model_builder.hpp"

namespace systole {
namespace {

using Catch::Contains;
using test::ModelBuilder;
using Ints = std::vector<int64_t>;
using Names = std::vector<std::string>;

Names operators(const graph::Graph& graph) {
  Names names;
  for (const graph::Node& node : graph.nodes) names.push_back(graph::operator_name(node.op));
  return names;
}

template <typename Op>
const Op& only(const graph::Graph& graph) {
  REQUIRE(graph.nodes.size() == 1);
  return std::get<Op>(graph.nodes[0].op);
}

// x f32 -> `op` -> y f32.
graph::Graph of_floats(const std::string& op, const Shape& shape,
                       const std::map<std::string, onnx::Attribute>& attributes = {},
                       int64_t opset = 13) {
  ModelBuilder b(opset);
  b.input("x", DataType::F32, shape);
  b.node(op, {"x"}, "y", attributes);
  b.output("y", DataType::F32, {});
  return b.build();
}

// x s8 -> DQ -> `op` -> Q -> y s8.
graph::Graph of_codes(const std::string& op, const Shape& shape,
                      const std::map<std::string, onnx::Attribute>& attributes = {}) {
  ModelBuilder b;
  b.input("x", DataType::S8, shape);
  b.quantize<int8_t>(b.node(op, {b.dequantize<int8_t>("x", 0.5f, 3, "d")}, "r", attributes), 0.25f,
                     -7, "y");
  b.output("y", DataType::S8, {});
  return b.build();
}

// a, b (DQ where quantized) -> `op` -> y, quantized or not.
graph::Graph of_two(const std::string& op, DataType type, bool quantized) {
  ModelBuilder b;
  for (const char* name : {"a", "b"}) b.input(name, type, {2, 3});
  const auto real = [&](const std::string& name) {
    return type == DataType::S8 ? b.dequantize<int8_t>(name, 0.5f, 3, name + "d") : name;
  };
  const auto y = b.node(op, {real("a"), real("b")}, quantized ? "r" : "y");
  if (quantized) b.quantize<int8_t>(y, 0.25f, -7, "y");
  b.output("y", quantized ? DataType::S8 : DataType::F32, {});
  return b.build();
}

void refuse(const ModelBuilder& b, const std::string& node, const std::string& reason) {
  CHECK_THROWS_WITH(b.build(), Contains(node) && Contains(reason));
}

}  // namespace

TEST_CASE("a function of one number is one operator, of codes or of floats", "[graph]") {
  for (const char* op : {"LeakyRelu", "HardSigmoid", "HardSwish", "Sigmoid", "Tanh"}) {
    INFO(op);
    CHECK(operators(of_floats(op, {2, 3, 4, 5, 6})) == Names{"Unary"});
    CHECK(operators(of_floats(op, {})) == Names{"Unary"});
    const graph::Graph graph = of_codes(op, {2, 3});
    const auto& unary = only<graph::Unary>(graph);
    CHECK(unary.x == graph::QuantParams{0.5f, 3});
    CHECK(unary.y == graph::QuantParams{0.25f, -7});
  }
  CHECK(only<graph::Unary>(of_codes("LeakyRelu", {4})).alpha == 0.01f);
  CHECK(only<graph::Unary>(of_codes("LeakyRelu", {4}, {{"alpha", 0.3f}})).alpha == 0.3f);
}

TEST_CASE("Relu and Clip of floats are Clip, of codes a clamp", "[graph]") {
  const auto relu = of_floats("Relu", {4});
  CHECK(only<graph::Unary>(relu).alpha == 0.0f);
  CHECK(only<graph::Unary>(relu).beta == std::numeric_limits<float>::infinity());
  CHECK(operators(of_codes("Relu", {4})) == Names{"Requantize"});
}

TEST_CASE("two operands are one operator, and a Mul rounds as the judge's kernel does", "[graph]") {
  for (const char* op : {"Sub", "Mul", "Div"}) {
    CHECK(operators(of_two(op, DataType::F32, false)) == Names{"Binary"});
    CHECK(operators(of_two(op, DataType::F32, true)) == Names{"Binary"});
    CHECK(operators(of_two(op, DataType::S8, false)) == Names{"Binary"});
    const auto graph = of_two(op, DataType::S8, true);
    const bool fused = std::string(op) == "Mul";
    CHECK(only<graph::Binary>(graph).rounding ==
          (fused ? graph::Rounding::AfterOffset : graph::Rounding::BeforeOffset));
  }
  CHECK(operators(of_two("Add", DataType::F32, false)) == Names{"Binary"});
  CHECK(operators(of_two("Add", DataType::S8, false)) == Names{"Binary"});
  CHECK(operators(of_two("Add", DataType::S8, true)) == Names{"QAdd"});
}

TEST_CASE("a product with an activation inside the output's range is computed in floats",
          "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::U8, {4});
  const auto d = b.dequantize<uint8_t>("x", 0.5f, 3, "d");
  const auto relu = b.node("Relu", {b.node("Mul", {d, d}, "m")}, "r");
  b.quantize<uint8_t>(relu, 0.5f, 100, "y");
  b.output("y", DataType::U8, {});
  const auto graph = b.build();
  CHECK(only<graph::Binary>(graph).rounding == graph::Rounding::BeforeOffset);
  CHECK(only<graph::Binary>(graph).clamp.lo == 100);
}

TEST_CASE("integers that are no codes are added and multiplied modulo 256", "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::S8, {2, 3});
  b.input("z", DataType::S8, {3});
  b.node("Mul", {"x", "z"}, "y");
  b.output("y", DataType::S8, {});
  CHECK(only<graph::Binary>(b.build()).wraps);

  ModelBuilder mixed;
  mixed.input("x", DataType::S8, {3});
  mixed.input("z", DataType::U8, {3});
  mixed.node("Add", {"x", "z"}, "y");
  mixed.output("y", DataType::S8, {});
  refuse(mixed, "'y' (Add)", "int8 and uint8");
}

TEST_CASE("a chain of float operators is computed node by node", "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::S8, {2, 3});
  const auto d = b.dequantize<int8_t>("x", 0.5f, 3, "d");
  const auto scaled = b.node("Mul", {d, b.scalar(0.3f)}, "m");
  const auto sum = b.node("Add", {b.node("Relu", {scaled}, "r"), d}, "s");
  b.quantize<int8_t>(sum, 0.25f, -7, "y");
  b.output("y", DataType::S8, {});
  CHECK(operators(b.build()) == Names{"Binary", "Unary", "Binary"});
}

TEST_CASE("a float tensor with several readers is computed once", "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::F32, {2, 3});
  const auto e = b.node("Sigmoid", {"x"}, "e");
  b.node("Mul", {e, e}, "y");
  b.node("Add", {e, "x"}, "z");
  b.output("y", DataType::F32, {});
  b.output("z", DataType::F32, {});
  CHECK(operators(b.build()) == Names{"Unary", "Binary", "Binary"});
}

TEST_CASE("Softmax is brought to rows, along any axis", "[graph]") {
  const auto last = of_floats("Softmax", {2, 3, 4});
  CHECK(operators(last) == Names{"Reshape", "Softmax", "Reshape"});
  CHECK(last.output_of(last.nodes[1]).shape == Shape{6, 4});
  const auto middle = of_floats("Softmax", {2, 3, 4}, {{"axis", int64_t{1}}});
  CHECK(operators(middle) == Names{"Transpose", "Reshape", "Softmax", "Reshape", "Transpose"});
  CHECK(middle.output_of(middle.nodes[4]).shape == Shape{2, 3, 4});
  // Before opset 13 the axes behind the given one belong to it.
  const auto old = of_floats("Softmax", {2, 3, 4}, {}, 11);
  CHECK(old.output_of(old.nodes[1]).shape == Shape{2, 12});
  CHECK(only<graph::Softmax>(of_codes("Softmax", {2, 10})).x.scale == 0.5f);
}

TEST_CASE("ReduceMean is a mean of rows, in the order that their place asks for", "[graph]") {
  const Ints last{-1}, image{2, 3}, outer{0, 2};
  const auto rows = of_floats("ReduceMean", {2, 3, 4}, {{"axes", last}});
  CHECK(operators(rows) == Names{"Reshape", "RowMean", "Reshape"});
  CHECK(rows.output_of(rows.nodes[2]).shape == Shape{2, 3, 1});
  const auto flat = of_floats("ReduceMean", {2, 3, 4}, {{"axes", outer}, {"keepdims", int64_t{0}}});
  CHECK(operators(flat) ==
        Names{"Reshape", "RowMean", "Reshape", "Transpose", "RowMean", "Reshape"});
  CHECK(flat.output_of(flat.nodes[5]).shape == Shape{3});
  const auto all = of_floats("ReduceMean", {2, 3}, {{"keepdims", int64_t{0}}});
  CHECK(all.output_of(all.nodes.back()).shape.empty());
  const auto order = [](const Shape& shape, const Ints& axes) {
    for (const graph::Node& node : of_floats("ReduceMean", shape, {{"axes", axes}}).nodes) {
      const auto* mean = std::get_if<graph::RowMean>(&node.op);
      if (mean) return mean->order;
    }
    throw Error("no mean", "");
  };
  CHECK(order({2, 3, 4, 6}, image) == graph::RowOrder::Packets);
  CHECK(order({2, 3, 4}, {0}) == graph::RowOrder::Sequence);
  CHECK(order({2, 3, 4}, {1}) == graph::RowOrder::Fours);
  CHECK(order({1, 3, 4}, {1}) == graph::RowOrder::Sequence);
  CHECK(order({2, 3, 4, 5}, {0, 2}) == graph::RowOrder::Sequence);
  CHECK(order({2, 1, 4}, {0, 2}) == graph::RowOrder::Sequence);
}

TEST_CASE("ReduceMean takes its axes as an input too, and may do nothing", "[graph]") {
  ModelBuilder b(18);
  b.input("x", DataType::F32, {2, 3});
  b.node("ReduceMean", {"x", b.vector<int64_t>({0})}, "y", {{"keepdims", int64_t{0}}});
  b.output("y", DataType::F32, {});
  const auto graph = b.build();
  CHECK(graph.value(graph.outputs[0]).shape == Shape{3});

  ModelBuilder nothing(18);
  nothing.input("x", DataType::F32, {2, 3});
  nothing.node("ReduceMean", {"x", nothing.vector<int64_t>({})}, "y",
               {{"noop_with_empty_axes", int64_t{1}}});
  nothing.output("y", DataType::F32, {});
  CHECK(operators(nothing.build()) == Names{"Reshape"});
}

TEST_CASE("pools take floats, and volumes", "[graph]") {
  const std::map<std::string, onnx::Attribute> two{{"kernel_shape", Ints{2, 2}}};
  CHECK(operators(of_floats("MaxPool", {1, 2, 4, 4}, two)) == Names{"QMaxPool"});
  CHECK(operators(of_floats("AveragePool", {1, 2, 4, 4}, two)) == Names{"QAveragePool"});
  CHECK(operators(of_floats("GlobalAveragePool", {1, 2, 4, 4})) == Names{"QAveragePool"});
  CHECK(operators(of_floats("GlobalMaxPool", {1, 2, 4, 4})) == Names{"QMaxPool"});
  CHECK(operators(of_codes("GlobalMaxPool", {1, 2, 4, 4})) == Names{"QMaxPool", "Requantize"});
  const auto volume = of_floats("AveragePool", {1, 2, 4, 5, 6}, {{"kernel_shape", Ints{2, 3, 1}}});
  CHECK(volume.value(volume.outputs[0]).shape == Shape{1, 2, 3, 3, 6});
}

TEST_CASE("padding counts in an average as the judge's kernel for it counts", "[graph]") {
  const std::map<std::string, onnx::Attribute> attributes{{"kernel_shape", Ints{3}},
                                                          {"pads", Ints{1, 0}},
                                                          {"strides", Ints{2}},
                                                          {"ceil_mode", int64_t{1}},
                                                          {"count_include_pad", int64_t{1}}};
  const auto counted = [](const graph::Graph& graph) {
    for (const graph::Node& node : graph.nodes) {
      if (const auto* pool = std::get_if<graph::QAveragePool>(&node.op)) return pool->counted;
    }
    return graph::Counted::Inside;
  };
  const Shape shape{1, 1, 5};
  CHECK(counted(of_floats("AveragePool", shape, attributes)) == graph::Counted::Window);
  CHECK(counted(of_floats("AveragePool", shape, attributes, 19)) == graph::Counted::Padded);
  CHECK(counted(of_codes("AveragePool", shape, attributes)) == graph::Counted::Window);
  graph::Window window;
  window.kernel = {1, 3};
  window.stride = {1, 2};
  window.pads = {0, 1, 0, 0};
  const auto divisor = [&](graph::Counted counted, int64_t out) {
    return graph::average_divisor(window, counted, 1, 5, 0, out);
  };
  CHECK(divisor(graph::Counted::Inside, 0) == 2);
  CHECK(divisor(graph::Counted::Padded, 0) == 3);
  CHECK(divisor(graph::Counted::Padded, 2) == 2);
  CHECK(divisor(graph::Counted::Window, 2) == 3);
}

TEST_CASE("QOperator forms are the same operators", "[graph]") {
  ModelBuilder b;
  b.input("x", DataType::U8, {2, 3});
  const auto p = [&](float scale, uint8_t zero) {
    return Names{b.scalar(scale), b.scalar<uint8_t>(zero)};
  };
  const Names x = p(0.5f, 3), y = p(0.25f, 7);
  b.node("QLinearMul", {"x", x[0], x[1], "x", x[0], x[1], y[0], y[1]}, "m", {}, "com.microsoft");
  b.node("QLinearLeakyRelu", {"m", y[0], y[1], x[0], x[1]}, "l", {{"alpha", 0.1f}},
         "com.microsoft");
  b.node("QLinearSigmoid", {"l", x[0], x[1], y[0], y[1]}, "s", {}, "com.microsoft");
  b.node("QLinearSoftmax", {"s", y[0], y[1], x[0], x[1]}, "y", {{"axis", int64_t{1}}},
         "com.microsoft");
  b.output("y", DataType::U8, {});
  const auto graph = b.build();
  CHECK(operators(graph) == Names{"Binary", "Unary", "Unary", "Softmax"});
  CHECK(std::get<graph::Binary>(graph.nodes[0].op).rounding == graph::Rounding::AfterOffset);
}

TEST_CASE("what element-wise operators cannot take is named", "[graph]") {
  ModelBuilder shapes;
  shapes.input("a", DataType::F32, {2, 3});
  shapes.input("b", DataType::F32, {2, 4});
  shapes.node("Mul", {"a", "b"}, "y");
  shapes.output("y", DataType::F32, {});
  refuse(shapes, "'y' (Mul)", "[2, 4]");

  ModelBuilder codes;
  codes.input("x", DataType::S8, {3});
  codes.node("Tanh", {"x"}, "y");
  codes.output("y", DataType::F32, {});
  refuse(codes, "'y' (Tanh)", "expected float32, got int8");

  ModelBuilder alpha;
  alpha.input("x", DataType::F32, {3});
  alpha.node("LeakyRelu", {"x"}, "y", {{"alpha", std::numeric_limits<float>::infinity()}});
  alpha.output("y", DataType::F32, {});
  refuse(alpha, "'y' (LeakyRelu)", "'alpha'");

  ModelBuilder axis;
  axis.input("x", DataType::F32, {2, 3});
  axis.node("Softmax", {"x"}, "y", {{"axis", int64_t{2}}});
  axis.output("y", DataType::F32, {});
  refuse(axis, "'y' (Softmax)", "axis");
}

}  // namespace systole
