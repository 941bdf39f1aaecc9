// GEMM 1024 x 1024 x 1024 of s8 on the simulated chip (operands and result in DRAM, lockstep off)
// against the native loops, pair by pair in one process.
//
// usage: gemm_chip [CONFIG [PAIRS]]
#include <chrono>
#include <cstdlib>
#include <exception>
#include <random>

#include "bench/figures.hpp"
#include "bench/native_gemm.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/driver/session.hpp"
#include "host/driver/simulated_chip.hpp"
#include "rtl/spec/gen/systole_commands.hpp"

namespace {

using namespace systole;

constexpr int kSize = 1024;
constexpr double kDramBytesPerCycle = 25.6;  // DDR4-3200, 64 bits, at the chip's 1 GHz

std::vector<int8_t> random_bytes(std::mt19937& random, std::size_t count) {
  std::uniform_int_distribution<int> value(-128, 127);
  std::vector<int8_t> bytes(count);
  for (int8_t& byte : bytes) byte = static_cast<int8_t>(value(random));
  return bytes;
}

/// y = requantize(x * w), all s8, per tensor.
graph::Graph gemm_graph(const std::vector<int8_t>& weights) {
  const Shape square{kSize, kSize};
  graph::QGemm gemm;
  gemm.weights = Tensor(square, weights);
  gemm.w_scale.assign(kSize, 1.0f);
  gemm.w_zero_point.assign(kSize, 0);
  gemm.bias.assign(kSize, 0);
  gemm.y.scale = 16384.0f;
  gemm.multiplier.assign(kSize, 1.0f / gemm.y.scale);
  gemm.clamp = {-128, 127};
  graph::Graph graph;
  graph.values.push_back({"x", DataType::S8, square, std::nullopt});
  graph.values.push_back({"y", DataType::S8, square, std::nullopt});
  graph.nodes.push_back({"gemm", gemm, {0}, 1});
  graph.inputs = {0};
  graph.outputs = {1};
  return graph;
}

template <typename Body>
double seconds(Body body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The better of the two compilers' loops.
double native_seconds(const std::vector<int8_t>& a, const std::vector<int8_t>& bt,
                      std::vector<int32_t>& c) {
  const auto time = [&](bench::NativeGemm gemm) {
    return seconds([&] { gemm(kSize, kSize, kSize, a.data(), bt.data(), c.data()); });
  };
  return std::min(time(bench::native_gemm_gcc), time(bench::native_gemm_clang));
}

int run(const std::string& config_name, int pairs) {
  std::mt19937 random(1);
  const std::vector<int8_t> a = random_bytes(random, kSize * kSize);
  const std::vector<int8_t> b = random_bytes(random, kSize * kSize);
  std::vector<int8_t> bt(b.size());
  for (int k = 0; k < kSize; ++k) {
    for (int n = 0; n < kSize; ++n)
      bt[static_cast<std::size_t>(n * kSize + k)] = b[static_cast<std::size_t>(k * kSize + n)];
  }
  std::vector<int32_t> c(static_cast<std::size_t>(kSize * kSize));

  compile::CompileOptions options;
  options.records_in_dram = true;
  const auto model = compile::compile(gemm_graph(b), chip_config(config_name), options);
  SimulationOptions simulation;
  simulation.lockstep = false;
  simulation.host_memory_bytes = Session::host_memory_bytes(model, 1);
  const auto chip = load_simulated_chip(model.config, simulation);
  Session session(model, *chip);
  const std::vector<Record> inputs{{Tensor(Shape{kSize, kSize}, a)}};

  std::vector<double> ratios, speeds;
  uint64_t cycles = 0;
  for (int i = 0; i < pairs; ++i) {
    const double native = native_seconds(a, bt, c);
    const uint64_t first = chip->cycles();
    session.write_inputs(inputs);
    const double simulated = seconds([&] { session.run_written(); });
    cycles = session.reports().at(0).end - session.reports().at(0).start;
    ratios.push_back(simulated / native);
    speeds.push_back(static_cast<double>(chip->cycles() - first) / simulated);
  }
  const double peak = static_cast<double>(model.tiles.size()) * spec::ArrayCols * spec::ArrayDepth;
  const double compute = 1.0 * kSize * kSize * kSize / peak;
  const double memory = 3.0 * kSize * kSize / kDramBytesPerCycle;
  bench::print_figure("sim_vs_native_gemm", bench::median(ratios), "ratio");
  bench::print_figure("sim_cycles_per_second", bench::median(speeds), "cycles/s");
  bench::print_figure("unaccounted_cycles", static_cast<double>(chip->unaccounted_cycles()),
                      "cycles");
  bench::print_figure("gemm_chip_cycles", static_cast<double>(cycles), "cycles");
  bench::print_figure("gemm1024_utilization", compute / static_cast<double>(cycles), "fraction");
  bench::print_figure("gemm_chip_bound_fraction",
                      std::max(compute, memory) / static_cast<double>(cycles), "fraction");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "small", argc > 2 ? std::atoi(argv[2]) : 5);
  } catch (const std::exception& error) {
    fmt::print(stderr, "gemm_chip: {}\n", error.what());
    return 2;
  }
}
