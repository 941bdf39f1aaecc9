// A chip that is built without what only observes: the same, but for what it tells of itself.
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/chip/chip_bench.hpp"
#include "tests/chip/network_run.hpp"

using namespace systole;
using namespace systole::test;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kBuild = "tiny-unobserved";

SimulationOptions unjudged() {
  SimulationOptions options;
  options.lockstep = false;
  return options;
}

/// Of tile (1, 1), from the first counter to the last.
std::vector<uint32_t> counter_registers(SimulatedChip& chip) {
  std::vector<uint32_t> words((SYSTOLE_TILE_NOC_RSP_LOCAL_STALLS - SYSTOLE_TILE_LOAD_BUSY) / 4 + 1);
  chip.read(tile_register(1, 1, SYSTOLE_TILE_LOAD_BUSY), words.data(), 4 * words.size());
  return words;
}

}  // namespace

TEST_CASE("unobserved: the digits networks take the same cycles to the same outputs", "[chip]") {
  const auto name = GENERATE("mlp", "cnn");
  DYNAMIC_SECTION(name) {
    const Network network = digits_network(name, 3);
    const NetworkRun usual = run_network(network, "tiny", "tiny");
    const NetworkRun run = run_network(network, "tiny", kBuild, unjudged());
    CHECK(run.outputs == usual.outputs);
    CHECK(run.chip_cycles == usual.chip_cycles);
  }
}

TEST_CASE("unobserved: the counters' registers read 0, and ID says that they do not count",
          "[chip]") {
  const auto model = product_model(std::vector<int8_t>(kDepth * kCols, 3));
  const std::vector<Record> inputs(
      2, {Tensor(Shape{kRows, kDepth}, std::vector<int8_t>(kRows * kDepth, 1))});
  for (const bool counted : {false, true}) {
    CAPTURE(counted);
    auto options = unjudged();
    options.host_memory_bytes = Session::host_memory_bytes(model, inputs.size());
    const auto chip = make_chip(options, counted ? "tiny" : kBuild);
    Session(model, *chip).run(inputs);
    uint32_t id = 0;
    chip->read(tile_register(1, 1, SYSTOLE_TILE_ID), &id, sizeof id);
    CHECK((id >> SYSTOLE_TILE_ID_COUNTERS_LSB & 1) == counted);
    const auto words = counter_registers(*chip);
    const auto zeros = std::count(words.begin(), words.end(), 0);
    CHECK((zeros == static_cast<std::ptrdiff_t>(words.size())) == !counted);
    CHECK(chip->observable() == counted);
    CHECK(chip->counters().tiles.size() == (counted ? 2 : 0));
    CHECK(chip->counters().links.empty() == !counted);
    CHECK(chip->counters().cycle == chip->cycles());
  }
}

TEST_CASE("unobserved: what would observe is refused with what to ask for", "[chip]") {
  const auto refused = [](const SimulationOptions& options, const std::string& what) {
    CHECK_THROWS_WITH(make_chip(options, kBuild), Contains("no " + what) &&
                                                      Contains("built without observability") &&
                                                      Contains("--lockstep off --events off"));
  };
  refused({}, "lockstep");
  auto options = unjudged();
  options.trace_to = 10;
  refused(options, "waves");
  options = unjudged();
  options.checkpoint_every = 10;
  refused(options, "checkpoints");
  options = unjudged();
  options.resume = "any.ckpt";
  refused(options, "checkpoints");
  CHECK_THROWS_WITH(make_chip(unjudged(), kBuild)->observe([](const CommandEvent&) {}),
                    Contains("no events"));
}

TEST_CASE("unobserved: a hang is told, but not who waits", "[chip]") {
  const auto model = product_model(std::vector<int8_t>(kDepth * kCols, 3), true);
  const std::vector<Record> inputs(
      1, {Tensor(Shape{kRows, kDepth}, std::vector<int8_t>(kRows * kDepth, 1))});
  auto options = unjudged();
  options.watchdog_cycles = 20000;
  options.host_memory_bytes = Session::host_memory_bytes(model, inputs.size());
  const auto chip = make_chip(options, kBuild);
  CHECK_THROWS_WITH(Session(model, *chip).run(inputs),
                    Contains("nothing has happened") && Contains("built without observability"));
}
