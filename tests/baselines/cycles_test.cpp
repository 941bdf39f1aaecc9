// Cycle counts change only on purpose: cycles.json holds those of a short list of networks on
// `small`. Any change fails, for the better too; `make baseline` records the new counts.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/chip/network_run.hpp"
#include "tests/host/model_builder.hpp"

using namespace systole;
using namespace systole::test;

namespace {

const std::string kFile = "tests/baselines/cycles.json";
const std::string kConfig = "small";
const std::string kRecord = "`make baseline` records the new count, if it is meant";

/// Values that repeat on every machine.
Tensor pattern(DataType type, const Shape& shape, uint32_t seed) {
  Tensor tensor(type, shape);
  uint32_t state = seed;
  for (uint8_t& byte : tensor.bytes()) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return tensor;
}

std::string quantized_weights(ModelBuilder& b, const Shape& shape, const std::string& name) {
  return b.weights(pattern(DataType::S8, shape, 7), 0.01f, name);
}

/// x -> DQ -> (what `body` makes) -> Q -> y, s8 at both ends.
Network s8_network(const Shape& in, const Shape& out,
                   const std::function<std::string(ModelBuilder&, const std::string&)>& body) {
  ModelBuilder b;
  b.input("x", DataType::S8, in);
  const auto y = body(b, b.dequantize<int8_t>("x", 0.05f, 3, "xd"));
  b.quantize<int8_t>(y, 1.5f, -5, "y");
  b.output("y", DataType::S8, out);
  return make_network(b.parse(), {{"x", pattern(DataType::S8, in, 1)}});
}

Network gemm_network() {
  return s8_network({96, 320}, {96, 160}, [](ModelBuilder& b, const std::string& x) {
    return b.node("MatMul", {x, quantized_weights(b, {320, 160}, "w")}, "product");
  });
}

Network conv_network() {
  return s8_network({1, 32, 14, 14}, {1, 48, 14, 14}, [](ModelBuilder& b, const std::string& x) {
    const auto w = quantized_weights(b, {48, 32, 3, 3}, "w");
    return b.node("Conv", {x, w}, "conv", {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  });
}

Network depthwise_network() {
  return s8_network({1, 32, 12, 12}, {1, 32, 6, 6}, [](ModelBuilder& b, const std::string& x) {
    const auto w = quantized_weights(b, {32, 1, 3, 3}, "w");
    return b.node("Conv", {x, w}, "conv",
                  {{"pads", std::vector<int64_t>{1, 1, 1, 1}},
                   {"strides", std::vector<int64_t>{2, 2}},
                   {"group", int64_t{32}}});
  });
}

const std::vector<std::pair<std::string, std::function<Network()>>> kNetworks = {
    {"digits_mlp, 4 images", [] { return digits_network("mlp", 4); }},
    {"digits_cnn, 2 images", [] { return digits_network("cnn", 2); }},
    {"gemm 96x320x160", gemm_network},
    {"conv 32x14x14 to 48, 3x3", conv_network},
    {"depthwise conv 32x12x12, 3x3, stride 2", depthwise_network},
};

SimulationOptions options_for(unsigned cycles_per_wait) {
  SimulationOptions options;
  options.lockstep = false;
  options.cycles_per_wait = cycles_per_wait;
  return options;
}

uint64_t cycles_of(const Network& network, unsigned cycles_per_wait = 64) {
  return run_network(network, kConfig, kConfig, options_for(cycles_per_wait)).chip_cycles;
}

nlohmann::ordered_json read_baseline() {
  std::ifstream file(kFile);
  if (!file) return {};
  return nlohmann::ordered_json::parse(file).at("chip_cycles");
}

}  // namespace

TEST_CASE("cycles are those of the baseline", "[baseline]") {
  const auto baseline = read_baseline();
  for (const auto& [name, make] : kNetworks) {
    INFO(kFile << ": " << name << ": " << kRecord);
    CHECK(baseline.contains(name));
    if (!baseline.contains(name)) continue;
    const uint64_t recorded = baseline[name], now = cycles_of(make());
    CHECK(now == recorded);
  }
  CHECK(baseline.size() == kNetworks.size());
}

TEST_CASE("cycles do not depend on the cycles in a SystemC wait", "[baseline]") {
  const Network network = digits_network("mlp", 2);
  CHECK(cycles_of(network, 1) == cycles_of(network, 16));
}

// Run by `make baseline`.
TEST_CASE("record the baseline", "[.record]") {
  const auto old = read_baseline();
  nlohmann::ordered_json cycles;
  for (const auto& [name, make] : kNetworks) {
    cycles[name] = cycles_of(make());
    fmt::print("{:<42} {:>9} -> {:>9}\n", name, old.contains(name) ? old[name].dump() : "none",
               cycles[name].dump());
  }
  const nlohmann::ordered_json all = {{"config", kConfig}, {"chip_cycles", cycles}};
  std::ofstream file(kFile);
  file << all.dump(2) << "\n";
  REQUIRE(file.good());
}
