// The simulated chip as a device: registers, memories, errors, firmware, a program in lockstep.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <numeric>

#include "host/command/error.hpp"
#include "host/golden/model_device.hpp"
#include "tests/chip/chip_bench.hpp"
#include "tests/support/seed.hpp"

using namespace systole;
using namespace systole::test;
using Catch::Matchers::Contains;
using spec::UnitState;

namespace {

std::vector<uint8_t> random_bytes(std::size_t count, uint64_t stream) {
  auto rng = make_rng(stream);
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(uniform(rng, 0, 255));
  return bytes;
}

std::vector<int8_t> random_weights() {
  const auto bytes = random_bytes(kDepth * kCols, 1);
  return {bytes.begin(), bytes.end()};
}

std::vector<Record> random_inputs(unsigned count) {
  std::vector<Record> inputs;
  for (unsigned i = 0; i < count; ++i) {
    Tensor x(DataType::S8, {kRows, kDepth});
    const auto bytes = random_bytes(kRows * kDepth, 100 + i);
    std::copy(bytes.begin(), bytes.end(), x.bytes().begin());
    inputs.push_back({x});
  }
  return inputs;
}

/// The product in plain loops.
Tensor expected(const Tensor& x, const std::vector<int8_t>& weights) {
  Tensor y(DataType::S8, {kRows, kCols});
  for (unsigned r = 0; r < kRows; ++r) {
    for (unsigned c = 0; c < kCols; ++c) {
      int32_t sum = 0;
      for (unsigned k = 0; k < kDepth; ++k)
        sum += x.data<int8_t>()[r * kDepth + k] * weights[k * kCols + c];
      const float scaled = std::nearbyint(static_cast<float>(sum) / 128.0f);
      y.data<int8_t>()[r * kCols + c] = static_cast<int8_t>(std::clamp(scaled, -128.0f, 127.0f));
    }
  }
  return y;
}

SimulationOptions options_for(const compile::CompiledModel& model, std::size_t inputs) {
  SimulationOptions options;
  options.host_memory_bytes = Session::host_memory_bytes(model, inputs);
  return options;
}

struct Run {
  std::vector<Record> outputs;
  uint64_t cycles = 0;
  uint64_t commands = 0;
};

Run run_product(unsigned inputs, SimulationOptions changes = {}, const std::string& build = "tiny",
                const std::vector<spec::VectorCommand>& passes = {}) {
  const auto model = product_model(random_weights(), false, passes);
  changes.host_memory_bytes = Session::host_memory_bytes(model, inputs);
  const auto chip = make_chip(changes, build);
  Session session(model, *chip);
  Run run;
  run.outputs = session.run(random_inputs(inputs));
  run.cycles = chip->cycles();
  run.commands = chip->lockstep_commands();
  return run;
}

/// A pass over the product's accumulators (or over 16 lanes at `from`) to `to`.
spec::VectorCommand one_pass(spec::Vop op, spec::Vtype a, spec::Vtype d, uint32_t from,
                             uint32_t to) {
  spec::VectorCommand c;
  c.op = op, c.a_type = a, c.d_type = d;
  c.lanes = c.lanes_last = kCols;
  c.count0 = a == spec::Vtype::Acc ? kRows : 1;
  c.count1 = c.count2 = c.count3 = c.wcount0 = c.wcount1 = 1;
  c.a_base = from, c.a_stride0 = 1;
  c.d_base = to, c.d_stride0 = 4 * kCols;
  c.s = 0x3f800000;
  return c;
}

void check_product(const Run& run, unsigned inputs) {
  const auto weights = random_weights();
  const auto x = random_inputs(inputs);
  REQUIRE(run.outputs.size() == inputs);
  for (unsigned i = 0; i < inputs; ++i) {
    CAPTURE(i);
    CHECK(run.outputs[i][0] == expected(x[i][0], weights));
  }
}

}  // namespace

TEST_CASE("chip: registers say what it is after reset", "[chip]") {
  const auto chip = make_chip();
  CHECK(chip->read32(io_register(SYSTOLE_IO_ID)) == 0x5359534C);
  CHECK(chip->read32(io_register(SYSTOLE_IO_MESH)) == 0x0202);
  CHECK(chip->read32(io_register(SYSTOLE_IO_CORE_CTRL)) == 0);
  CHECK(chip->read32(tile_register(1, 0, SYSTOLE_TILE_ID)) !=
        chip->read32(tile_register(1, 1, SYSTOLE_TILE_ID)));
  CHECK(chip->read32(tile_register(1, 1, SYSTOLE_TILE_STATUS)) == 0);
}

TEST_CASE("chip: time passes only in calls, and no faster than their cycles", "[chip]") {
  const auto chip = make_chip();
  const uint64_t start = chip->cycles();
  CHECK_FALSE(chip->wait_interrupt(1000));
  CHECK(chip->cycles() == start + 1000);
  CHECK_FALSE(chip->wait_interrupt(0));
  CHECK(chip->cycles() == start + 1000);
  const uint32_t now = chip->read32(io_register(SYSTOLE_IO_CYCLE_LO));
  CHECK(now >= start + 1000);
  CHECK(now <= chip->cycles());
}

TEST_CASE("chip: the host reads back what it wrote, at any alignment", "[chip]") {
  const auto chip = make_chip();
  auto rng = make_rng();
  const Address bases[] = {spec::DramBase + 0x12340, tile_base(1, 0) + 0x1000,
                           tile_base(1, 1) + 0x20000, spec::CoreRamBase + 0x4000};
  for (const Address base : bases) {
    for (int i = 0; i < 12; ++i) {
      const Address at = base + static_cast<Address>(uniform(rng, 0, 600));
      const auto bytes = static_cast<std::size_t>(uniform(rng, 1, i < 8 ? 100 : 6000));
      CAPTURE(base, at, bytes);
      const auto sent = random_bytes(bytes, static_cast<uint64_t>(i));
      // Neighbours stay.
      const auto around = random_bytes(bytes + 80, 77);
      chip->write(at - 40, around.data(), around.size());
      chip->write(at, sent.data(), bytes);
      std::vector<uint8_t> got(bytes + 80);
      chip->read(at - 40, got.data(), got.size());
      CHECK(std::equal(sent.begin(), sent.end(), got.begin() + 40));
      CHECK(std::equal(around.begin(), around.begin() + 40, got.begin()));
      CHECK(std::equal(around.end() - 40, around.end(), got.end() - 40));
    }
  }
}

TEST_CASE("chip: a long write runs at about a beat a cycle", "[chip]") {
  const auto chip = make_chip();
  const auto data = random_bytes(256 << 10, 5);
  const uint64_t start = chip->cycles();
  chip->write(spec::DramBase, data.data(), data.size());
  const auto beats = static_cast<double>(data.size() / 32);
  const auto written = static_cast<double>(chip->cycles() - start);
  CHECK(written / beats < 1.4);  // DRAM takes 0.8 beats a cycle
  std::vector<uint8_t> got(data.size());
  const uint64_t middle = chip->cycles();
  chip->read(spec::DramBase, got.data(), got.size());
  CHECK(got == data);
  CHECK(static_cast<double>(chip->cycles() - middle) / beats < 1.6);
}

TEST_CASE("chip: a bad address is an error that names it, and the chip goes on", "[chip]") {
  const auto chip = make_chip();
  const Address bad[] = {spec::TileBase,                               // no tile in column 0
                         tile_base(5, 0),                              // outside the mesh
                         spec::DramBase + 3 * spec::DramChannelBytes,  // no such channel
                         0x40, spec::IoRegsBase + 0x10000};
  for (const Address address : bad) {
    CAPTURE(address);
    uint32_t word = 0;
    CHECK_THROWS_WITH(chip->read(address, &word, 4),
                      Contains("refuses to read") && Contains("DECERR"));
    CHECK_THROWS_WITH(chip->write(address, &word, 4), Contains("refuses to write"));
  }
  CHECK(chip->read32(io_register(SYSTOLE_IO_ID)) == 0x5359534C);
}

TEST_CASE("chip: the firmware boots", "[chip]") {
  compile::CompiledModel empty;
  empty.config = chip_config("tiny");
  const auto chip = make_chip();
  const auto model = product_model(random_weights());
  CHECK_NOTHROW(Session(model, *chip));
  CHECK(chip->read32(io_register(SYSTOLE_IO_FW_STATE)) == SYSTOLE_FW_STATE_READY);
}

TEST_CASE("chip: a program of all units computes the product, every command judged", "[chip]") {
  const unsigned inputs = 5;
  const Run run = run_product(inputs);
  check_product(run, inputs);
  // Of an input: Load, Nop, Matmul, Vector, Store; Loops and Ends besides.
  CHECK(run.commands >= inputs * 4);
}

TEST_CASE("chip: passes with functions and moves are loaded, run, and judged", "[chip]") {
  using namespace spec;
  constexpr uint32_t kMoved = 0x3000, kSum = 0x4000, kInverse = 0x4040, kRoot = 0x4080;
  const VectorCommand move = one_pass(Vop::Move, Vtype::Acc, Vtype::S32, 0, kMoved);
  VectorCommand sum = one_pass(Vop::Mul, Vtype::Acc, Vtype::F32, 0, kSum);
  sum.s = 0x3a800000;  // 2^-10
  sum.act = Vact::Exp2;
  sum.reduce = Vreduce::Sum;
  std::swap(sum.count0, sum.wcount0);
  sum.a_wstride0 = 1;
  VectorCommand inverse = one_pass(Vop::Mul, Vtype::F32, Vtype::F32, kSum, kInverse);
  inverse.act = Vact::Recip;
  VectorCommand root = one_pass(Vop::Mul, Vtype::F32, Vtype::F32, kSum, kRoot);
  root.act = Vact::Rsqrt;
  const Run run = run_product(2, {}, "tiny", {move, sum, inverse, root});
  check_product(run, 2);
  CHECK(run.commands == run_product(2).commands + 2 * 4);
}

TEST_CASE("chip: the functional model gives the same outputs", "[chip]") {
  const unsigned inputs = 3;
  const auto model = product_model(random_weights());
  golden::ModelDevice device(model.config, Session::host_memory_bytes(model, inputs));
  Session session(model, device);
  CHECK(session.run(random_inputs(inputs)) == run_product(inputs).outputs);
}

TEST_CASE("chip: results and cycles do not depend on the step", "[chip]") {
  SimulationOptions options;
  options.cycles_per_wait = 64;
  const Run usual = run_product(4, options);
  for (const unsigned step : {1u, 16u, 1000u}) {
    CAPTURE(step);
    options.cycles_per_wait = step;
    const Run run = run_product(4, options);
    CHECK(run.outputs == usual.outputs);
    CHECK(run.cycles == usual.cycles);
    CHECK(run.commands == usual.commands);
  }
}

TEST_CASE("chip: lockstep changes neither results nor cycles", "[chip]") {
  SimulationOptions options;
  options.lockstep = false;
  const Run without = run_product(4, options);
  const Run with = run_product(4);
  CHECK(without.outputs == with.outputs);
  CHECK(without.cycles == with.cycles);
  CHECK(without.commands == 0);
}

TEST_CASE("chip: a random initial state changes neither results nor cycles", "[chip]") {
  const Run usual = run_product(4);
  for (const uint32_t seed : {1u, 2u}) {
    CAPTURE(seed);
    SimulationOptions options;
    options.random_reset = seed;
    const Run run = run_product(4, options, "tiny-xrand");
    CHECK(run.outputs == usual.outputs);
    CHECK(run.cycles == usual.cycles);
  }
}

TEST_CASE("chip: the random initial state is refused by a build that has none", "[chip]") {
  SimulationOptions options;
  options.random_reset = 1;
  CHECK_THROWS_WITH(make_chip(options), Contains("xrand"));
}

TEST_CASE("chip: DRAM presets change cycles, not results", "[chip]") {
  SimulationOptions options;
  options.dram = "hbm2e";
  check_product(run_product(2, options), 2);
  options.dram = "ddr9";
  CHECK_THROWS_WITH(make_chip(options), Contains("ddr4-3200"));
}

TEST_CASE("chip: the observer sees each command begin and retire, in the order of cycles",
          "[chip]") {
  const unsigned inputs = 3;
  const auto model = product_model(random_weights());
  const auto chip = make_chip(options_for(model, inputs));
  std::vector<CommandEvent> events;
  chip->observe([&](const CommandEvent& event) { events.push_back(event); });
  Session session(model, *chip);
  session.run(random_inputs(inputs));
  const auto count = [&](spec::Unit unit, uint32_t pc, bool retired) {
    return std::count_if(events.begin(), events.end(), [&](const CommandEvent& e) {
      return e.unit == unit && e.pc == pc && e.retired == retired;
    });
  };
  CHECK(count(spec::Unit::Load, 0, true) == 1);
  CHECK(count(spec::Unit::Load, 1, false) == inputs);
  CHECK(count(spec::Unit::Load, 1, true) == inputs);
  CHECK(count(spec::Unit::Matrix, 1, false) == inputs);
  CHECK(count(spec::Unit::Vector, 0, true) == inputs);
  CHECK(count(spec::Unit::Store, 0, true) == inputs);
  CHECK(std::is_sorted(
      events.begin(), events.end(),
      [](const CommandEvent& a, const CommandEvent& b) { return a.cycle < b.cycle; }));
  CHECK(std::all_of(events.begin(), events.end(), [](const CommandEvent& e) {
    return e.node == golden::Node{1, 1};
  }));
}

TEST_CASE("chip: the states of a unit tell what lay between two of its events", "[chip]") {
  const auto model = product_model(random_weights());
  const auto chip = make_chip(options_for(model, 3));
  std::map<spec::Unit, CommandEvent> last;
  unsigned pairs = 0;
  chip->observe([&](const CommandEvent& event) {
    const auto before = last.find(event.unit);
    // The tile runs from its launch to its end, so no cycle of the clock is missing.
    if (before != last.end()) {
      uint32_t cycles = 0;
      for (std::size_t s = 0; s < event.states.size(); ++s)
        cycles += event.states[s] - before->second.states[s];
      CHECK(cycles == event.cycle - before->second.cycle);
      ++pairs;
    }
    last.insert_or_assign(event.unit, event);
  });
  Session(model, *chip).run(random_inputs(3));
  CHECK(pairs > 20);
}

TEST_CASE("chip: every cycle of every unit is accounted for, and the host reads the same counters",
          "[chip]") {
  const auto model = product_model(random_weights());
  const auto chip = make_chip(options_for(model, 3));
  CHECK(chip->counters().cycle == chip->cycles());
  Session(model, *chip).run(random_inputs(3));
  const ChipCounters counters = chip->counters();
  CHECK(counters.cycle == chip->cycles());
  CHECK(unaccounted_cycles(counters) == 0);
  CHECK(chip->unaccounted_cycles() == 0);
  REQUIRE(counters.tiles.size() == 2);
  const auto state = [](UnitState s) { return static_cast<std::size_t>(s); };

  SECTION("what each unit did") {
    const TileCounters& tile = counters.tiles[1];
    CHECK(tile.node == golden::Node{1, 1});
    CHECK(tile.clock_off > 0);
    CHECK(tile.units[1].states[state(UnitState::Busy)] == 3 * kRows);
    CHECK(tile.units[0].states[state(UnitState::Remote)] +
              tile.units[0].states[state(UnitState::Dram)] >
          100);
    for (const UnitCounters& unit : tile.units) CHECK(unit.states[state(UnitState::Fetch)] > 0);
    // The matrix unit waits for what the load unit brings.
    CHECK(tile.units[1].waits[0] > 100);
    CHECK(tile.scratchpad_grants > 0);
    // The other tile has never been launched.
    for (const UnitCounters& unit : counters.tiles[0].units) {
      for (std::size_t s = 0; s < unit.states.size(); ++s)
        CHECK((unit.states[s] == 0 || s == state(UnitState::NoWork)));
    }
  }

  SECTION("links and channels") {
    // 2 x 2: two neighbours and the node itself, twice.
    CHECK(counters.links.size() == 4 * 3 * 2);
    uint64_t into_tile = 0;
    for (const LinkCounters& link : counters.links) {
      CHECK((link.from.x == 0 || link.port != LinkCounters::Port::East));
      if (link.from == golden::Node{1, 1} && link.port == LinkCounters::Port::Local)
        into_tile += link.flits;
    }
    CHECK(into_tile > 3 * kRows * kDepth / spec::FlitBytes);
    CHECK(counters.channels.size() == 1);
    CHECK(chip->statistics().find(fmt::format(
              "dram0_read_beats {}\n", counters.channels[0].read_beats)) != std::string::npos);
  }

  SECTION("through the host port") {
    for (unsigned t = 0; t < 2; ++t) {
      const auto read = [&](uint32_t offset) {
        uint32_t value = 0;
        chip->read(tile_register(1, t, offset), &value, sizeof value);
        return value;
      };
      const auto between = [](uint32_t low, uint32_t value, uint32_t high) {
        return low <= value && value <= high;
      };
      for (uint32_t u = 0; u < spec::NumUnits; ++u) {
        const UnitCounters& unit = counters.tiles[t].units[u];
        for (uint32_t s = 0; s < spec::NumUnitStates; ++s) {
          const uint32_t value = read(SYSTOLE_TILE_LOAD_BUSY + 64 * u + 4 * s);
          // The reading itself takes cycles in which nobody has work.
          const uint32_t now = chip->counters().tiles[t].units[u].states[s];
          CHECK(between(unit.states[s], value, now));
          if (s != state(UnitState::NoWork)) CHECK(now == unit.states[s]);
        }
        for (uint32_t k = 0; k < spec::NumSemaphores; ++k)
          CHECK(read(SYSTOLE_TILE_LOAD_WAIT0 + 64 * u + 4 * k) == unit.waits[k]);
      }
      const uint32_t off = chip->counters().tiles[t].clock_off;
      CHECK(between(off, read(SYSTOLE_TILE_CLOCK_OFF), chip->counters().tiles[t].clock_off));
      for (const LinkCounters& before : chip->counters().links) {
        if (!(before.from == golden::Node{1, t})) continue;
        const uint32_t offset = SYSTOLE_TILE_NOC_REQ_NORTH_FLITS +
                                64 * static_cast<uint32_t>(before.network) +
                                8 * static_cast<uint32_t>(before.port);
        const uint32_t flits = read(offset), stalls = read(offset + 4);
        const ChipCounters after = chip->counters();
        const auto same =
            std::find_if(after.links.begin(), after.links.end(), [&](const LinkCounters& link) {
              return link.from == before.from && link.network == before.network &&
                     link.port == before.port;
            });
        REQUIRE(same != after.links.end());
        CHECK(between(before.flits, flits, same->flits));
        CHECK(between(before.stalls, stalls, same->stalls));
      }
      CHECK(chip->unaccounted_cycles() == 0);
    }
  }
}

TEST_CASE("chip: the sampler is called behind every N-th cycle, whatever the step", "[chip]") {
  SimulationOptions options;
  options.cycles_per_wait = GENERATE(1u, 64u);
  const auto chip = make_chip(options);
  chip->wait_interrupt(10);
  std::vector<uint64_t> cycles;
  chip->sample(25, [&] { cycles.push_back(chip->cycles()); });
  chip->wait_interrupt(100);
  CHECK(cycles == std::vector<uint64_t>{25, 50, 75, 100});
  chip->sample(0, {});
  chip->wait_interrupt(100);
  CHECK(cycles.size() == 4);
}

TEST_CASE("chip: a program that waits for ever is explained by the watchdog", "[chip]") {
  const auto model = product_model(random_weights(), true);
  SimulationOptions options = options_for(model, 1);
  options.watchdog_cycles = 20000;
  const auto chip = make_chip(options);
  Session session(model, *chip);
  try {
    session.run(random_inputs(1));
    FAIL("it ended");
  } catch (const Error& error) {
    const std::string text = error.what();
    CHECK_THAT(text, Contains("nothing has happened for 20000 cycles"));
    CHECK_THAT(text, Contains("tile (1, 1)"));
    CHECK_THAT(text, Contains("Vector: command 0 (Vector) waits for semaphore 9"));
    CHECK_THAT(text, Contains("semaphores 1=1"));
  }
}

TEST_CASE("chip: a program that waits for ever ends by the firmware's timeout", "[chip]") {
  const auto model = product_model(random_weights(), true);
  const auto chip = make_chip(options_for(model, 1));
  SessionOptions options;
  options.timeout_cycles = 30000;
  Session session(model, *chip, options);
  CHECK_THROWS_WITH(session.run(random_inputs(1)), Contains("Timeout"));
}

TEST_CASE("chip: two chips live side by side", "[chip]") {
  const auto first = make_chip();
  const auto second = make_chip();
  const uint32_t word = 0x12345678;
  first->write32(spec::DramBase, word);
  second->write32(spec::DramBase, ~word);
  CHECK(first->read32(spec::DramBase) == word);
  CHECK(second->read32(spec::DramBase) == ~word);
}

TEST_CASE("chip: waves of a window are written", "[chip]") {
  SimulationOptions options;
  options.trace_from = 10;
  options.trace_to = 60;
  options.trace_file = "build/test/chip_chip/window.fst";
  std::remove(options.trace_file.c_str());
  {
    const auto chip = make_chip(options);
    CHECK(chip->read32(io_register(SYSTOLE_IO_ID)) == 0x5359534C);
    chip->wait_interrupt(200);
  }
  std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(options.trace_file.c_str(), "rb"),
                                             std::fclose);
  REQUIRE(file);
  std::fseek(file.get(), 0, SEEK_END);
  CHECK(std::ftell(file.get()) > 1000);
  options.trace_file = "/nonexistent/x.fst";
  CHECK_THROWS_WITH(make_chip(options), Contains("cannot write the waves"));
}
