// Tests that must fail: a chip that is broken on purpose, one fault at a time. Each fault must be
// noticed, and the report must name the place. The faults: *.sv in this folder.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>

#include "host/command/error.hpp"
#include "host/golden/model_device.hpp"
#include "host/graph/graph.hpp"
#include "tests/chip/chip_bench.hpp"
#include "tests/host/model_builder.hpp"
#include "tests/support/seed.hpp"

using namespace systole;
using namespace systole::test;
using Catch::Matchers::Contains;

namespace {

std::vector<int8_t> random_weights() {
  auto rng = make_rng(1);
  std::vector<int8_t> weights(kDepth * kCols);
  for (int8_t& weight : weights) weight = static_cast<int8_t>(uniform(rng, -128, 127));
  return weights;
}

Record random_record(const compile::CompiledModel& model, uint64_t stream) {
  auto rng = make_rng(100 + stream);
  Record record;
  for (const compile::Binding& input : model.inputs) {
    Tensor tensor(input.type, input.shape);
    for (int64_t i = 0; i < tensor.size(); ++i) {
      const int64_t value = uniform(rng, -128, 127);
      if (input.type == DataType::F32) {
        tensor.data<float>()[i] = static_cast<float>(value) / 20.0f;
      } else {
        tensor.bytes()[static_cast<std::size_t>(i)] = static_cast<uint8_t>(value);
      }
    }
    record.push_back(tensor);
  }
  return record;
}

std::vector<Record> random_records(const compile::CompiledModel& model, unsigned count) {
  std::vector<Record> records;
  for (unsigned i = 0; i < count; ++i) records.push_back(random_record(model, i));
  return records;
}

/// What became of a run on the chip with a fault.
struct Run {
  std::vector<Record> outputs;  // if it ended well
  std::string error;            // if not
  std::optional<golden::Mismatch> mismatch;
  std::vector<CommandEvent> events;
  uint64_t cycles = 0;
  uint64_t commands = 0;
  uint64_t unaccounted = 0;
};

/// `fault` as the modules here know it, "" for none.
Run run_with(const std::string& fault, const compile::CompiledModel& model, unsigned inputs,
             uint32_t timeout = 0, uint64_t watchdog = 200000) {
  SimulationOptions options;
  options.host_memory_bytes = Session::host_memory_bytes(model, inputs);
  options.watchdog_cycles = watchdog;
  options.plusargs = {"+fault=" + (fault.empty() ? "none" : fault)};
  const auto chip = make_chip(options, "tiny-faults");
  Run run;
  chip->observe([&](const CommandEvent& event) { run.events.push_back(event); });
  SessionOptions session;
  session.timeout_cycles = timeout;
  try {
    run.outputs = Session(model, *chip, session).run(random_records(model, inputs));
  } catch (const Error& error) {
    run.error = error.what();
  }
  run.mismatch = chip->mismatch();
  run.cycles = chip->cycles();
  run.commands = chip->lockstep_commands();
  run.unaccounted = chip->unaccounted_cycles();
  return run;
}

std::vector<Record> right_outputs(const compile::CompiledModel& model, unsigned inputs) {
  golden::ModelDevice device(model.config, Session::host_memory_bytes(model, inputs));
  return Session(model, device).run(random_records(model, inputs));
}

/// Cycles in which a unit's command began, or retired.
std::vector<uint64_t> cycles_of(const Run& run, spec::Unit unit, uint32_t pc, bool retired) {
  std::vector<uint64_t> cycles;
  for (const CommandEvent& event : run.events) {
    if (event.unit == unit && event.pc == pc && event.retired == retired)
      cycles.push_back(event.cycle);
  }
  return cycles;
}

compile::CompiledModel conv_model() {
  return compile::compile(small_conv_model().build(), chip_config("tiny"), {});
}

}  // namespace

TEST_CASE("must_fail: the chip passes as long as no fault is chosen", "[must_fail]") {
  const auto product = product_model(random_weights());
  const auto conv = conv_model();
  for (const compile::CompiledModel* model : {&product, &conv}) {
    const Run run = run_with("", *model, 3);
    CHECK(run.error.empty());
    CHECK_FALSE(run.mismatch);
    CHECK(run.commands > 10);
    CHECK(run.unaccounted == 0);
    CHECK(run.outputs == right_outputs(*model, 3));
  }
}

TEST_CASE("must_fail: a wrong product is found in its element, command, tile and cycle",
          "[must_fail]") {
  const Run run = run_with("product", product_model(random_weights()), 3);
  INFO(run.error);
  REQUIRE(run.mismatch);
  const golden::Mismatch& m = *run.mismatch;
  CHECK(m.kind == golden::Mismatch::Kind::Value);
  CHECK(m.node == golden::Node{1, 1});
  CHECK(m.unit == spec::Unit::Matrix);
  CHECK(m.pc == 1);
  CHECK(m.accumulator);
  CHECK(m.element == 6 * kCols + 5);
  CHECK(m.address == 6 * kCols + 5);
  CHECK(m.wrong_elements == 1);
  CHECK(m.elements == kRows * kCols);
  CHECK(m.got == m.expected + 4096);
  // In the first input, when the product retired, and the run ended there.
  const auto retired = cycles_of(run, spec::Unit::Matrix, 1, true);
  CHECK((retired.empty() || retired.front() == m.cycle));
  const auto begun = cycles_of(run, spec::Unit::Matrix, 1, false);
  REQUIRE(begun.size() == 1);
  CHECK(m.cycle > begun.front() + kRows);
  CHECK(m.cycle < begun.front() + 200);
  CHECK(run.cycles < m.cycle + 200);
  for (const char* part :
       {"lockstep", "wrong value at cycle", "tile (1, 1) Matrix command 1 (Matmul)",
        "element 101 of 384", "accumulator row 6 column 5", "1 of 384 elements differ"}) {
    CHECK_THAT(run.error, Contains(part));
  }
}

TEST_CASE("must_fail: a wrong product in a network is found in the convolution", "[must_fail]") {
  const Run run = run_with("product", conv_model(), 2);
  INFO(run.error);
  REQUIRE(run.mismatch);
  CHECK(run.mismatch->unit == spec::Unit::Matrix);
  CHECK(run.mismatch->accumulator);
  CHECK(run.mismatch->address % kCols == 5);
  CHECK(run.mismatch->got == run.mismatch->expected + 4096);
}

TEST_CASE("must_fail: a lost flit is found in the load that missed it", "[must_fail]") {
  const Run run = run_with("flit", product_model(random_weights()), 2);
  INFO(run.error);
  CHECK(run.outputs.empty());
  // The first load got a packet that is too short; it never retired.
  for (const char* part : {"an assertion of the chip failed", "gen_row[1].gen_col[1]", "u_load."}) {
    CHECK_THAT(run.error, Contains(part));
  }
  const auto begun = cycles_of(run, spec::Unit::Load, 0, false);
  REQUIRE(begun.size() == 1);
  CHECK(cycles_of(run, spec::Unit::Load, 0, true).empty());
  unsigned long long cycle = 0;
  REQUIRE(std::sscanf(run.error.c_str(), "cycle %llu:", &cycle) == 1);
  CHECK(cycle > begun.front());
  CHECK(cycle < begun.front() + 500);
}

TEST_CASE("must_fail: a cycle that is not counted is found, and nothing else is", "[must_fail]") {
  const Run run = run_with("counter", product_model(random_weights()), 3);
  INFO(run.error);
  CHECK(run.outputs.empty());
  CHECK_FALSE(run.mismatch);
  CHECK(run.unaccounted == 1);
  unsigned long long cycle = 0, expected = 0, got = 0;
  REQUIRE(
      std::sscanf(run.error.c_str(),
                  "cycle %llu: tile (1, 1) Matrix: cycles unaccounted for: states and clock off "
                  "do not add up: expected %llu, got %llu",
                  &cycle, &expected, &got) == 3);
  CHECK(expected == cycle);
  CHECK(got == cycle - 1);
}

TEST_CASE("must_fail: a lost post ends by the watchdog, which says who waits for what",
          "[must_fail]") {
  const Run run = run_with("post", product_model(random_weights()), 2, 0, 20000);
  INFO(run.error);
  CHECK(run.outputs.empty());
  CHECK_FALSE(run.mismatch);
  for (const char* part : {"nothing has happened for 20000 cycles", "tile (1, 1)",
                           "Load: command 1 (Load) waits for semaphore 5",
                           "Matrix: command 1 (Matmul) waits for semaphore 0",
                           "Vector: command 0 (Vector) waits for semaphore 1",
                           "Store: command 0 (Store) waits for semaphore 2", "semaphores all 0"}) {
    CHECK_THAT(run.error, Contains(part));
  }
  // The product itself ran: its post is what was lost.
  const auto retired = cycles_of(run, spec::Unit::Matrix, 1, true);
  REQUIRE(retired.size() == 1);
  CHECK(run.cycles > retired.front() + 20000);
  CHECK(run.cycles < retired.front() + 21000);
}

TEST_CASE("must_fail: a lost post ends by the firmware's timeout, which names the tile",
          "[must_fail]") {
  const Run run = run_with("post", product_model(random_weights()), 2, 10000);
  INFO(run.error);
  CHECK(run.outputs.empty());
  for (const char* part : {"inputs 0 to 1", "status Timeout", "tile (1, 1) has not ended"}) {
    CHECK_THAT(run.error, Contains(part));
  }
  const auto launched = cycles_of(run, spec::Unit::Load, 0, false);
  REQUIRE(launched.size() == 1);
  CHECK(run.cycles > launched.front() + 9000);
  CHECK(run.cycles < launched.front() + 15000);
}
