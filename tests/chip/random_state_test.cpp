// Networks on a chip whose registers and memories begin with random values: what a flop that is not
// reset holds must show nowhere.
#include <catch2/catch.hpp>

#include "tests/chip/chip_bench.hpp"
#include "tests/chip/network_run.hpp"

using namespace systole;
using namespace systole::test;

TEST_CASE("chip: a random initial state changes neither outputs nor cycles of the digits networks",
          "[chip]") {
  const auto name = GENERATE("mlp", "cnn");
  DYNAMIC_SECTION(name) {
    const Network network = digits_network(name, 3);
    const NetworkRun usual = run_network(network, "tiny", "tiny");
    for (const uint32_t seed : {1u, 20260u}) {
      CAPTURE(seed);
      SimulationOptions options;
      options.random_reset = seed;
      const NetworkRun run = run_network(network, "tiny", "tiny-xrand", options);
      CHECK(run.outputs == usual.outputs);
      CHECK(run.chip_cycles == usual.chip_cycles);
    }
  }
}

TEST_CASE("chip: the random initial state differs from seed to seed", "[chip]") {
  const auto memory_of = [](uint32_t seed) {
    SimulationOptions options;
    options.random_reset = seed;
    std::vector<uint8_t> bytes(64);
    make_chip(options, "tiny-xrand")->read(tile_base(1, 0) + 0x1000, bytes.data(), bytes.size());
    return bytes;
  };
  CHECK(memory_of(1) == memory_of(1));
  CHECK(memory_of(1) != memory_of(2));
}
