// Operators that only move elements: index maps, canonical forms, values, and what is refused.
#include <catch2/catch.hpp>
#include <numeric>

#include "host/command/error.hpp"
#include "host/golden/arith.hpp"
#include "host/golden/graph_reference.hpp"
#include "host/graph/graph.hpp"
#include "tests/host/model_builder.hpp"

namespace systole {
namespace {

using Catch::Matchers::Contains;
using test::ModelBuilder;
using Ints = std::vector<int64_t>;
using Floats = std::vector<float>;
using Names = std::vector<std::string>;
using graph::IndexMap;

Names operators(const graph::Graph& graph) {
  Names names;
  for (const graph::Node& node : graph.nodes) names.push_back(graph::operator_name(node.op));
  return names;
}

void refuse(const ModelBuilder& b, const std::string& node, const std::string& reason) {
  CHECK_THROWS_WITH(b.build(), Contains(node) && Contains(reason));
}

// 0, 1, 2, ... of float32.
Tensor counting(const Shape& shape) {
  Tensor tensor(DataType::F32, shape);
  std::iota(tensor.data<float>(), tensor.data<float>() + tensor.size(), 0.0f);
  return tensor;
}

// What a model of one operator on a float32 input x makes of 0, 1, 2, ...
Tensor run_one(const std::string& op, const Shape& shape,
               const std::map<std::string, onnx::Attribute>& attributes,
               const std::vector<Tensor>& constants = {}, int64_t opset = 18) {
  ModelBuilder b(opset);
  b.input("x", DataType::F32, shape);
  Names inputs = {"x"};
  for (const Tensor& tensor : constants) {
    inputs.push_back(tensor.shape() == Shape{0} ? "" : b.constant(tensor));
  }
  b.node(op, inputs, "y", attributes);
  b.output("y", DataType::F32, {});
  return golden::run(b.build(), {{"x", counting(shape)}}).at("y");
}

Tensor ints(const Ints& values) { return {Shape{static_cast<int64_t>(values.size())}, values}; }
Tensor floats(const Shape& shape, const Floats& values) { return {shape, values}; }
const Tensor kOmitted;

}  // namespace

TEST_CASE("slices count from both ends, clamp, and run backwards", "[movement]") {
  CHECK(graph::slice_map(5, 1, 4, 1, "") == IndexMap{1, 2, 3});
  CHECK(graph::slice_map(5, -2, 1000, 1, "") == IndexMap{3, 4});
  CHECK(graph::slice_map(5, -1, -1000, -2, "") == IndexMap{4, 2, 0});
  CHECK(graph::slice_map(5, 1000, 0, -3, "") == IndexMap{4, 1});
  CHECK(graph::slice_map(5, 0, 5, int64_t{1} << 62, "") == IndexMap{0});
  CHECK(graph::slice_map(5, -9, -9, -1, "") == IndexMap{0});
  CHECK(graph::slice_map(0, 3, -9, -1, "").empty());
  CHECK(graph::slice_map(5, 3, 2, 1, "").empty());
  CHECK(graph::slice_map(5, 1000, 2000, 1, "").empty());
  CHECK_THROWS_WITH(graph::slice_map(5, 0, 5, 0, "here"), Contains("here") && Contains("step 0"));
}

TEST_CASE("pads fill, repeat, mirror and wrap, and cut off where negative", "[movement]") {
  CHECK(graph::pad_map(3, 2, 1, "constant", "") == IndexMap{-1, -1, 0, 1, 2, -1});
  CHECK(graph::pad_map(3, 2, 1, "edge", "") == IndexMap{0, 0, 0, 1, 2, 2});
  CHECK(graph::pad_map(3, 4, 3, "reflect", "") == IndexMap{0, 1, 2, 1, 0, 1, 2, 1, 0, 1});
  CHECK(graph::pad_map(3, 4, 2, "wrap", "") == IndexMap{2, 0, 1, 2, 0, 1, 2, 0, 1});
  CHECK(graph::pad_map(1, 1, 1, "reflect", "") == IndexMap{0, 0, 0});
  CHECK(graph::pad_map(4, -1, 1, "edge", "") == IndexMap{1, 2, 3, 3});
  CHECK_THROWS_WITH(graph::pad_map(3, -2, -2, "constant", "here"), Contains("here"));
  CHECK_THROWS_WITH(graph::pad_map(3, 1, 1, "round", "here"), Contains("got round"));
}

TEST_CASE("nearest neighbours follow the coordinate mode and the rounding", "[movement]") {
  const auto map = [](int64_t in, int64_t out, const char* coordinates, const char* nearest) {
    const float scale = static_cast<float>(out) / static_cast<float>(in);
    return graph::resize_map({in, out, scale, {0.0f, 1.0f}}, coordinates, nearest, "");
  };
  CHECK(map(2, 4, "asymmetric", "floor") == IndexMap{0, 0, 1, 1});
  CHECK(map(2, 4, "asymmetric", "round_prefer_floor") == IndexMap{0, 0, 1, 1});
  CHECK(map(2, 4, "asymmetric", "round_prefer_ceil") == IndexMap{0, 1, 1, 1});
  CHECK(map(2, 5, "half_pixel", "round_prefer_floor") == IndexMap{0, 0, 0, 1, 1});
  CHECK(map(4, 2, "half_pixel", "ceil") == IndexMap{1, 3});
  CHECK(map(4, 1, "pytorch_half_pixel", "floor") == IndexMap{0});
  CHECK(map(4, 2, "align_corners", "floor") == IndexMap{0, 3});
  CHECK(map(4, 1, "align_corners", "floor") == IndexMap{0});
  CHECK(map(2, 4, "tf_half_pixel_for_nn", "floor") == IndexMap{0, 0, 1, 1});
  CHECK(map(4, 3, "asymmetric", "simple") == IndexMap{0, 2, 3});
  CHECK(graph::resize_map({4, 5, 1.25f, {-0.5f, 1.0f}}, "tf_crop_and_resize", "floor", "") ==
        IndexMap{-1, -1, 0, 1, 3});
  CHECK_THROWS_WITH(map(2, 4, "cubic", "floor"), Contains("half_pixel_symmetric"));
  CHECK_THROWS_WITH(map(2, 4, "asymmetric", "up"), Contains("round_prefer_ceil"));
}

TEST_CASE("float tensors are moved as they are", "[movement]") {
  CHECK(run_one("Slice", {2, 4}, {}, {ints({3, 0}), ints({-9, 1}), ints({1, 0}), ints({-2, 1})}) ==
        floats({1, 2}, {3, 1}));
  CHECK(run_one("Slice", {4}, {{"starts", Ints{1}}, {"ends", Ints{3}}}, {}, 9) ==
        floats({2}, {1, 2}));
  CHECK(run_one("Pad", {2}, {}, {ints({1, 1}), floats({}, {7})}) == floats({4}, {7, 0, 1, 7}));
  CHECK(run_one("Pad", {1, 2}, {{"mode", "edge"}}, {ints({1, 0}), kOmitted, ints({-1})}) ==
        floats({1, 3}, {0, 0, 1}));
  CHECK(run_one("Pad", {2}, {{"pads", Ints{0, 1}}, {"value", 2.5f}}, {}, 2) ==
        floats({3}, {0, 1, 2.5f}));
  CHECK(run_one("Gather", {2, 3}, {{"axis", int64_t{1}}},
                {Tensor(Shape{2, 2}, std::vector<int64_t>{0, -1, 1, 1})}) ==
        floats({2, 2, 2}, {0, 2, 1, 1, 3, 5, 4, 4}));
  CHECK(run_one("Gather", {3}, {}, {Tensor(Shape{}, std::vector<int32_t>{-1})}) == floats({}, {2}));
  CHECK(run_one("Resize", {1, 1, 1, 2}, {}, {kOmitted, kOmitted, ints({1, 1, 2, 4})}) ==
        floats({1, 1, 2, 4}, {0, 0, 1, 1, 0, 0, 1, 1}));
  CHECK(run_one("Resize", {2, 4}, {{"axes", Ints{1}}}, {kOmitted, floats({1}, {0.5f})}) ==
        floats({2, 2}, {0, 2, 4, 6}));
  CHECK(run_one("Resize", {1, 3}, {{"nearest_mode", "floor"}},
                {kOmitted, floats({2}, {1, 1.2f})}) == floats({1, 3}, {0, 1, 2}));
  CHECK(run_one("Upsample", {1, 2}, {{"mode", "nearest"}}, {floats({2}, {2, 1})}, 9) ==
        floats({2, 2}, {0, 1, 0, 1}));
  CHECK(run_one("Identity", {2}, {}) == floats({2}, {0, 1}));
}

TEST_CASE("Split gives parts, the last one smaller where the model says how many", "[movement]") {
  ModelBuilder b(18);
  b.input("x", DataType::F32, {5});
  b.node("Split", {"x"}, "y", {{"num_outputs", int64_t{2}}}, "", 2);
  for (const char* name : {"y", "y_1"}) b.output(name, DataType::F32, {});
  const auto outputs = golden::run(b.build(), {{"x", counting({5})}});
  CHECK(outputs.at("y") == floats({3}, {0, 1, 2}));
  CHECK(outputs.at("y_1") == floats({2}, {3, 4}));

  ModelBuilder odd(13);
  odd.input("x", DataType::F32, {5});
  odd.node("Split", {"x", odd.constant(ints({2, 4}))}, "y", {}, "", 2);
  odd.output("y", DataType::F32, {});
  refuse(odd, "'y' (Split)", "2 that add up to 5");
}

TEST_CASE("a selection of nothing is known, and so is what is made of it", "[movement]") {
  const Tensor y = run_one("Slice", {4, 3}, {}, {ints({4}), ints({9})});
  CHECK(y == Tensor(DataType::F32, {0, 3}));
  ModelBuilder b;
  b.input("x", DataType::F32, {0, 3});
  b.node("Reshape", {"x", b.constant(ints({3, 0}))}, "y", {{"allowzero", int64_t{1}}});
  b.output("y", DataType::F32, {});
  const graph::Graph graph = b.build();
  CHECK(graph.inputs.empty());
  CHECK(golden::run(graph, {}).at("y").shape() == Shape{3, 0});
}

TEST_CASE("every form of Constant may be an output", "[movement]") {
  const std::vector<std::pair<std::map<std::string, onnx::Attribute>, Tensor>> forms = {
      {{{"value", floats({1, 2}, {3, 4})}}, floats({1, 2}, {3, 4})},
      {{{"value_float", 1.5f}}, floats({}, {1.5f})},
      {{{"value_floats", Floats{1, 2}}}, floats({2}, {1, 2})},
      {{{"value_int", int64_t{7}}}, Tensor(Shape{}, Ints{7})},
      {{{"value_ints", Ints{7, -8}}}, ints({7, -8})},
  };
  for (const auto& [attributes, expected] : forms) {
    ModelBuilder b;
    b.node("Constant", {}, "y", attributes);
    b.output("y", expected.type(), {});
    CHECK(golden::run(b.build(), {}).at("y") == expected);
  }
}

TEST_CASE("shapes that are computed from shapes are constants", "[movement]") {
  ModelBuilder b(15);
  b.input("x", DataType::F32, {2, 3, 4});
  const auto shape = b.node("Shape", {"x"}, "s");
  const auto first = b.node("Slice", {shape, b.constant(ints({0})), b.constant(ints({1}))}, "f");
  const auto wanted =
      b.node("Concat", {first, b.constant(ints({-1}))}, "w", {{"axis", int64_t{0}}});
  b.node("Reshape", {"x", wanted}, "y");
  b.output("y", DataType::F32, {});
  const graph::Graph graph = b.build();
  CHECK(operators(graph) == Names{"Reshape"});
  CHECK(graph.value(graph.outputs[0]).shape == Shape{2, 12});
}

namespace {

// x s8 (scale 0.5, zero point 3) -> DQ -> `op` -> Q (the same, or scale 0.25 and zero point -9).
graph::Graph around(const std::string& op, const std::map<std::string, onnx::Attribute>& attributes,
                    const std::vector<Tensor>& constants, bool same) {
  ModelBuilder b;
  b.input("x", DataType::S8, {1, 2, 4, 6});
  Names inputs = {b.dequantize<int8_t>("x", 0.5f, 3, "d")};
  for (const Tensor& tensor : constants) {
    inputs.push_back(tensor.shape() == Shape{0} ? "" : b.constant(tensor));
  }
  const auto y = b.node(op, inputs, "op", attributes);
  b.quantize<int8_t>(y, same ? 0.5f : 0.25f, same ? 3 : -9, "y");
  b.output("y", DataType::S8, {});
  return b.build();
}

}  // namespace

TEST_CASE("between DequantizeLinear and QuantizeLinear integers are selected", "[movement]") {
  const std::vector<Tensor> slice = {ints({1}), ints({3}), ints({2})};
  CHECK(operators(around("Slice", {}, slice, true)) == Names{"Select"});
  CHECK(operators(around("Slice", {}, slice, false)) == Names{"Select", "Requantize"});
  const Tensor pads = ints({0, 0, 1, 1, 0, 0, 1, 1});
  // What is filled in has the parameters of the result: any number.
  const graph::Graph pad = around("Pad", {}, {pads, floats({}, {-0.3f})}, false);
  REQUIRE(operators(pad) == Names{"Requantize", "Select"});
  CHECK(std::get<graph::Select>(pad.nodes[1].op).fill.integer(0) == -10);
  const graph::Graph zero = around("Pad", {}, {pads}, true);
  REQUIRE(operators(zero) == Names{"Select"});
  CHECK(std::get<graph::Select>(zero.nodes[0].op).fill.integer(0) == 3);
}

TEST_CASE("an activation behind a Pad clamps what was filled in, one before it does not",
          "[movement]") {
  const Tensor pads = ints({1, 1});
  for (const bool behind : {false, true}) {
    ModelBuilder b;
    b.input("x", DataType::S8, {2});
    auto y = b.dequantize<int8_t>("x", 0.5f, 0, "d");
    if (!behind) y = b.node("Relu", {y}, "relu");
    y = b.node("Pad", {y, b.constant(pads), b.scalar(-2.0f)}, "pad");
    if (behind) y = b.node("Relu", {y}, "relu");
    const auto q = b.quantize<int8_t>(y, 0.5f, 0, "q");
    b.dequantize<int8_t>(q, 0.5f, 0, "y");
    b.output("y", DataType::F32, {});
    const float fill = behind ? 0.0f : -2.0f;
    const Tensor x(Shape{2}, std::vector<int8_t>{-4, 4});
    CHECK(golden::run(b.build(), {{"x", x}}).at("y") == floats({4}, {fill, 0, 2, fill}));
  }
}

TEST_CASE("Concat requantizes what has other scales, as QLinearConcat does", "[movement]") {
  ModelBuilder b;
  b.input("a", DataType::S8, {1, 2, 3});
  b.input("b", DataType::S8, {1, 1, 3});
  const auto joined =
      b.node("Concat",
             {b.dequantize<int8_t>("a", 0.5f, 3, "da"), b.dequantize<int8_t>("b", 0.3f, -7, "db")},
             "c", {{"axis", int64_t{-2}}});
  b.quantize<int8_t>(joined, 0.5f, 3, "y");
  b.output("y", DataType::S8, {});
  const graph::Graph graph = b.build();
  CHECK(operators(graph) == Names{"Requantize", "Concat"});
  const Tensor x(Shape{1, 2, 3}, std::vector<int8_t>{1, 2, 3, 4, 5, 6});
  const Tensor z(Shape{1, 1, 3}, std::vector<int8_t>{-128, 0, 127});
  const Tensor y = golden::run(graph, {{"a", x}, {"b", z}}).at("y");
  REQUIRE(y.shape() == Shape{1, 3, 3});
  for (int64_t i = 0; i < 6; ++i) CHECK(y.integer(i) == x.integer(i));
  for (int64_t i = 0; i < 3; ++i) {
    const auto q = static_cast<int32_t>(z.integer(i));
    CHECK(y.integer(6 + i) == golden::requantize(q, {0.3f, -7}, {0.5f, 3}, {-128, 127}));
  }
}

TEST_CASE("QLinearConcat is the same", "[movement]") {
  ModelBuilder b;
  b.input("a", DataType::S8, {1, 2});
  b.node("QLinearConcat",
         {b.scalar(0.5f), b.scalar<int8_t>(3), "a", b.scalar(0.5f), b.scalar<int8_t>(3),
          b.constant(Tensor(Shape{1, 1}, std::vector<int8_t>{7})), b.scalar(0.25f),
          b.scalar<int8_t>(3)},
         "y", {{"axis", int64_t{1}}}, "com.microsoft");
  b.output("y", DataType::S8, {});
  const graph::Graph graph = b.build();
  CHECK(operators(graph) == Names{"Requantize", "Concat"});
  const Tensor a(Shape{1, 2}, std::vector<int8_t>{1, 2});
  CHECK(golden::run(graph, {{"a", a}}).at("y") ==
        Tensor(Shape{1, 3}, std::vector<int8_t>{1, 2, 5}));
}

TEST_CASE("Concat joins floats, integers, constants, and operands of one scale", "[movement]") {
  ModelBuilder floats_b;
  floats_b.input("a", DataType::F32, {2});
  floats_b.input("b", DataType::F32, {1});
  floats_b.node("Concat", {"a", floats_b.constant(floats({1}, {9})), "b"}, "y",
                {{"axis", int64_t{0}}});
  floats_b.output("y", DataType::F32, {});
  CHECK(golden::run(floats_b.build(), {{"a", counting({2})}, {"b", floats({1}, {5})}}).at("y") ==
        floats({4}, {0, 1, 9, 5}));

  ModelBuilder longs;
  longs.input("a", DataType::S64, {2});
  longs.node("Concat", {"a", longs.constant(ints({4}))}, "y", {{"axis", int64_t{0}}});
  longs.output("y", DataType::S64, {});
  CHECK(golden::run(longs.build(), {{"a", ints({1, 2})}}).at("y") == ints({1, 2, 4}));

  ModelBuilder operand;
  operand.input("a", DataType::S8, {1, 1, 2, 2});
  operand.input("b", DataType::S8, {1, 1, 2, 2});
  const auto joined = operand.node("Concat",
                                   {operand.dequantize<int8_t>("a", 0.5f, 3, "da"),
                                    operand.dequantize<int8_t>("b", 0.5f, 3, "db")},
                                   "c", {{"axis", int64_t{1}}});
  const auto w = operand.weights(Tensor(DataType::S8, {1, 2, 1, 1}), 0.25f, "w");
  operand.quantize<int8_t>(operand.node("Conv", {joined, w}, "conv"), 1.0f, 0, "y");
  operand.output("y", DataType::S8, {});
  CHECK(operators(operand.build()) == Names{"Concat", "QConv"});
}

TEST_CASE("the judge moves QuantizeLinear past Slice and past no other selection", "[movement]") {
  const auto rounding = [](const std::string& op, const std::vector<Tensor>& constants) {
    ModelBuilder b;
    b.input("x", DataType::S8, {4, 4});
    const auto d = b.dequantize<int8_t>("x", 0.5f, 3, "d");
    Names inputs = {b.node("Add", {d, d}, "sum")};
    for (const Tensor& tensor : constants) inputs.push_back(b.constant(tensor));
    b.quantize<int8_t>(b.node(op, inputs, "op"), 1.0f, 0, "y");
    b.output("y", DataType::S8, {});
    return std::get<graph::QAdd>(b.build().nodes[0].op).rounding;
  };
  CHECK(rounding("Slice", {ints({1}), ints({3})}) == graph::Rounding::AfterOffset);
  CHECK(rounding("Gather", {ints({1})}) == graph::Rounding::BeforeOffset);
  CHECK(rounding("Pad", {ints({0, 0, 1, 1})}) == graph::Rounding::BeforeOffset);
}

TEST_CASE("ArgMax takes any axis, keeps it or not, and the first or the last", "[movement]") {
  const Tensor y = run_one("ArgMax", {2, 3, 4}, {{"axis", int64_t{-2}}, {"keepdims", int64_t{0}}});
  CHECK(y == Tensor(Shape{2, 4}, Ints(8, 2)));
  CHECK(run_one("ArgMax", {2, 3}, {}) == Tensor(Shape{1, 3}, Ints{1, 1, 1}));
  for (const int64_t last : {0, 1}) {
    ModelBuilder b;
    b.input("x", DataType::S8, {3});
    const auto d = b.dequantize<int8_t>("x", 0.5f, 3, "d");
    b.node("ArgMax", {d}, "y", {{"keepdims", int64_t{0}}, {"select_last_index", last}});
    b.output("y", DataType::S64, {});
    const graph::Graph graph = b.build();
    const Tensor x(Shape{3}, std::vector<int8_t>{7, -1, 7});
    CHECK(golden::run(graph, {{"x", x}}).at("y") == Tensor(Shape{}, Ints{2 * last}));
  }
}

TEST_CASE("movements that mean nothing, or are not there, are named", "[movement]") {
  const auto refused = [](const std::string& op, const std::vector<Tensor>& constants,
                          const std::map<std::string, onnx::Attribute>& attributes,
                          const std::string& reason) {
    ModelBuilder b;
    b.input("x", DataType::F32, {2, 3});
    Names inputs = {"x"};
    for (const Tensor& tensor : constants) {
      inputs.push_back(tensor.shape() == Shape{0} ? "" : b.constant(tensor));
    }
    b.node(op, inputs, "y", attributes);
    b.output("y", DataType::F32, {});
    refuse(b, "'y' (" + op + ")", reason);
  };
  refused("Gather", {ints({3})}, {{"axis", int64_t{1}}}, "index is out of range: expected -3 to 2");
  refused("Gather", {floats({1}, {1})}, {}, "indices have the wrong type");
  refused("Slice", {ints({0}), ints({1, 2})}, {}, "starts, ends and steps differ");
  refused("Slice", {ints({0}), ints({1}), ints({5})}, {}, "axis is out of range");
  refused("Slice", {ints({0, 0}), ints({1, 1}), ints({1, -1})}, {}, "axis is there twice");
  refused("Pad", {ints({1, 1})}, {}, "pads do not fit");
  refused("Resize", {kOmitted, floats({2}, {1, 2})}, {{"mode", "linear"}}, "'mode' linear");
  refused("Resize", {kOmitted, floats({2}, {1, -2})}, {{"mode", "nearest"}}, "out of range");
  refused("Concat", {floats({2, 2}, {0, 0, 0, 0})}, {{"axis", int64_t{0}}}, "shapes do not fit");
  refused("Concat", {ints({1})}, {{"axis", int64_t{0}}}, "types differ");
  ModelBuilder dynamic;
  dynamic.input("x", DataType::F32, {2, 3});
  dynamic.input("i", DataType::S64, {1});
  dynamic.node("Gather", {"x", dynamic.node("Identity", {"i"}, "j")}, "y");
  dynamic.output("y", DataType::F32, {});
  CHECK(graph::parameter_inputs(dynamic.parse()) == Names{"i"});
}

}  // namespace systole
