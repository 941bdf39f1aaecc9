// A product whose result stays float, on the simulated chip: the vector unit writes binary32
// numbers straight from the accumulators.
#include <catch2/catch.hpp>

#include "tests/chip/network_run.hpp"
#include "tests/host/model_builder.hpp"
#include "tests/support/seed.hpp"

using namespace systole;
using namespace systole::test;

namespace {

Tensor random_tensor(DataType type, const Shape& shape, uint64_t stream) {
  auto rng = make_rng(stream);
  Tensor tensor(type, shape);
  for (uint8_t& byte : tensor.bytes()) byte = static_cast<uint8_t>(uniform(rng, 0, 255));
  return tensor;
}

}  // namespace

TEST_CASE("chip: products that stay float are exact, per channel, clipped, of two inputs",
          "[chip]") {
  constexpr int64_t kColumns = 45;
  ModelBuilder b;
  b.input("x", DataType::U8, {37, 70});
  b.input("r", DataType::U8, {70, 19});
  const auto x = b.dequantize<uint8_t>("x", 0.03f, 7, "xd");
  std::vector<float> scales;
  for (int64_t n = 0; n < kColumns; ++n) scales.push_back(0.01f + 0.003f * static_cast<float>(n));
  const auto w = b.node("DequantizeLinear",
                        {b.constant(random_tensor(DataType::S8, {70, kColumns}, 1)),
                         b.vector(scales), b.constant(Tensor(DataType::S8, {kColumns}))},
                        "w", {{"axis", int64_t{1}}});
  const auto product = b.node("Gemm", {x, w}, "product");
  b.output(product, DataType::F32, {});
  b.output(b.node("Clip", {product, b.scalar(-20.0f), b.scalar(60.0f)}, "clipped"), DataType::F32,
           {});
  b.output(b.node("MatMul", {x, b.dequantize<uint8_t>("r", 0.02f, 130, "rd")}, "both"),
           DataType::F32, {});
  const graph::Tensors inputs = {{"x", random_tensor(DataType::U8, {37, 70}, 2)},
                                 {"r", random_tensor(DataType::U8, {70, 19}, 3)}};
  run_network(make_network(b.parse(), inputs), "tiny", "tiny");
}
