// What commands are said to touch in the scratchpad, against the functional model that runs them.
#include "host/command/local_accesses.hpp"

#include <catch2/catch.hpp>
#include <set>

#include "host/golden/execute.hpp"
#include "tests/support/seed.hpp"

using namespace systole;
using namespace systole::test;

namespace {

const golden::Node kTile{1, 0};

struct Touched {
  std::set<uint32_t> read, written;
};

Touched touched_by(const spec::CommandWords& words) {
  Touched touched;
  for_each_access(words, [&](const LocalAccess& access) {
    auto& bytes = writes(access.port) ? touched.written : touched.read;
    for (uint32_t i = 0; i < access.bytes; ++i)
      bytes.insert((access.address + i) % spec::ScratchpadBytes);
    return true;
  });
  return touched;
}

/// A tile with random contents.
golden::Machine machine(uint64_t seed) {
  golden::Machine result(chip_config("tiny"), 1 << 16);
  auto rng = make_rng(seed);
  for (uint8_t& byte : result.tile(kTile).scratchpad) byte = static_cast<uint8_t>(rng());
  return result;
}

spec::MatmulCommand random_product(std::mt19937_64& rng) {
  spec::MatmulCommand c;
  c.act_signed = c.wgt_signed = true;
  c.row_mode = static_cast<spec::RowMode>(uniform(rng, 0, 2));
  c.weight_mode = static_cast<spec::WeightMode>(uniform(rng, 0, 2));
  c.init = one_in(rng, 2) ? spec::AccInit::Bias : spec::AccInit::Zero;
  c.len = c.len_last = 32;
  c.rcount0 = static_cast<uint16_t>(uniform(rng, 1, 4));
  c.rcount1 = static_cast<uint16_t>(uniform(rng, 1, 3));
  c.rcount2 = static_cast<uint16_t>(uniform(rng, 1, 2));
  c.kcount0 = static_cast<uint16_t>(uniform(rng, 1, 3));
  c.kcount1 = static_cast<uint16_t>(uniform(rng, 1, 2));
  c.kcount2 = 1;
  c.ncount = static_cast<uint16_t>(uniform(rng, 1, 3));
  // Nothing is read as two things.
  c.act = 0x1003, c.run_stride = 48, c.rstride0 = 256, c.rstride1 = 1024, c.rstride2 = 4096;
  c.kstride0 = 0x2000, c.kstride1 = 0x6000, c.act_nstride = 0xc000;
  c.wgt = 0x28000, c.wgt_run = 64, c.wgt_kstride = 0x1000, c.wgt_nstride = 0x6000;
  c.bias = 0x3f000;
  c.acc_nstride = 32;
  return c;
}

}  // namespace

TEST_CASE("local accesses: a product hangs on each byte that it reads, and on no other",
          "[local_accesses]") {
  auto rng = make_rng(1);
  for (int round = 0; round < 20; ++round) {
    const spec::CommandWords words = random_product(rng).encode();
    const Touched touched = touched_by(words);
    CHECK(touched.written.empty());
    golden::Machine right = machine(2);
    REQUIRE_FALSE(golden::execute(right, kTile, words, nullptr));

    golden::Machine elsewhere = machine(2);
    std::vector<uint8_t>& bytes = elsewhere.tile(kTile).scratchpad;
    for (uint32_t i = 0; i < bytes.size(); ++i) bytes[i] ^= touched.read.count(i) == 0 ? 0x5a : 0;
    REQUIRE_FALSE(golden::execute(elsewhere, kTile, words, nullptr));
    CHECK(elsewhere.tile(kTile).accumulators == right.tile(kTile).accumulators);

    auto byte = touched.read.begin();
    for (int sample = 0; sample < 12; ++sample) {
      std::advance(byte, uniform(rng, 0, static_cast<int64_t>(touched.read.size()) / 12 - 1));
      INFO("byte " << *byte);
      golden::Machine changed = machine(2);
      changed.tile(kTile).scratchpad[*byte] ^= 0x35;
      REQUIRE_FALSE(golden::execute(changed, kTile, words, nullptr));
      CHECK(changed.tile(kTile).accumulators != right.tile(kTile).accumulators);
    }
  }
}

TEST_CASE("local accesses: a pass of the vector unit reads its windows and writes its results",
          "[local_accesses]") {
  auto rng = make_rng(3);
  for (int round = 0; round < 20; ++round) {
    spec::VectorCommand c;
    c.a_type = spec::Vtype::S8, c.b_type = spec::Vtype::U8, c.d_type = spec::Vtype::S32;
    c.op = spec::Vop::Max, c.reduce = spec::Vreduce::Sum;
    c.lanes = static_cast<uint8_t>(uniform(rng, 1, 16));
    c.lanes_last = static_cast<uint8_t>(uniform(rng, 1, 16));
    c.tail_dim = static_cast<uint8_t>(uniform(rng, 0, 3));
    c.count0 = static_cast<uint16_t>(uniform(rng, 1, 4));
    c.count1 = static_cast<uint16_t>(uniform(rng, 1, 3));
    c.count2 = static_cast<uint16_t>(uniform(rng, 1, 2));
    c.count3 = static_cast<uint16_t>(uniform(rng, 1, 2));
    c.wcount0 = static_cast<uint16_t>(uniform(rng, 1, 3));
    c.wcount1 = static_cast<uint16_t>(uniform(rng, 1, 2));
    c.a_base = 0x1001, c.a_stride0 = 64, c.a_stride1 = 512, c.a_stride2 = 2048, c.a_stride3 = 4096;
    c.a_wstride0 = 17, c.a_wstride1 = 256;
    c.b_base = 0x8000, c.b_stride0 = 16, c.b_stride1 = 64, c.b_stride2 = 192, c.b_stride3 = 384;
    c.d_base = 0x10000, c.d_stride0 = 64, c.d_stride1 = 256, c.d_stride2 = 768, c.d_stride3 = 1536;
    const Touched touched = touched_by(c.encode());

    golden::Machine right = machine(4);
    golden::WriteSet ranges;
    REQUIRE_FALSE(golden::execute(right, kTile, c.encode(), &ranges));
    std::set<uint32_t> written;
    for (const golden::WrittenRange& range : ranges) {
      for (uint64_t i = 0; i < range.count; ++i)
        written.insert(
            static_cast<uint32_t>(range.address - golden::scratchpad_address(kTile, 0) + i));
    }
    CHECK(touched.written == written);

    golden::Machine elsewhere = machine(4);
    std::vector<uint8_t>& bytes = elsewhere.tile(kTile).scratchpad;
    for (uint32_t i = 0; i < bytes.size(); ++i) bytes[i] ^= touched.read.count(i) == 0 ? 0x5a : 0;
    REQUIRE_FALSE(golden::execute(elsewhere, kTile, c.encode(), nullptr));
    for (const uint32_t i : written) REQUIRE(bytes[i] == right.tile(kTile).scratchpad[i]);
  }
}

TEST_CASE("local accesses: blocks wrap at the scratchpad's end, and iterations have names",
          "[local_accesses]") {
  spec::StoreCommand store;
  store.local_addr = spec::ScratchpadBytes - 8;
  store.run = 16, store.count0 = 2, store.count1 = 1, store.lstride0 = 32;
  std::vector<LocalAccess> all;
  for_each_access(store.encode(), [&](const LocalAccess& access) {
    all.push_back(access);
    return true;
  });
  REQUIRE(all.size() == 2);
  CHECK(all[0].address == spec::ScratchpadBytes - 8);
  CHECK(all[1].address == 24);
  CHECK(all[1].iteration() == "i1=0 i0=1");
  CHECK_FALSE(writes(all[1].port));
  CHECK(std::string(to_string(all[1].port)) == "st");
  CHECK(touched_by(spec::NopCommand{}.encode()).read.empty());
  spec::FillCommand fill;
  fill.local_addr = 64, fill.run = 3, fill.count0 = 2, fill.count1 = 1, fill.lstride0 = 16;
  CHECK(touched_by(fill.encode()).written == std::set<uint32_t>{64, 65, 66, 80, 81, 82});
  store.count0 = 0, store.count1 = 0xffffffff;
  CHECK(touched_by(store.encode()).read.empty());
  CHECK(touched_by(spec::VectorCommand{}.encode()).written.empty());
}
