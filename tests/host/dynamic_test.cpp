// DynamicQuantizeLinear, and what else is quantized with parameters that are computed at run time.
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
using Floats = std::vector<float>;
using Ints = std::vector<int32_t>;

/// DynamicQuantizeLinear of `numbers`, all of its outputs.
graph::Tensors quantized(const Floats& numbers) {
  ModelBuilder b;
  const auto count = static_cast<int64_t>(numbers.size());
  b.input("x", DataType::F32, {count});
  b.node("DynamicQuantizeLinear", {"x"}, "y", {}, "", 3);
  b.output("y", DataType::U8, {count});
  b.output("y_1", DataType::F32, {});
  b.output("y_2", DataType::U8, {});
  return golden::run(b.build(), {{"x", Tensor(Shape{count}, numbers)}});
}

void check(const Floats& numbers, float scale, uint8_t zero, const Bytes& codes) {
  const graph::Tensors outputs = quantized(numbers);
  CHECK(outputs.at("y_1") == Tensor(Shape{}, Floats{scale}));
  CHECK(outputs.at("y_2") == Tensor(Shape{}, Bytes{zero}));
  CHECK(outputs.at("y") == Tensor(Shape{static_cast<int64_t>(codes.size())}, codes));
}

/// Codes of "x", f32, from "q" with "q_1" and "q_2".
void quantize_dynamically(ModelBuilder& b, const Shape& shape) {
  b.input("x", DataType::F32, shape);
  b.node("DynamicQuantizeLinear", {"x"}, "q", {}, "", 3);
}

}  // namespace

TEST_CASE("DynamicQuantizeLinear's range includes 0", "[dynamic]") {
  check({0.0f, 127.5f, -127.5f, 1.0f, 1.5f}, 1.0f, 128, {128, 255, 0, 129, 130});
  check({255.0f, 510.0f}, 2.0f, 0, {128, 255});
  check({-1.0f, -255.0f}, 1.0f, 255, {254, 0});
  check({0.0f, 0.0f}, 1.0f, 0, {0, 0});
}

TEST_CASE("DynamicQuantizeLinear rounds halves to even before it adds the zero point",
          "[dynamic]") {
  // Scale 1, zero point rne(2.5) = 2.
  check({-2.5f, 252.5f, 0.5f, 1.5f, -1.5f}, 1.0f, 2, {0, 254, 2, 4, 0});
}

TEST_CASE("a zero point that is computed is subtracted from MatMulInteger's operand", "[dynamic]") {
  for (const bool constant : {true, false}) {
    ModelBuilder b;
    quantize_dynamically(b, {1, 2});
    const Tensor weights(Shape{2, 3}, SignedBytes{1, 2, 3, -4, -5, -6});
    const auto w = constant ? b.constant(weights) : b.input("w", DataType::S8, {2, 3});
    b.node("MatMulInteger", {"q", w, "q_2"}, "y");
    b.output("y", DataType::S32, {});
    const graph::Graph graph = b.build();
    graph::Tensors inputs = {{"x", Tensor(Shape{1, 2}, Floats{-55.0f, 200.0f})}};
    if (!constant) inputs.emplace("w", weights);
    CHECK(golden::run(graph, inputs).at("y") ==
          Tensor(Shape{1, 3}, Ints{-55 - 800, -110 - 1000, -165 - 1200}));
  }
}

TEST_CASE("both operands of MatMulInteger may have computed zero points", "[dynamic]") {
  ModelBuilder b;
  quantize_dynamically(b, {1, 2});
  b.input("w", DataType::F32, {2, 1});
  b.node("DynamicQuantizeLinear", {"w"}, "p", {}, "", 3);
  b.node("MatMulInteger", {"q", "p", "q_2", "p_2"}, "y");
  b.output("y", DataType::S32, {});
  CHECK(golden::run(b.build(), {{"x", Tensor(Shape{1, 2}, Floats{-55.0f, 200.0f})},
                                {"w", Tensor(Shape{2, 1}, Floats{-100.0f, 155.0f})}})
            .at("y") == Tensor(Shape{1, 1}, Ints{5500 + 31000}));
}

TEST_CASE("ConvInteger pads with a computed zero point", "[dynamic]") {
  ModelBuilder b;
  quantize_dynamically(b, {1, 1, 1, 2});
  const auto w = b.constant(Tensor(Shape{1, 1, 3, 3}, Bytes{1, 1, 1, 1, 2, 3, 1, 1, 1}));
  b.node("ConvInteger", {"q", w, "q_2"}, "y", {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  b.output("y", DataType::S32, {});
  const graph::Graph graph = b.build();
  CHECK(golden::run(graph, {{"x", Tensor(Shape{1, 1, 1, 2}, Floats{-55.0f, 200.0f})}}).at("y") ==
        Tensor(Shape{1, 1, 1, 2}, Ints{-110 + 600, -55 + 400}));
}

TEST_CASE("DequantizeLinear and QuantizeLinear take computed parameters", "[dynamic]") {
  ModelBuilder b;
  quantize_dynamically(b, {3});
  b.node("DequantizeLinear", {"q", "q_1", "q_2"}, "real");
  b.node("QuantizeLinear", {"real", "q_1", b.scalar<int8_t>(-3)}, "y");
  b.output("real", DataType::F32, {});
  b.output("y", DataType::S8, {});
  const auto outputs =
      golden::run(b.build(), {{"x", Tensor(Shape{3}, Floats{-51.0f, 0.4f, 76.5f})}});
  CHECK(outputs.at("real") == Tensor(Shape{3}, Floats{-51.0f, 0.5f, 76.5f}));
  CHECK(outputs.at("y") == Tensor(Shape{3}, SignedBytes{-105, -2, 127}));
}

TEST_CASE("QuantizeLinear and DequantizeLinear take a scale for each block", "[dynamic]") {
  ModelBuilder b(21);
  b.input("x", DataType::F32, {1, 3});
  const auto scale = b.constant(Tensor(Shape{1, 2}, Floats{0.5f, 2.0f}));
  const auto zero = b.constant(Tensor(Shape{1, 2}, Bytes{3, 250}));
  const std::map<std::string, onnx::Attribute> blocks = {{"block_size", int64_t{2}}};
  b.node("QuantizeLinear", {"x", scale, zero}, "q", blocks);
  b.node("DequantizeLinear", {"q", scale, zero}, "y", blocks);
  b.output("q", DataType::U8, {});
  b.output("y", DataType::F32, {});
  const auto outputs =
      golden::run(b.build(), {{"x", Tensor(Shape{1, 3}, Floats{-9.0f, 0.25f, 1e9f})}});
  CHECK(outputs.at("q") == Tensor(Shape{1, 3}, Bytes{0, 3, 255}));
  CHECK(outputs.at("y") == Tensor(Shape{1, 3}, Floats{-1.5f, 0.0f, 10.0f}));

  ModelBuilder wrong(21);
  wrong.input("x", DataType::F32, {1, 5});
  wrong.node("QuantizeLinear", {"x", wrong.constant(Tensor(Shape{1, 2}, Floats{0.5f, 2.0f}))}, "q",
             blocks);
  wrong.output("q", DataType::U8, {});
  CHECK_THROWS_WITH(wrong.build(), Contains("'q' (QuantizeLinear)") && Contains("block_size") &&
                                       Contains("expected [1, 3]"));
}

TEST_CASE("DequantizeLinear of sums is f32(sum) * scale", "[dynamic]") {
  ModelBuilder b;
  b.input("a", DataType::U8, {1, 2});
  b.node("MatMulInteger", {"a", b.constant(Tensor(Shape{2, 2}, SignedBytes{1, 2, 3, -4}))}, "s");
  b.node("DequantizeLinear", {"s", b.vector(Floats{0.5f, 2.0f})}, "y");
  b.output("y", DataType::F32, {});
  CHECK(golden::run(b.build(), {{"a", Tensor(Shape{1, 2}, Bytes{3, 4})}}).at("y") ==
        Tensor(Shape{1, 2}, Floats{7.5f, -20.0f}));
}

TEST_CASE("computed parameters that are not there are named", "[dynamic]") {
  ModelBuilder typed;
  quantize_dynamically(typed, {1, 2});
  typed.input("a", DataType::S8, {1, 2});
  typed.node("MatMulInteger", {"a", typed.constant(Tensor(Shape{2, 1}, SignedBytes{1, 2})), "q_2"},
             "y");
  typed.output("y", DataType::S32, {});
  CHECK_THROWS_WITH(typed.build(), Contains("'y' (MatMulInteger)") &&
                                       Contains("zero point 'q_2' has the wrong type"));

  ModelBuilder several;
  quantize_dynamically(several, {2, 2});
  several.node("DequantizeLinear", {"q", several.node("Mul", {"x", "x"}, "scales")}, "y");
  several.output("y", DataType::F32, {});
  CHECK_THROWS_WITH(several.build(), Contains("'y' (DequantizeLinear)") &&
                                         Contains("scale 'scales'") &&
                                         Contains("has several elements"));

  ModelBuilder integers;
  integers.input("x", DataType::U8, {2});
  integers.node("DynamicQuantizeLinear", {"x"}, "y", {}, "", 3);
  integers.output("y", DataType::U8, {});
  CHECK_THROWS_WITH(integers.build(),
                    Contains("'y' (DynamicQuantizeLinear)") && Contains("expected float32"));
}

}  // namespace systole
