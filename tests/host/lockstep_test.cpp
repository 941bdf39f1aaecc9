// The lockstep judge: a chip that agrees is left alone, the first wrong element is named.
#include "host/golden/lockstep.hpp"

#include <catch2/catch.hpp>
#include <cstring>

using namespace systole;
using namespace systole::golden;
using Catch::Matchers::Contains;

namespace {

const ChipConfig kTiny{"tiny", 2, 2};
constexpr Node kTile{1, 0};
constexpr std::size_t kHostBytes = 1 << 16;
constexpr uint32_t kCompletions = 0x400;
constexpr uint32_t kTable = 0x800;
constexpr uint32_t kImage = 0x1000;
constexpr uint32_t kData = 0x4000;
constexpr uint32_t kLocal = 0x3f000;
constexpr uint32_t kMore = 0x1000;

/// A chip that is a functional machine, whose values a test may spoil before they are judged.
class FakeChip : public ChipState {
 public:
  FakeChip() : machine(kTiny, kHostBytes) {}
  void read_scratchpad(Node node, uint32_t offset, void* data, std::size_t bytes) const override {
    std::memcpy(data, machine.tile(node).scratchpad.data() + offset, bytes);
  }
  void read_accumulators(Node node, unsigned row, int32_t* lanes) const override {
    std::memcpy(lanes, machine.tile(node).accumulators[row].data(), 64);
  }
  void read_dram(Address address, void* data, std::size_t bytes) const override {
    REQUIRE(machine.read(address, data, bytes));
  }
  const uint8_t* host_memory() const override {
    return const_cast<Machine&>(machine).host_memory().data();
  }

  Machine machine;
};

/// A program of one Load, `count` bytes from host memory to scratchpad 0, loaded and launched; with
/// `more` bytes, of another Load to kMore behind it, and of a Fill behind that.
struct Bench {
  FakeChip chip;
  LockstepJudge judge{kTiny, kHostBytes, chip};
  spec::LoadCommand load;

  explicit Bench(uint32_t count, uint32_t more = 0) {
    load.addr = spec::HostMemBase + kData;
    load.run = count;
    load.count0 = load.count1 = 1;
    std::vector<uint32_t> image;
    const auto append = [&](const spec::CommandWords& words) {
      image.insert(image.end(), words.begin(), words.end());
    };
    append(load.encode());
    spec::LoadCommand behind = load;
    behind.local_addr = kMore, behind.run = more;
    spec::FillCommand last;
    last.local_addr = 2 * kMore, last.run = more, last.count0 = last.count1 = 1;
    if (more > 0) append(behind.encode()), append(last.encode());
    const auto end = kLocal + static_cast<uint32_t>(image.size() * 4);
    append(spec::EndCommand{}.encode());

    uint8_t* host = chip.machine.host_memory().data();
    for (uint32_t i = 0; i < count; ++i) host[kData + i] = static_cast<uint8_t>(3 * i);
    std::memcpy(host + kImage, image.data(), image.size() * 4);
    TileEntry entry{};
    entry.x = kTile.x, entry.y = kTile.y;
    entry.image_bytes = static_cast<uint32_t>(image.size() * 4);
    entry.image = spec::HostMemBase + kImage;
    entry.local = kLocal;
    for (uint32_t& program : entry.program) program = end;
    entry.program[0] = kLocal;
    entry.window_perm = 1;
    entry.window_base[0] = static_cast<uint32_t>(spec::HostMemBase >> 16);
    entry.window_limit[0] = entry.window_base[0];
    std::memcpy(host + kTable, &entry, sizeof entry);
    Request requests[2]{};
    requests[0].kind = SYSTOLE_REQUEST_KIND_LOAD_PROGRAM, requests[0].tiles = 1;
    requests[0].table = spec::HostMemBase + kTable;
    requests[1].kind = SYSTOLE_REQUEST_KIND_RUN, requests[1].inputs = 1;
    std::memcpy(host, requests, sizeof requests);
    std::memcpy(chip.machine.tile(kTile).scratchpad.data() + kLocal, image.data(),
                image.size() * 4);

    const auto reg = [&](uint32_t offset, uint32_t value) {
      judge.host_wrote(spec::IoRegsBase + offset, &value, 4);
    };
    reg(SYSTOLE_IO_RING_HI, static_cast<uint32_t>(spec::HostMemBase >> 32));
    reg(SYSTOLE_IO_COMPLETION_LO, kCompletions);
    reg(SYSTOLE_IO_RING_ENTRIES, 16);
    reg(SYSTOLE_IO_DOORBELL, 2);
  }

  void run_load() { execute(chip.machine, kTile, load.encode(), nullptr); }
};

}  // namespace

TEST_CASE("lockstep: a chip that does what the model does is left alone", "[lockstep]") {
  Bench bench(100);
  bench.judge.launched(kTile, 10);
  bench.run_load();
  bench.judge.retired(kTile, spec::Unit::Load, 0, 50);
  CHECK_FALSE(bench.judge.mismatch());
  CHECK(bench.judge.commands() == 1);
  CHECK(bench.judge.bytes() == 100);
}

TEST_CASE("lockstep: the first wrong element is named with command, tile and cycle", "[lockstep]") {
  Bench bench(100);
  bench.judge.launched(kTile, 10);
  bench.run_load();
  bench.chip.machine.tile(kTile).scratchpad[42] ^= 0x10;
  bench.chip.machine.tile(kTile).scratchpad[77] ^= 0x01;
  bench.judge.retired(kTile, spec::Unit::Load, 0, 50);
  REQUIRE(bench.judge.mismatch());
  const Mismatch& m = *bench.judge.mismatch();
  CHECK(m.kind == Mismatch::Kind::Value);
  CHECK(m.element == 42);
  CHECK(m.wrong_elements == 2);
  CHECK(m.elements == 100);
  CHECK(m.cycle == 50);
  CHECK(m.node == kTile);
  CHECK(m.expected == 126);
  CHECK(m.got == (126 ^ 0x10));
  CHECK_THAT(m.text(), Contains("tile (1, 0) Load command 0 (Load), element 42 of 100"));
}

TEST_CASE("lockstep: what commands under way have written is no difference of the scratchpad",
          "[lockstep]") {
  for (const uint32_t more : {0u, 64u}) {
    Bench bench(100, more);
    bench.judge.launched(kTile, 10);
    bench.run_load();
    std::vector<uint8_t>& chip = bench.chip.machine.tile(kTile).scratchpad;
    chip[42] ^= 0x10;
    for (uint32_t i = 0; i < 64; ++i) chip[kMore + i] ^= 0x77, chip[2 * kMore + i] ^= 0x77;
    bench.judge.retired(kTile, spec::Unit::Load, 0, 50);
    REQUIRE(bench.judge.mismatch());
    CHECK_THAT(bench.judge.mismatch()->note,
               Contains(more > 0 ? "1 bytes of the tile's" : "129 bytes of the tile's"));
    CHECK(bench.judge.mismatch()->operand.has_value() == (more == 0));
  }
}

TEST_CASE("lockstep: a retirement that the program does not have is a difference", "[lockstep]") {
  Bench bench(10);
  bench.judge.launched(kTile, 10);
  SECTION("another command") { bench.judge.retired(kTile, spec::Unit::Load, 1, 50); }
  SECTION("behind the end") {
    bench.judge.retired(kTile, spec::Unit::Vector, 0, 50);
    CHECK_FALSE(bench.judge.mismatch());
    bench.judge.retired(kTile, spec::Unit::Vector, 0, 51);
  }
  SECTION("a post that no store makes") { bench.judge.post_taken(kTile, {1, 1}, true, 50); }
  REQUIRE(bench.judge.mismatch());
  CHECK(bench.judge.mismatch()->kind == Mismatch::Kind::ControlFlow);
}

TEST_CASE("lockstep: a program that was loaded wrong is seen at the launch", "[lockstep]") {
  Bench bench(10);
  bench.chip.machine.tile(kTile).scratchpad[kLocal + 24] ^= 1;
  bench.judge.launched(kTile, 10);
  REQUIRE(bench.judge.mismatch());
  CHECK(bench.judge.mismatch()->kind == Mismatch::Kind::Image);
  CHECK_THAT(bench.judge.mismatch()->text(), Contains("cycle 10: tile (1, 0)"));
  CHECK(bench.judge.mismatch()->address == scratchpad_address(kTile, kLocal + 24));
  CHECK(bench.judge.mismatch()->element == 24);
  CHECK(bench.judge.mismatch()->wrong_elements == 1);
  CHECK((bench.judge.mismatch()->got ^ bench.judge.mismatch()->expected) == 1);
}

TEST_CASE("lockstep: a loaded program is known after its ring entry is used again", "[lockstep]") {
  Bench bench(100);
  Request run{};
  run.kind = SYSTOLE_REQUEST_KIND_RUN, run.inputs = 1;
  std::memcpy(bench.chip.machine.host_memory().data(), &run, sizeof run);
  const uint32_t announced = 17;
  bench.judge.host_wrote(spec::IoRegsBase + SYSTOLE_IO_DOORBELL, &announced, 4);
  bench.judge.launched(kTile, 10);
  bench.run_load();
  bench.judge.retired(kTile, spec::Unit::Load, 0, 50);
  CHECK_FALSE(bench.judge.mismatch());
}

TEST_CASE("lockstep: a write of the host that the DRAM does not hold is a mismatch of no unit",
          "[lockstep]") {
  Bench bench(16);
  const std::vector<uint8_t> data = {1, 2, 3, 4};
  bench.chip.machine.write(spec::DramBase, data.data(), data.size());
  bench.judge.host_wrote(spec::DramBase, data.data(), data.size(), 70);
  CHECK_FALSE(bench.judge.mismatch());
  bench.judge.host_wrote(spec::DramBase + 64, data.data(), data.size(), 90);
  REQUIRE(bench.judge.mismatch());
  CHECK(bench.judge.mismatch()->kind == Mismatch::Kind::HostWrite);
  CHECK(bench.judge.mismatch()->address == spec::DramBase + 64);
  CHECK(bench.judge.mismatch()->cycle == 90);
  CHECK(bench.judge.mismatch()->wrong_elements == 4);
}

TEST_CASE("lockstep: of a Load that brought something wrong, its source is compared too",
          "[lockstep]") {
  Bench bench(100);
  bench.judge.launched(kTile, 10);
  bench.run_load();
  bench.chip.machine.tile(kTile).scratchpad[bench.load.local_addr + 3] ^= 1;
  bench.judge.retired(kTile, spec::Unit::Load, 0, 50);
  REQUIRE(bench.judge.mismatch());
  REQUIRE(bench.judge.mismatch()->source);
  const Mismatch::Source& source = *bench.judge.mismatch()->source;
  CHECK(source.address == bench.load.addr + 3);
  CHECK(source.expected == source.got);
}

TEST_CASE("lockstep: the opinion of a command changes nothing", "[lockstep]") {
  Bench bench(100);
  bench.judge.launched(kTile, 10);
  const Opinion opinion = bench.judge.opinion(kTile, spec::Unit::Load);
  CHECK(opinion.step.pc == 0);
  CHECK(opinion.step.words == bench.load.encode());
  CHECK_FALSE(opinion.fault);
  bench.run_load();
  bench.judge.retired(kTile, spec::Unit::Load, 0, 50);
  CHECK_FALSE(bench.judge.mismatch());
}

TEST_CASE("lockstep: a studied command is likened to others, one that is not is not",
          "[lockstep]") {
  for (const bool studied : {false, true}) {
    Bench bench(100);
    if (studied) bench.judge.study(kTile, spec::Unit::Load);
    bench.judge.launched(kTile, 10);
    auto shorter = bench.load;
    --shorter.run;
    execute(bench.chip.machine, kTile, shorter.encode(), nullptr);
    bench.judge.retired(kTile, spec::Unit::Load, 0, 50);
    REQUIRE(bench.judge.mismatch());
    const auto& as_if = bench.judge.mismatch()->as_if;
    CHECK(as_if.empty() != studied);
    if (studied) CHECK(as_if.front() == "run were one less");
  }
}
