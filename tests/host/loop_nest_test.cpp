// Iterations and readers of commands, against the functional model that runs them.
#include "host/command/loop_nest.hpp"

#include <catch2/catch.hpp>

#include "host/golden/execute.hpp"
#include "tests/support/seed.hpp"

using namespace systole;
using namespace systole::test;

namespace {

const golden::Node kTile{1, 0};

golden::Machine machine() { return golden::Machine(chip_config("tiny"), 1 << 16); }

spec::VectorCommand random_vector(std::mt19937_64& rng) {
  spec::VectorCommand c;
  c.a_type = spec::Vtype::S8;
  c.b_type = spec::Vtype::None;
  c.d_type = spec::Vtype::F32;
  c.op = spec::Vop::Mul;
  c.s = 0x3f800000;  // 1
  c.lanes = static_cast<uint8_t>(uniform(rng, 1, 16));
  c.lanes_last = static_cast<uint8_t>(uniform(rng, 1, 16));
  c.tail_dim = static_cast<uint8_t>(uniform(rng, 0, 3));
  c.count0 = static_cast<uint16_t>(uniform(rng, 1, 4));
  c.count1 = static_cast<uint16_t>(uniform(rng, 1, 3));
  c.count2 = static_cast<uint16_t>(uniform(rng, 1, 2));
  c.count3 = static_cast<uint16_t>(uniform(rng, 1, 3));
  c.wcount0 = c.wcount1 = 1;
  c.a_base = 0x1000, c.d_base = 0x8000;
  // Nothing is read or written twice.
  c.a_stride0 = 16, c.a_stride1 = 64, c.a_stride2 = 192, c.a_stride3 = 384;
  c.d_stride0 = 64, c.d_stride1 = 256, c.d_stride2 = 768, c.d_stride3 = 1536;
  return c;
}

/// Addresses (or accumulator rows * 16 + column) in the order in which the command writes elements.
std::vector<uint64_t> written(const spec::CommandWords& words, unsigned element_bytes) {
  golden::Machine chip = machine();
  golden::WriteSet ranges;
  REQUIRE_FALSE(golden::execute(chip, kTile, words, &ranges));
  std::vector<uint64_t> addresses;
  for (const golden::WrittenRange& range : ranges) {
    if (range.space == golden::WrittenRange::Space::Accumulator) {
      for (uint64_t i = 0; i < range.count * golden::kLanes; ++i)
        addresses.push_back(range.address * golden::kLanes + i);
    } else {
      for (uint64_t i = 0; i < range.count; i += element_bytes)
        addresses.push_back(range.address + i);
    }
  }
  return addresses;
}

int64_t at(const Iteration& iteration, const std::string& name) {
  for (const auto& [variable, value] : iteration) {
    if (variable == name) return value;
  }
  FAIL("no " << name);
  return -1;
}

}  // namespace

TEST_CASE("loop nest: a vector command's iteration writes where the model writes the element",
          "[loop_nest]") {
  auto rng = make_rng(1);
  for (int round = 0; round < 50; ++round) {
    const spec::VectorCommand c = random_vector(rng);
    const auto addresses = written(c.encode(), 4);
    for (std::size_t e = 0; e < addresses.size(); ++e) {
      const Iteration i = iteration_of(c.encode(), e);
      const int64_t local = int64_t{c.d_base} + at(i, "i3") * c.d_stride3 +
                            at(i, "i2") * c.d_stride2 + at(i, "i1") * c.d_stride1 +
                            at(i, "i0") * c.d_stride0 + 4 * at(i, "lane");
      REQUIRE(golden::scratchpad_address(kTile, static_cast<uint32_t>(local)) == addresses[e]);
    }
    CHECK(iteration_of(c.encode(), addresses.size()).empty());
  }
}

TEST_CASE("loop nest: a product's iteration is its row and column", "[loop_nest]") {
  auto rng = make_rng(2);
  for (int round = 0; round < 20; ++round) {
    spec::MatmulCommand c;
    c.len = c.len_last = 32;
    c.rcount0 = static_cast<uint16_t>(uniform(rng, 1, 5));
    c.rcount1 = static_cast<uint16_t>(uniform(rng, 1, 3));
    c.rcount2 = static_cast<uint16_t>(uniform(rng, 1, 2));
    c.ncount = static_cast<uint16_t>(uniform(rng, 1, 3));
    c.kcount0 = c.kcount1 = c.kcount2 = 1;
    c.acc = 7, c.acc_nstride = 40;
    const auto addresses = written(c.encode(), 4);
    for (std::size_t e = 0; e < addresses.size(); ++e) {
      const Iteration i = iteration_of(c.encode(), e);
      const int64_t row = c.acc + at(i, "n") * c.acc_nstride +
                          (at(i, "r2") * c.rcount1 + at(i, "r1")) * c.rcount0 + at(i, "r0");
      REQUIRE(static_cast<uint64_t>(row * 16 + at(i, "column")) == addresses[e]);
    }
  }
}

TEST_CASE("loop nest: a load's iteration is its run and byte", "[loop_nest]") {
  spec::LoadCommand c;
  c.addr = spec::DramBase;
  c.local_addr = 0x100;
  c.run = 24, c.count0 = 3, c.count1 = 2;
  c.gstride0 = 100, c.gstride1 = 1000;
  c.lstride0 = 32, c.lstride1 = 256;
  const auto addresses = written(c.encode(), 1);
  REQUIRE(addresses.size() == 24 * 3 * 2);
  for (std::size_t e = 0; e < addresses.size(); ++e) {
    const Iteration i = iteration_of(c.encode(), e);
    const int64_t local = c.local_addr + at(i, "i1") * 256 + at(i, "i0") * 32 + at(i, "byte");
    REQUIRE(golden::scratchpad_address(kTile, static_cast<uint32_t>(local)) == addresses[e]);
  }
}

TEST_CASE("loop nest: the reader of an accumulator is where a change of it shows", "[loop_nest]") {
  auto rng = make_rng(3);
  for (int round = 0; round < 50; ++round) {
    spec::VectorCommand c = random_vector(rng);
    c.a_type = spec::Vtype::Acc;
    c.a_base = 5;
    c.a_stride0 = 1, c.a_stride1 = 4, c.a_stride2 = 12, c.a_stride3 = 24;
    const auto row = static_cast<uint32_t>(uniform(rng, 0, 90));
    const auto column = static_cast<unsigned>(uniform(rng, 0, 15));
    golden::Machine before = machine(), after = machine();
    after.tile(kTile).accumulators[row][column] = 1000;
    for (golden::Machine* chip : {&before, &after})
      REQUIRE_FALSE(golden::execute(*chip, kTile, c.encode(), nullptr));
    const auto& a = before.tile(kTile).scratchpad;
    const auto& b = after.tile(kTile).scratchpad;
    const auto difference = std::mismatch(a.begin(), a.end(), b.begin());
    const auto reader = reader_of_accumulator(c.encode(), row, column);
    REQUIRE(reader.has_value() == (difference.first != a.end()));
    if (!reader) continue;
    CHECK_FALSE(reader->global);
    CHECK(static_cast<int64_t>(reader->address / 4) == (difference.first - a.begin()) / 4);
  }
}

TEST_CASE("loop nest: the reader of a byte is the store or the pass that takes it on",
          "[loop_nest]") {
  spec::StoreCommand store;
  store.addr = spec::DramBase + 0x400;
  store.local_addr = 0x2000;
  store.run = 16, store.count0 = 4, store.count1 = 1;
  store.gstride0 = 64, store.lstride0 = 32;
  const auto stored = reader_of_scratchpad(store.encode(), 0x2000 + 2 * 32 + 5);
  REQUIRE(stored);
  CHECK(stored->global);
  CHECK(stored->address == spec::DramBase + 0x400 + 2 * 64 + 5);
  CHECK_FALSE(reader_of_scratchpad(store.encode(), 0x2000 + 16));  // between two runs

  auto rng = make_rng(4);
  spec::VectorCommand pass = random_vector(rng);
  pass.lanes = pass.lanes_last = 16;
  const auto made = reader_of_scratchpad(pass.encode(), pass.a_base + 3);
  REQUIRE(made);
  CHECK(made->address == pass.d_base + 4 * 3);
  CHECK_FALSE(reader_of_scratchpad(spec::NopCommand{}.encode(), 0x2000));
}

TEST_CASE("loop nest: a command that the chip refuses has no iterations", "[loop_nest]") {
  CHECK(iteration_of(spec::LoadCommand{}.encode(), 0).empty());
  CHECK(iteration_of(spec::FillCommand{}.encode(), 0).empty());
  CHECK(iteration_of(spec::StoreCommand{}.encode(), 0).empty());
  CHECK(iteration_of(spec::MatmulCommand{}.encode(), 0).empty());
  CHECK(iteration_of(spec::VectorCommand{}.encode(), 0).empty());
  CHECK(iteration_of(spec::CommandWords{}, 0).empty());
  CHECK_FALSE(reader_of_scratchpad(spec::StoreCommand{}.encode(), 0));
  CHECK_FALSE(reader_of_accumulator(spec::VectorCommand{}.encode(), 0, 0));
}
