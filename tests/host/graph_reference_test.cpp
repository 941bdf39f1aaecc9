// The arithmetic and the graph reference: formulas by hand, ties, and outside judges' recordings
// (SYSTOLE_DATA, by default ../shared/data; without it those tests say that they were skipped).
#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <limits>

#include "host/command/error.hpp"
#include "host/golden/arith.hpp"
#include "host/golden/graph_reference.hpp"
#include "host/graph/graph.hpp"
#include "host/import/npy.hpp"
#include "tests/host/model_builder.hpp"
#include "tests/support/data_folder.hpp"
#include "tests/support/seed.hpp"

namespace systole {
namespace {

using graph::Clamp;
using graph::QuantParams;
using test::ModelBuilder;
using Ints = std::vector<int64_t>;
namespace fs = std::filesystem;

constexpr Clamp kS8{-128, 127};
constexpr Clamp kU8{0, 255};

Tensor random_tensor(DataType type, const Shape& shape, uint64_t stream) {
  auto rng = test::make_rng(stream);
  Tensor tensor(type, shape);
  for (uint8_t& byte : tensor.bytes()) byte = static_cast<uint8_t>(test::uniform(rng, 0, 255));
  return tensor;
}

// The one output of a model whose one input is x.
Tensor run_one(const ModelBuilder& b, const Tensor& x) {
  const graph::Tensors outputs = golden::run(b.build(), {{"x", x}});
  REQUIRE(outputs.size() == 1);
  return outputs.begin()->second;
}

}  // namespace

TEST_CASE("quantize rounds ties to even and saturates", "[graph_reference]") {
  CHECK(golden::quantize(0.5f, 1.0f, 0, kS8) == 0);
  CHECK(golden::quantize(1.5f, 1.0f, 0, kS8) == 2);
  CHECK(golden::quantize(-2.5f, 1.0f, 0, kS8) == -2);
  // The zero point is added after rounding, so an odd one does not move the tie.
  CHECK(golden::quantize(2.5f, 1.0f, 1, kS8) == 3);
  CHECK(golden::quantize(1e30f, 1e-30f, 0, kS8) == 127);
  CHECK(golden::quantize(-1e30f, 1e-30f, 0, kU8) == 0);
  CHECK(golden::quantize(std::numeric_limits<float>::infinity(), 1.0f, 5, kU8) == 255);
  CHECK(golden::quantize(std::nanf(""), 1.0f, 5, kU8) == 5);
}

TEST_CASE("quantize divides: multiplying by the reciprocal would be wrong in ties",
          "[graph_reference]") {
  auto rng = test::make_rng(1);
  int wrong = 0;
  for (int i = 0; i < 20000; ++i) {
    const float scale = static_cast<float>(test::uniform(rng, 1, 1 << 20)) / (1 << 22);
    const float x = static_cast<float>(test::uniform(rng, -120, 119) + 0.5) * scale;
    const double exact = static_cast<double>(x) / static_cast<double>(scale);
    const auto expected = static_cast<int32_t>(std::nearbyint(static_cast<float>(exact)));
    CHECK(golden::quantize(x, scale, 0, kS8) == expected);
    CHECK(golden::binary32::divide(x, scale, 1.0f / scale) == golden::quotient(x, scale));
    if (std::nearbyint(x * (1.0f / scale)) != expected) ++wrong;
  }
  CHECK(wrong > 0);
}

TEST_CASE("requantization of every s8 value and back is the identity", "[graph_reference]") {
  auto rng = test::make_rng(2);
  for (int i = 0; i < 200; ++i) {
    const QuantParams p{static_cast<float>(test::uniform(rng, 1, 1 << 24)) / (1 << 26),
                        static_cast<int32_t>(test::uniform(rng, -128, 127))};
    for (int32_t q = -128; q <= 127; ++q) {
      const float real = golden::dequantize(q, p.scale, p.zero_point);
      CHECK(golden::quantize(real, p.scale, p.zero_point, kS8) == q);
    }
  }
}

TEST_CASE("accumulators wrap around at 32 bits", "[graph_reference]") {
  CHECK(golden::wrapping_add(0x7fffffff, 1) == std::numeric_limits<int32_t>::min());
  CHECK(golden::multiply_accumulate(0x7fffffff, 1, 2) == std::numeric_limits<int32_t>::min() + 1);
  CHECK(golden::multiply_accumulate(5, -255, 255) == 5 - 255 * 255);
}

TEST_CASE("add fuses both products; with zero points folded into one offset", "[graph_reference]") {
  const QuantParams a{0.5f, 3};
  const QuantParams b{0.25f, -7};
  const QuantParams y{1.0f, 11};
  const auto k = golden::add_coefficients(a, b, y);
  CHECK(k.offset == 11 - (0.5f * 3 + 0.25f * -7));
  CHECK(golden::add(13, -3, k, kS8) == 17);
  // 0.5 * 10 + 0.25 * 2 = 5.5: the fused form rounds 16.5, the separate one 5.5.
  CHECK(golden::add(13, -5, k, kS8) == 16);
  CHECK(golden::add_unfused(13, -5, a, b, y, kS8) == 17);
}

TEST_CASE("average pool rounds with the offset, or before it", "[graph_reference]") {
  CHECK(golden::average_pool(2.5f, 1, {1.0f, 1}, graph::Rounding::AfterOffset, kS8) == 4);
  CHECK(golden::average_pool(2.5f, 1, {1.0f, 1}, graph::Rounding::BeforeOffset, kS8) == 3);
}

TEST_CASE("a convolution is the sum over its window, padding counting as zero",
          "[graph_reference]") {
  const Tensor w = random_tensor(DataType::S8, {4, 2, 3, 2}, 3);
  const Tensor x = random_tensor(DataType::S8, {2, 4, 7, 6}, 4);
  ModelBuilder b;
  b.input("x", DataType::S8, {2, 4, 7, 6});
  const auto conv =
      b.node("Conv", {b.dequantize<int8_t>("x", 0.03f, 5, "d"), b.weights(w, 0.02f, "w")}, "conv",
             {{"pads", Ints{1, 2, 0, 1}},
              {"strides", Ints{2, 1}},
              {"dilations", Ints{1, 2}},
              {"group", int64_t{2}}});
  b.quantize<int8_t>(conv, 0.4f, -3, "y");
  b.output("y", DataType::S8, {});
  const Tensor y = run_one(b, x);
  REQUIRE(y.shape() == Shape{2, 4, 3, 7});
  const auto at = [&](int64_t n, int64_t c, int64_t h, int64_t v) {
    if (h < 0 || h >= 7 || v < 0 || v >= 6) return int64_t{0};
    return x.integer(((n * 4 + c) * 7 + h) * 6 + v) - 5;
  };
  int64_t i = 0;
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t m = 0; m < 4; ++m) {
      for (int64_t oh = 0; oh < 3; ++oh) {
        for (int64_t ow = 0; ow < 7; ++ow) {
          int64_t acc = 0;
          for (int64_t k = 0; k < 12; ++k) {
            const int64_t c = m / 2 * 2 + k / 6;
            acc += at(n, c, oh * 2 - 1 + k / 2 % 3, ow - 2 + k % 2 * 2) * w.integer(m * 12 + k);
          }
          const float scaled = static_cast<float>(acc) * ((0.03f * 0.02f) / 0.4f);
          const auto q = std::clamp<int64_t>(std::lrint(scaled) - 3, -128, 127);
          REQUIRE(y.integer(i++) == q);
        }
      }
    }
  }
}

TEST_CASE("matrix products agree, whichever operator and operand form says them",
          "[graph_reference]") {
  const Tensor x = random_tensor(DataType::S8, {3, 20}, 5);
  const Tensor w = random_tensor(DataType::S8, {20, 7}, 6);
  ModelBuilder constant;
  constant.input("x", DataType::S8, {3, 20});
  constant.quantize<int8_t>(
      constant.node(
          "MatMul",
          {constant.dequantize<int8_t>("x", 0.03f, 5, "d"), constant.weights(w, 0.02f, "w")}, "m"),
      0.7f, 9, "y");
  constant.output("y", DataType::S8, {});
  ModelBuilder both;
  both.input("x", DataType::S8, {3, 20});
  both.input("w", DataType::S8, {20, 7});
  both.node("QLinearMatMul",
            {"x", both.scalar(0.03f), both.scalar<int8_t>(5), "w", both.scalar(0.02f),
             both.scalar<int8_t>(0), both.scalar(0.7f), both.scalar<int8_t>(9)},
            "y");
  both.output("y", DataType::S8, {});
  const auto second = golden::run(both.build(), {{"x", x}, {"w", w}});
  CHECK(run_one(constant, x) == second.at("y"));
}

TEST_CASE("a product that stays float is its accumulator times the product of the scales",
          "[graph_reference]") {
  const Tensor x = random_tensor(DataType::U8, {3, 20}, 7);
  const Tensor w = random_tensor(DataType::S8, {20, 7}, 8);
  const float unit = 0.03f * 0.02f;
  const Tensor bias(Shape{7}, std::vector<int32_t>{1 << 20, -5, 0, 77777, -(1 << 24) - 1, 3, 4});
  ModelBuilder b;
  b.input("x", DataType::U8, {3, 20});
  const auto sum = b.node("Gemm",
                          {b.dequantize<uint8_t>("x", 0.03f, 5, "d"), b.weights(w, 0.02f, "w"),
                           b.weights(bias, unit, "b")},
                          "sum");
  b.node("Clip", {sum, b.scalar(-1.5f), b.scalar(40.0f)}, "y");
  b.output("y", DataType::F32, {});
  const Tensor y = run_one(b, x);
  for (int64_t m = 0; m < 3; ++m) {
    for (int64_t n = 0; n < 7; ++n) {
      auto acc = static_cast<int32_t>(bias.integer(n));
      for (int64_t k = 0; k < 20; ++k) {
        acc += static_cast<int32_t>((x.integer(m * 20 + k) - 5) * w.integer(k * 7 + n));
      }
      const float value = static_cast<float>(acc) * unit;
      CHECK(y.data<float>()[m * 7 + n] == std::min(std::max(value, -1.5f), 40.0f));
    }
  }
}

TEST_CASE("the hook sees every node's output in order", "[graph_reference]") {
  const graph::Graph graph = test::small_conv_model().build();
  std::vector<std::string> seen;
  golden::run(graph, {{"x", Tensor(DataType::F32, {1, 2, 5, 6})}},
              [&](const graph::Node& node, const Tensor& output) {
                CHECK(output.shape() == graph.output_of(node).shape);
                seen.push_back(graph.output_of(node).name);
              });
  CHECK(seen == std::vector<std::string>{"xq", "yq", "y"});
}

TEST_CASE("a missing or wrong input is an error that names it", "[graph_reference]") {
  const graph::Graph graph = test::small_conv_model().build();
  CHECK_THROWS_WITH(golden::run(graph, {}), Catch::Matchers::Contains("missing input"));
  CHECK_THROWS_WITH(golden::run(graph, {{"x", Tensor(DataType::S8, {1, 2, 5, 6})}}),
                    Catch::Matchers::Contains("'x'") && Catch::Matchers::Contains("got int8"));
}

// ---- recordings of outside judges
// ------------------------------------------------------------------

namespace {

// The most by which elements of two tensors of one type differ: bytes as they are, numbers in
// units of 1e-7 plus a thousandth of their magnitude (the tolerance of the ONNX node tests).
double distance(const Tensor& got, const Tensor& wanted) {
  REQUIRE(got.type() == wanted.type());
  REQUIRE(got.shape() == wanted.shape());
  double most = 0;
  for (int64_t i = 0; i < got.size(); ++i) {
    if (got.type() != DataType::F32) {
      most = std::max(most, std::abs(static_cast<double>(got.integer(i) - wanted.integer(i))));
      continue;
    }
    const double a = got.data<float>()[i], b = wanted.data<float>()[i];
    most = std::max(most, std::abs(a - b) / (1e-7 + 1e-3 * std::abs(b)));
  }
  return most;
}

}  // namespace

TEST_CASE("MLPerf Tiny networks give ONNX Runtime's recorded outputs", "[graph_reference]") {
  const auto folder = test::data_folder("mlperf_tiny");
  if (!folder) return;
  int compared = 0;
  for (const auto& entry : fs::directory_iterator(*folder)) {
    const onnx::Model model = onnx::load((entry.path() / "model.onnx").string());
    const graph::Graph graph = graph::build(model);
    for (int i = 0; fs::exists(entry.path() / ("input_" + std::to_string(i) + ".npy")); ++i) {
      const std::string number = std::to_string(i) + ".npy";
      const Tensor input = npy::load((entry.path() / ("input_" + number)).string());
      const Tensor expected = npy::load((entry.path() / ("output_" + number)).string());
      const auto outputs = golden::run(graph, {{model.inputs[0].name, input}});
      const Tensor& output = outputs.at(model.outputs[0].name);
      INFO(entry.path() << " input " << i);
      // A softmax at the end may differ by one step of its scale; no other operator may.
      const bool ends_in_softmax = std::any_of(
          graph.nodes.begin(), graph.nodes.end(),
          [](const graph::Node& node) { return std::holds_alternative<graph::Softmax>(node.op); });
      CHECK(distance(output, expected) <= (ends_in_softmax ? 1 : 0));
      ++compared;
    }
  }
  CHECK(compared > 0);
}

namespace {

// Calls check(outputs, wanted) for a node test of one output.
template <typename Check>
void run_node_test(const fs::path& folder, Check check) {
  INFO(folder);
  REQUIRE(fs::exists(folder));
  const fs::path set = folder / "test_data_set_0";
  const onnx::Model model = onnx::load((folder / "model.onnx").string());
  graph::Tensors inputs;
  for (size_t i = 0; i < model.inputs.size(); ++i) {
    const auto file = set / ("input_" + std::to_string(i) + ".pb");
    inputs.emplace(model.inputs[i].name, onnx::load_tensor_proto(file.string()));
  }
  const auto outputs = golden::run(graph::build(model, inputs), inputs);
  check(outputs.at(model.outputs[0].name), onnx::load_tensor_proto((set / "output_0.pb").string()));
}

}  // namespace

TEST_CASE("the ONNX node tests of our operators and types give the recorded outputs",
          "[graph_reference]") {
  const auto folder = test::data_folder("onnx_node");
  if (!folder) return;
  // Of the quantized operators, those in types that Systole has.
  const std::vector<std::string> cases = {"test_qlinearconv",
                                          "test_qlinearmatmul_2D_int8_float32",
                                          "test_qlinearmatmul_2D_uint8_float32",
                                          "test_qlinearmatmul_3D_int8_float32",
                                          "test_qlinearmatmul_3D_uint8_float32",
                                          "test_quantizelinear_axis",
                                          "test_dequantizelinear_axis",
                                          "test_maxpool_2d_uint8",
                                          "test_clip_default_int8_min",
                                          "test_add_uint8",
                                          "test_mul_int8",
                                          "test_mul_uint8"};
  for (const std::string& name : cases) {
    run_node_test(*folder / name,
                  [](const Tensor& got, const Tensor& wanted) { CHECK(got == wanted); });
  }
}

TEST_CASE("the ONNX node tests of float operators give the recorded outputs", "[graph_reference]") {
  const auto folder = test::data_folder("onnx_node");
  if (!folder) return;
  const std::vector<std::string> cases = {"test_averagepool_2d_ceil",
                                          "test_averagepool_2d_dilations",
                                          "test_averagepool_2d_precomputed_pads",
                                          "test_averagepool_2d_same_upper",
                                          "test_clip",
                                          "test_clip_default_max",
                                          "test_clip_splitbounds",
                                          "test_globalmaxpool_precomputed",
                                          "test_maxpool_1d_default",
                                          "test_maxpool_2d_precomputed_pads",
                                          "test_maxpool_2d_same_lower",
                                          "test_maxpool_2d_strides",
                                          "test_mul_bcast",
                                          "test_relu",
                                          "test_softmax_axis_0",
                                          "test_softmax_default_axis",
                                          "test_softmax_example",
                                          "test_tanh_example"};
  for (const std::string& name : cases) {
    run_node_test(*folder / name, [](const Tensor& got, const Tensor& wanted) {
      CHECK(distance(got, wanted) <= 1);
    });
  }
}

}  // namespace systole
