// The cycle model against the RTL on a tiny chip: the same commands in the same cycles.
#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <numeric>
#include <tuple>

#include "host/compile/cycle_model.hpp"
#include "tests/chip/chip_bench.hpp"
#include "tests/chip/network_run.hpp"
#include "tests/chip/random_programs.hpp"
#include "tests/support/seed.hpp"

using namespace systole;
using namespace systole::test;

namespace {

/// A command's begin or retirement: cycle, tile, unit, command, whether it retired.
using Happening = std::tuple<uint64_t, unsigned, unsigned, uint32_t, bool>;

std::string text(const Happening& h) {
  const auto& [cycle, tile, unit, pc, retired] = h;
  return fmt::format("cycle {}: tile {}, {}, command {} {}", cycle, tile,
                     spec::to_string(static_cast<spec::Unit>(unit)), pc,
                     retired ? "retires" : "begins");
}

/// A run on the chip: what happened when, and when the request started and ended.
struct Measured {
  std::vector<Happening> happenings;
  uint64_t loaded = 0;  // the cycle in which the programs were
  RequestReport request;
};

Measured measure(const compile::CompiledModel& model, const std::vector<Record>& records,
                 const std::string& dram = "ddr4-3200") {
  SimulationOptions options;
  options.dram = dram;
  options.lockstep = false;
  options.host_memory_bytes =
      std::max<std::size_t>(Session::host_memory_bytes(model, records.size()), 1 << 18);
  const auto chip = make_chip(options);
  Measured measured;
  chip->observe([&](const CommandEvent& event) {
    const auto tile = std::find_if(
        model.tiles.begin(), model.tiles.end(),
        [&](const compile::TileProgram& t) { return t.x == event.node.x && t.y == event.node.y; });
    measured.happenings.emplace_back(event.cycle, static_cast<unsigned>(tile - model.tiles.begin()),
                                     static_cast<unsigned>(event.unit), event.pc, event.retired);
  });
  Session session(model, *chip);
  measured.loaded = chip->cycles();
  session.run(records);
  REQUIRE(session.reports().size() == 1);
  measured.request = session.reports()[0];
  std::sort(measured.happenings.begin(), measured.happenings.end());
  return measured;
}

std::vector<Happening> happenings(const compile::RequestCycles& request) {
  std::vector<Happening> result;
  for (const timing::Event& event : request.events) {
    result.emplace_back(event.cycle, event.launch, static_cast<unsigned>(event.unit), event.pc,
                        event.retired);
  }
  std::sort(result.begin(), result.end());
  return result;
}

/// Every command of the request begins and retires in the cycle that the model says.
void check_every_cycle(const compile::CompiledModel& model, const std::vector<Record>& records,
                       const std::string& dram = "ddr4-3200") {
  const Measured measured = measure(model, records, dram);
  const auto inputs = static_cast<unsigned>(records.size());
  const compile::RequestCycles predicted =
      compile::run_request(model, {inputs, dram, measured.request.start});
  const std::vector<Happening> expected = happenings(predicted);
  REQUIRE(measured.happenings.size() == expected.size());
  const auto [got, want] =
      std::mismatch(measured.happenings.begin(), measured.happenings.end(), expected.begin());
  if (got != measured.happenings.end())
    FAIL("the chip: " << text(*got) << "; the model: " << text(*want));
  CHECK(predicted.cycles == measured.request.end - measured.request.start);
  CHECK(compile::start_of_first_request(measured.loaded, model.tiles.size()) ==
        measured.request.start);
}

compile::CompiledModel compiled(const Network& network, unsigned page_commands = 0,
                                const std::string& dram = "ddr4-3200") {
  return compile::compile(network.batch.graph, chip_config("tiny"),
                          {0, false, page_commands, 1, {}, dram});
}

}  // namespace

TEST_CASE("launches, ends: programs of one load take what the model says", "[cycle_model]") {
  for (const std::vector<Place>& tiles : {std::vector<Place>{{1, 0}}, {{1, 1}}, {{1, 0}, {1, 1}}})
    check_every_cycle(short_programs(tiles), {{}});
}

TEST_CASE("ends: of tiles that end together the last word counts", "[cycle_model]") {
  for (uint32_t beats = 170; beats < 200; ++beats) {
    INFO(beats << " beats");
    check_every_cycle(fill_programs({{{1, 0}, 200}, {{1, 1}, beats}}), {{}});
  }
}

TEST_CASE("networks: every command begins and retires in the cycle predicted", "[cycle_model]") {
  const Network mlp = digits_network("mlp", 3);
  const Network cnn = digits_network("cnn", 3);
  check_every_cycle(compiled(mlp), mlp.batch.records);
  check_every_cycle(compiled(cnn), cnn.batch.records);
  check_every_cycle(compiled(cnn, 24), cnn.batch.records);  // in pages
  check_every_cycle(compiled(cnn, 0, "hbm2e"), cnn.batch.records, "hbm2e");
}

TEST_CASE("random programs: every command begins and retires in the cycle predicted",
          "[cycle_model]") {
  for (uint64_t stream = 0; stream < 12; ++stream) {
    INFO("stream " << stream);
    auto rng = make_rng(stream);
    check_every_cycle(random_programs(rng), std::vector<Record>(3));
  }
}

TEST_CASE("predictions made before loading are within 2 %", "[cycle_model]") {
  const Network one = digits_network("cnn", 1);
  const compile::CompiledModel model = compiled(one);
  const Measured alone = measure(model, one.batch.records);
  // One input is over before the next refresh of the DRAM is due, or meets it. Nobody knows before
  // which: the prediction is the mean over all phases of the refresh, each of which the model gives
  // to the cycle.
  constexpr unsigned kPhases = 64;
  const timing::DramParameters dram = timing::dram_parameters("ddr4-3200");
  const auto interval =
      static_cast<unsigned>(dram.refi * dram.clock / timing::kPicosecondsPerCycle);
  double sum = 0;
  for (unsigned i = 0; i < kPhases; ++i) {
    const timing::Cycle start = alone.request.start + i * interval / kPhases;
    sum += static_cast<double>(compile::run_request(model, {1, "ddr4-3200", start}).cycles);
  }
  CHECK(static_cast<double>(model.latency) == Approx(sum / kPhases).epsilon(0.02));
  CHECK(compile::run_request(model, {1, "ddr4-3200", alone.request.start}).cycles ==
        alone.request.end - alone.request.start);

  const Network many = digits_network("cnn", 10);
  const Measured stream = measure(model, many.batch.records);
  const auto more = static_cast<double>(stream.request.end - stream.request.start) -
                    static_cast<double>(alone.request.end - alone.request.start);
  CHECK(model.spacing == Approx(more / 9).epsilon(0.02));
  const auto predicted = compile::predict_cycles(model, {10, "ddr4-3200", std::nullopt});
  CHECK(predicted.cycles == Approx(stream.request.end - stream.request.start).epsilon(0.02));
}

TEST_CASE("a program that waits for nobody's post is an error, not a hang", "[cycle_model]") {
  const compile::CompiledModel model = product_model(std::vector<int8_t>(kDepth * kCols), true);
  CHECK_THROWS_WITH(compile::run_request(model, {1, "ddr4-3200", 0}),
                    Catch::Contains("waits for what never comes"));
}
