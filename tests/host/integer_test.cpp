// ConvInteger, MatMulInteger and Cast: sums of products as they are.
#include <catch2/catch.hpp>

#include "host/command/error.hpp"
#include "host/golden/graph_reference.hpp"
#include "host/graph/graph.hpp"
#include "tests/host/model_builder.hpp"

namespace systole {
namespace {

using Catch::Matchers::Contains;
using test::ModelBuilder;
using Bytes = std::vector<uint8_t>;
using SignedBytes = std::vector<int8_t>;
using Ints = std::vector<int32_t>;

}  // namespace

TEST_CASE("MatMulInteger subtracts zero points, one for each column too", "[integer]") {
  for (const bool constant : {true, false}) {
    ModelBuilder b;
    const Tensor weights(Shape{2, 3}, SignedBytes{1, 2, 3, -4, -5, -6});
    b.input("a", DataType::U8, {1, 2});
    const auto w = constant ? b.constant(weights) : b.input("w", DataType::S8, {2, 3});
    b.node("MatMulInteger", {"a", w, b.scalar<uint8_t>(12), b.vector(SignedBytes{0, 1, -1})}, "y");
    b.output("y", DataType::S32, {});
    graph::Tensors inputs = {{"a", Tensor(Shape{1, 2}, Bytes{255, 0})}};
    if (!constant) inputs.emplace("w", weights);
    const graph::Graph graph = b.build();
    CHECK(graph::operator_name(graph.nodes.back().op) == (constant ? "QGemm" : "Reshape"));
    // 243 * (w0 - z) - 12 * (w1 - z)
    CHECK(golden::run(graph, inputs).at("y") ==
          Tensor(Shape{1, 3}, Ints{243 + 48, 243 + 72, 972 + 60}));
  }
}

TEST_CASE("ConvInteger pads with the zero point", "[integer]") {
  ModelBuilder b;
  b.input("x", DataType::U8, {1, 1, 1, 2});
  b.node("ConvInteger",
         {"x", b.constant(Tensor(Shape{1, 1, 1, 3}, Bytes{1, 2, 3})), b.scalar<uint8_t>(5),
          b.scalar<uint8_t>(1)},
         "y", {{"pads", std::vector<int64_t>{0, 1, 0, 1}}});
  b.output("y", DataType::S32, {});
  const Tensor x(Shape{1, 1, 1, 2}, Bytes{7, 15});
  CHECK(golden::run(b.build(), {{"x", x}}).at("y") ==
        Tensor(Shape{1, 1, 1, 2}, Ints{2 * 1 + 10 * 2, 10 * 1}));
}

TEST_CASE("Cast makes sums and codes binary32 numbers, and constants anything", "[integer]") {
  ModelBuilder b;
  b.input("a", DataType::U8, {1, 1});
  const auto sum = b.node("MatMulInteger", {"a", b.constant(Tensor(Shape{1, 1}, Bytes{255}))}, "s");
  const auto real = b.node("Cast", {sum}, "r", {{"to", int64_t{1}}});
  const auto index = b.node("Cast", {b.scalar(1.9f)}, "i", {{"to", int64_t{7}}});
  b.node("Concat", {real, real, b.node("Gather", {real, index}, "g", {{"axis", int64_t{0}}})}, "y");
  b.output("y", DataType::F32, {});
  CHECK_THROWS_WITH(b.build(), Contains("'g' (Gather)") && Contains("out of range"));

  ModelBuilder plain;
  plain.input("a", DataType::S8, {2});
  plain.node("Cast", {"a"}, "y", {{"to", int64_t{1}}});
  plain.output("y", DataType::F32, {});
  CHECK(golden::run(plain.build(), {{"a", Tensor(Shape{2}, SignedBytes{-3, 4})}}).at("y") ==
        Tensor(Shape{2}, std::vector<float>{-3, 4}));
}

TEST_CASE("integer products that are not there are named", "[integer]") {
  const auto refused = [](const Tensor& a_zero, const Tensor& b_zero, const std::string& reason) {
    ModelBuilder b;
    b.input("a", DataType::U8, {2, 2});
    const Tensor w(Shape{2, 3}, SignedBytes{1, 2, 3, -4, -5, -6});
    b.node("MatMulInteger", {"a", b.constant(w), b.constant(a_zero), b.constant(b_zero)}, "y");
    b.output("y", DataType::S32, {});
    CHECK_THROWS_WITH(b.build(), Contains("'y' (MatMulInteger)") && Contains(reason));
  };
  const Tensor a_zero(Shape{}, Bytes{1});
  const Tensor b_zero(Shape{}, SignedBytes{1});
  refused(Tensor(Shape{2}, Bytes{1, 2}), b_zero, "a zero point for each row");
  refused(a_zero, Tensor(Shape{2}, SignedBytes{1, 2}), "expected int8, 1 or 3");
  refused(b_zero, b_zero, "expected uint8, 1 or 2");
  for (const int64_t type : {10, 9}) {
    ModelBuilder b;
    b.input("a", DataType::U8, {2});
    b.node("Cast", {"a"}, "y", {{"to", type}});
    b.output("y", DataType::F32, {});
    CHECK_THROWS_WITH(b.build(), Contains("'y' (Cast)") && Contains("ONNX type"));
  }
}

}  // namespace systole
