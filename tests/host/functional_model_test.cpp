// The functional model: commands as their loop nests say, programs as the sequencers walk them.
#include "host/golden/functional_model.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <numeric>

#include "host/command/error.hpp"
#include "host/golden/binary32.hpp"
#include "host/golden/functions.hpp"

using namespace systole;
using namespace systole::golden;
using Catch::Matchers::Contains;

namespace {

const ChipConfig kTiny{"tiny", 2, 2};
constexpr Node kTile{1, 0};
constexpr Node kOther{1, 1};
constexpr uint32_t kProgram = 0x30000;  // where the tests put programs; a slot a unit
constexpr uint32_t kSlot = 0x1000;

/// One tile's programs as lists of commands.
class Programs {
 public:
  explicit Programs(FunctionalModel& model, Node node = kTile) : model_(model), node_(node) {}

  template <typename Command>
  Programs& add(spec::Unit unit, const Command& command) {
    const spec::CommandWords words = command.encode();
    const uint32_t address =
        slot(unit) + count_[static_cast<std::size_t>(unit)]++ * spec::CommandBytes;
    model_.machine().write(scratchpad_address(node_, address), words.data(), spec::CommandBytes);
    return *this;
  }
  void launch(uint32_t inputs = 1, uint32_t param0 = 0, uint32_t step0 = 0) {
    Launch launch;
    for (unsigned u = 0; u < spec::NumUnits; ++u) {
      add(static_cast<spec::Unit>(u), spec::EndCommand{});
      launch.program[u] = slot(static_cast<spec::Unit>(u));
    }
    launch.inputs = inputs;
    launch.param[0] = param0;
    launch.step[0] = step0;
    model_.launch(node_, launch);
  }

 private:
  static uint32_t slot(spec::Unit unit) { return kProgram + kSlot * static_cast<uint32_t>(unit); }
  FunctionalModel& model_;
  Node node_;
  uint32_t count_[spec::NumUnits] = {};
};

FunctionalModel make_model() {
  FunctionalModel model(kTiny, 1 << 16);
  Windows all;
  all.perm = 0xff;
  all.base[0] = 0;
  all.limit[0] = 0xffffffff;
  model.set_windows(kTile, all);
  model.set_windows(kOther, all);
  return model;
}

spec::LoadCommand load_bytes(Address from, uint32_t to, uint32_t bytes) {
  spec::LoadCommand c;
  c.addr = from;
  c.local_addr = to;
  c.run = bytes;
  c.count0 = c.count1 = 1;
  return c;
}

spec::StoreCommand store_bytes(uint32_t from, Address to, uint32_t bytes) {
  spec::StoreCommand c;
  c.addr = to;
  c.local_addr = from;
  c.run = bytes;
  c.count0 = c.count1 = 1;
  return c;
}

}  // namespace

TEST_CASE("functional model: a strided load moves every run to its place", "[functional_model]") {
  FunctionalModel model = make_model();
  std::vector<uint8_t>& host = model.machine().host_memory();
  std::iota(host.begin(), host.begin() + 256, uint8_t{0});
  spec::LoadCommand c = load_bytes(spec::HostMemBase, 0x100, 3);
  c.count0 = 2, c.gstride0 = 10, c.lstride0 = 4;
  c.count1 = 2, c.gstride1 = 100, c.lstride1 = 16;
  Programs(model).add(spec::Unit::Load, c).launch();
  REQUIRE_FALSE(model.run());
  const auto& pad = model.machine().tile(kTile).scratchpad;
  CHECK(pad[0x100] == 0);
  CHECK(pad[0x102] == 2);
  CHECK(pad[0x103] == 0);
  CHECK(pad[0x104] == 10);
  CHECK(pad[0x110] == 100);
  CHECK(pad[0x116] == 112);
}

TEST_CASE("functional model: matmul adds lanes below len to the bias, wrapping",
          "[functional_model]") {
  FunctionalModel model = make_model();
  auto& pad = model.machine().tile(kTile).scratchpad;
  for (unsigned l = 0; l < 32; ++l) {
    pad[0x3 + l] = static_cast<uint8_t>(-2);  // activations, unaligned
    for (unsigned n = 0; n < 16; ++n) pad[0x1000 + l * 16 + n] = static_cast<uint8_t>(n);
  }
  for (unsigned n = 0; n < 16; ++n) {
    const int32_t bias = n == 0 ? 5 : std::numeric_limits<int32_t>::min();
    std::memcpy(&pad[0x2000 + 4 * n], &bias, 4);
  }
  spec::MatmulCommand c;
  c.act = 3, c.act_signed = 1, c.wgt_signed = 1, c.init = spec::AccInit::Bias;
  c.len = c.len_last = 7;
  c.rcount0 = c.rcount1 = c.rcount2 = c.ncount = c.kcount0 = c.kcount1 = c.kcount2 = 1;
  c.wgt = 0x1000, c.bias = 0x2000, c.acc = 300;
  Programs(model).add(spec::Unit::Matrix, c).launch();
  REQUIRE_FALSE(model.run());
  const auto& row = model.machine().tile(kTile).accumulators[300];
  CHECK(row[0] == 5);
  CHECK(row[1] == static_cast<int32_t>(0x80000000u - 14u));
  CHECK(row[15] == static_cast<int32_t>(0x80000000u - 210u));
}

TEST_CASE("functional model: a vector pass requantizes accumulators", "[functional_model]") {
  FunctionalModel model = make_model();
  auto& tile = model.machine().tile(kTile);
  tile.accumulators[2] = {{5, -5, 15, 1000, -1000, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}};
  spec::VectorCommand c;
  c.a_type = spec::Vtype::Acc, c.d_type = spec::Vtype::S8, c.op = spec::Vop::Mul;
  c.lanes = c.lanes_last = 6;
  c.a_base = 2, c.d_base = 0x401;
  c.count0 = c.count1 = c.count2 = c.count3 = c.wcount0 = c.wcount1 = 1;
  c.s = binary32::to_bits(0.5f);
  c.zp = 1, c.lo = -128, c.hi = 100;
  Programs(model).add(spec::Unit::Vector, c).launch();
  REQUIRE_FALSE(model.run());
  const auto at = [&](unsigned i) { return static_cast<int8_t>(tile.scratchpad[0x401 + i]); };
  CHECK(at(0) == 3);    // 2.5 to even, + 1
  CHECK(at(1) == -1);   // -2.5 to even, + 1
  CHECK(at(2) == 9);    // 7.5 to even, + 1
  CHECK(at(3) == 100);  // clamped
  CHECK(at(4) == -128);
  CHECK(at(5) == 3);  // 1.5 to even, + 1
  CHECK(at(6) == 0);  // lanes behind are kept
}

namespace {

/// A vector pass of one group of six lanes, from 0x100 (or accumulator row 2) to 0x400.
spec::VectorCommand one_group(spec::Vop op, spec::Vtype a, spec::Vtype d) {
  spec::VectorCommand c;
  c.op = op, c.a_type = a, c.d_type = d;
  c.lanes = c.lanes_last = 6;
  c.a_base = a == spec::Vtype::Acc ? 2 : 0x100, c.d_base = 0x400;
  c.count0 = c.count1 = c.count2 = c.count3 = c.wcount0 = c.wcount1 = 1;
  return c;
}

}  // namespace

TEST_CASE("functional model: Move keeps all 32 bits, NaN payloads included", "[functional_model]") {
  const std::array<uint32_t, 6> words = {0x7fffffff, 0x01000001, 0x80000000,
                                         0xffffffff, 0x7f800001, 0xffc12345};
  for (const spec::Vtype type : {spec::Vtype::S32, spec::Vtype::F32, spec::Vtype::Acc}) {
    FunctionalModel model = make_model();
    auto& tile = model.machine().tile(kTile);
    std::memcpy(&tile.scratchpad[0x100], words.data(), sizeof words);
    std::memcpy(tile.accumulators[2].data(), words.data(), sizeof words);
    const spec::Vtype d = type == spec::Vtype::Acc ? spec::Vtype::S32 : type;
    Programs(model).add(spec::Unit::Vector, one_group(spec::Vop::Move, type, d)).launch();
    REQUIRE_FALSE(model.run());
    CHECK(std::memcmp(&tile.scratchpad[0x400], words.data(), sizeof words) == 0);
  }
}

TEST_CASE("functional model: Move that would convert or compute is an operand fault",
          "[functional_model]") {
  using spec::Vtype;
  spec::VectorCommand move = one_group(spec::Vop::Move, Vtype::S32, Vtype::S32);
  const auto fault_of = [](const spec::VectorCommand& c) {
    FunctionalModel model = make_model();
    return execute(model.machine(), kTile, c.encode(), nullptr);
  };
  CHECK_FALSE(fault_of(move));
  for (const auto& [a, d] : {std::pair{Vtype::S32, Vtype::F32}, std::pair{Vtype::F32, Vtype::S32},
                             std::pair{Vtype::S8, Vtype::S8}, std::pair{Vtype::Acc, Vtype::F32},
                             std::pair{Vtype::Acc, Vtype::S8}, std::pair{Vtype::S8, Vtype::S32}}) {
    const Fault fault = fault_of(one_group(spec::Vop::Move, a, d));
    CHECK(fault.code == spec::Fault::Operand);
    CHECK(fault.info == 4);
  }
  spec::VectorCommand with_b = move, with_act = move, with_reduce = move;
  with_b.b_type = Vtype::S32;
  with_act.act = spec::Vact::Relu;
  with_reduce.reduce = spec::Vreduce::Sum;
  for (const auto& bad : {with_b, with_act, with_reduce}) CHECK(fault_of(bad).info == 4);
}

TEST_CASE("functional model: a window sums what exp2 made of each element", "[functional_model]") {
  FunctionalModel model = make_model();
  auto& pad = model.machine().tile(kTile).scratchpad;
  for (unsigned i = 0; i < 12; ++i) {
    const float value = static_cast<float>(i);
    std::memcpy(&pad[0x100 + 4 * i], &value, 4);
  }
  spec::VectorCommand c = one_group(spec::Vop::Mul, spec::Vtype::F32, spec::Vtype::F32);
  c.s = binary32::to_bits(0.5f);
  c.act = spec::Vact::Exp2;
  c.reduce = spec::Vreduce::Sum;
  c.wcount0 = 2, c.a_wstride0 = 24;
  Programs(model).add(spec::Unit::Vector, c).launch();
  REQUIRE_FALSE(model.run());
  for (unsigned l = 0; l < 6; ++l) {
    float sum;
    std::memcpy(&sum, &pad[0x400 + 4 * l], 4);
    const float x = static_cast<float>(l) / 2;
    CHECK(sum == binary32::add(binary32::exp2(x), binary32::exp2(x + 3)));
  }
}

TEST_CASE("functional model: a loop steps parameters once an input", "[functional_model]") {
  FunctionalModel model = make_model();
  std::vector<uint8_t>& host = model.machine().host_memory();
  host[0] = 11, host[16] = 22, host[32] = 33;
  spec::LoadCommand load = load_bytes(spec::HostMemBase, 0, 1);
  load.header.sel0_en = 1, load.header.sel0_word = 4, load.header.sel0_param = 0;
  load.header.wait_mask = 1, load.header.post_mask = 2;
  spec::NopCommand first;
  first.header.post_mask = 1;
  spec::StoreCommand store = store_bytes(0, spec::HostMemBase + 0x100, 1);
  store.header.sel0_en = 1, store.header.sel0_word = 4, store.header.sel0_param = 0;
  store.header.wait_mask = 2, store.header.post_mask = 1;
  spec::LoopCommand to_load;
  to_load.target = 1;
  spec::LoopCommand to_store;
  spec::NopCommand last;
  last.header.wait_mask = 1;
  Programs(model)
      .add(spec::Unit::Load, first)
      .add(spec::Unit::Load, load)
      .add(spec::Unit::Load, to_load)
      .add(spec::Unit::Load, last)
      .add(spec::Unit::Store, store)
      .add(spec::Unit::Store, to_store)
      .launch(3, 0, 16);
  REQUIRE_FALSE(model.run());
  CHECK(host[0x100] == 11);
  CHECK(host[0x110] == 22);
  CHECK(host[0x120] == 33);
}

TEST_CASE("functional model: a remote post lets the other tile go", "[functional_model]") {
  FunctionalModel model = make_model();
  model.machine().tile(kTile).scratchpad[0] = 77;
  spec::StoreCommand store = store_bytes(0, scratchpad_address(kOther, 5), 1);
  store.header.remote_en = 1, store.header.remote_x = 1, store.header.remote_y = 1,
  store.header.remote_sem = 9;
  spec::StoreCommand forward = store_bytes(5, spec::DramBase, 1);
  forward.header.wait_mask = 1 << 9;
  Programs(model, kOther).add(spec::Unit::Store, forward).launch();
  Programs(model, kTile).add(spec::Unit::Store, store).launch();
  REQUIRE_FALSE(model.run());
  uint8_t byte = 0;
  REQUIRE(model.machine().read(spec::DramBase, &byte, 1));
  CHECK(byte == 77);
}

TEST_CASE("functional model: units that wait for ever are named with their semaphores",
          "[functional_model]") {
  FunctionalModel model = make_model();
  spec::NopCommand wait;
  wait.header.wait_mask = 1 << 4;
  Programs(model).add(spec::Unit::Vector, wait).launch();
  CHECK_THROWS_WITH(model.run(),
                    Contains("tile (1, 0) Vector command 0 (Nop) waits for semaphore 4"));
}

TEST_CASE("functional model: faults name unit, command and code", "[functional_model]") {
  FunctionalModel model = make_model();
  const auto fault_of = [&](spec::Unit unit, const auto& command) {
    Programs(model).add(unit, command).launch();
    const auto fault = model.run();
    REQUIRE(fault);
    CHECK(fault->unit == unit);
    CHECK(fault->pc == 0);
    return fault->fault.code;
  };
  CHECK(fault_of(spec::Unit::Load, load_bytes(spec::HostMemBase, 0x3ffff, 2)) ==
        spec::Fault::Operand);
  CHECK(fault_of(spec::Unit::Load, load_bytes(spec::HostMemBase + (1 << 16), 0, 1)) ==
        spec::Fault::Response);
  CHECK(fault_of(spec::Unit::Matrix, load_bytes(spec::HostMemBase, 0, 1)) == spec::Fault::Opcode);
  CHECK(fault_of(spec::Unit::Matrix, spec::MatmulCommand{}) == spec::Fault::Operand);
  CHECK(fault_of(spec::Unit::Vector, spec::VectorCommand{}) == spec::Fault::Operand);
  model.set_windows(kTile, Windows{});
  CHECK(fault_of(spec::Unit::Store, store_bytes(0, spec::DramBase, 1)) == spec::Fault::Window);
}

TEST_CASE("functional model: a semaphore left above zero at the end is a fault",
          "[functional_model]") {
  FunctionalModel model = make_model();
  spec::NopCommand post;
  post.header.post_mask = 1;
  Programs(model).add(spec::Unit::Load, post).launch();
  const auto fault = model.run();
  REQUIRE(fault);
  CHECK(fault->fault.code == spec::Fault::EndSemaphore);
}
