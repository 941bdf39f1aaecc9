// What an explanation says of wrong results: the pattern of the wrong elements, what the result is
// like, where a Load read, what refused a command.
#include "host/report/explanation.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <set>

#include "host/command/loop_nest.hpp"
#include "host/driver/batch.hpp"
#include "host/golden/likeness.hpp"
#include "host/import/npy.hpp"
#include "host/report/chip_address.hpp"
#include "host/report/pattern.hpp"
#include "host/report/whereabouts.hpp"
#include "tests/chip/chip_bench.hpp"

using namespace systole;
using namespace systole::test;
using Catch::Matchers::Contains;
using golden::Mismatch;
using golden::WrittenRange;
using spec::Unit;

namespace {

const golden::Node kTile{1, 1};

spec::MatmulCommand product() {
  spec::MatmulCommand c;
  c.act = 0, c.act_signed = c.wgt_signed = true;
  c.len = c.len_last = 32;
  c.rcount0 = 4, c.rcount1 = c.rcount2 = c.ncount = 1;
  c.kcount0 = c.kcount1 = c.kcount2 = 1;
  c.rstride0 = 32;
  c.wgt = 0x1000;
  return c;
}

/// Runs the command on a tile with made-up contents; then `broken`, on one like it, is what the
/// chip did.
struct Bench {
  template <class Command>
  Bench(const Command& command, const Command& broken) : machine(chip_config("tiny"), 1 << 16) {
    fill(machine);
    golden::Machine chip(chip_config("tiny"), 1 << 16);
    fill(chip);
    wrong.node = kTile;
    wrong.words = command.encode();
    wrong.before = machine.tile(kTile);
    wrong.element_bytes = command.encode()[0] % 256 == 4 ? 4 : 1;
    REQUIRE_FALSE(golden::execute(machine, kTile, wrong.words, &wrong.written));
    REQUIRE_FALSE(golden::execute(chip, kTile, broken.encode(), nullptr));
    wrong.expected = bytes_of(machine);
    wrong.got = bytes_of(chip);
    if (wrong.written[0].space == WrittenRange::Space::Accumulator) wrong.element_bytes = 4;
  }

  std::vector<std::string> as_if() const { return likenesses(machine, wrong).as_if; }
  std::vector<std::string> common() const { return likenesses(machine, wrong).common; }

  static void fill(golden::Machine& to) {
    auto& bytes = to.tile(kTile).scratchpad;
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<uint8_t>((i * 2654435761u) >> 13);
    std::vector<uint8_t> dram(4096);
    for (std::size_t i = 0; i < dram.size(); ++i) dram[i] = static_cast<uint8_t>((i * 40503u) >> 5);
    to.write(spec::DramBase, dram.data(), dram.size());
  }

  std::vector<uint8_t> bytes_of(const golden::Machine& from) const {
    std::vector<uint8_t> bytes;
    for (const WrittenRange& range : wrong.written) {
      const std::size_t at = bytes.size();
      if (range.space == WrittenRange::Space::Accumulator) {
        bytes.resize(at + range.count * 64);
        std::memcpy(bytes.data() + at, from.tile(kTile).accumulators[range.address].data(),
                    range.count * 64);
      } else {
        bytes.resize(at + range.count);
        from.read(range.address, bytes.data() + at, range.count);
      }
    }
    return bytes;
  }

  golden::Machine machine;
  golden::WrongResult wrong;
};

bool holds(const std::vector<std::string>& lines, const std::string& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

compile::CompiledModel digits_in_pages() {
  const std::string folder = "tests/models/digits/";
  const onnx::Model model = onnx::load(folder + "cnn.onnx");
  const Batch batch = make_batch(model, {{"image", npy::load(folder + "cnn_images.npy")}});
  compile::CompileOptions options;
  options.page_commands = 60;
  return compile::compile(batch.graph, chip_config("tiny"), options);
}

/// A log in which a unit has gone around its loop so often.
report::CommandLog log_after(const report::UnitId& id, const report::ProgramMap::Program& program,
                             std::size_t loops) {
  report::CommandLog log;
  for (std::size_t i = 0; i < loops; ++i) log.add({id.node, id.unit, program.loop, i, true, {}});
  return log;
}

Mismatch mismatch_of(const spec::CommandWords& words, std::vector<uint64_t> wrong) {
  Mismatch m;
  m.node = kTile;
  m.words = words;
  m.wrong_elements = wrong.size();
  m.element = wrong.empty() ? 0 : wrong[0];
  m.wrong = std::move(wrong);
  return m;
}

}  // namespace

TEST_CASE("likeness: a product with one thing done otherwise is told by that thing",
          "[explanation]") {
  auto broken = product();
  broken.act_signed = false;
  CHECK(holds(Bench(product(), broken).as_if(), "act_signed were inverted"));
  broken = product();
  broken.len_last = 31;
  CHECK(holds(Bench(product(), broken).as_if(), "len_last were one less"));
  broken = product();
  broken.rstride0 = 0;
  CHECK(holds(Bench(product(), broken).as_if(), "rstride0 were 0"));
}

TEST_CASE("likeness: the weights of the command before are known again", "[explanation]") {
  auto before = product(), broken = product();
  before.wgt = 0x2000, broken.wgt = 0x2000;
  Bench bench(product(), broken);
  CHECK_FALSE(holds(bench.as_if(), "the weights were those of the command before"));
  bench.wrong.previous = before.encode();
  CHECK(holds(bench.as_if(), "the weights were those of the command before"));
}

TEST_CASE("likeness: sums that several commands make are tried together", "[explanation]") {
  auto second = product(), first = product();
  first.wgt = 0x2000;
  second.init = spec::AccInit::Accumulate;
  auto wrong_first = first, wrong_second = second;
  wrong_first.act_signed = wrong_second.act_signed = false;
  Bench bench(second, wrong_second);
  golden::Machine chip(chip_config("tiny"), 1 << 16);
  Bench::fill(chip);
  bench.machine.tile(kTile) = chip.tile(kTile);
  for (const auto& words : {first.encode(), second.encode()})
    golden::execute(bench.machine, kTile, words, nullptr);
  for (const auto& words : {wrong_first.encode(), wrong_second.encode()})
    golden::execute(chip, kTile, words, nullptr);
  bench.wrong.expected = bench.bytes_of(bench.machine);
  bench.wrong.got = bench.bytes_of(chip);
  CHECK_FALSE(holds(bench.as_if(), "act_signed were inverted"));
  bench.wrong.chain = {first.encode()};
  CHECK(holds(bench.as_if(), "act_signed were inverted"));
}

TEST_CASE("likeness: a Load that strides wrongly, or leaves its last run out, is told so",
          "[explanation]") {
  spec::LoadCommand load;
  load.addr = spec::DramBase, load.local_addr = 0x3000;
  load.run = 24, load.count0 = 3, load.count1 = 2;
  load.gstride0 = 64, load.gstride1 = 512, load.lstride0 = 24, load.lstride1 = 72;
  auto broken = load;
  broken.gstride0 += 32;
  CHECK(holds(Bench(load, broken).as_if(), "gstride0 were 32 more"));
  broken = load;
  broken.count0 = 2;
  const Bench bench(load, broken);
  CHECK(holds(bench.as_if(), "count0 were one less"));
  CHECK(holds(bench.common(), "each wrong element holds what was there before the command"));
}

TEST_CASE("likeness: what all wrong elements have in common is told", "[explanation]") {
  Bench bench(product(), product());
  for (std::size_t i = 0; i < 4; ++i) {
    int32_t sum = 0;
    std::memcpy(&sum, &bench.wrong.got[64 * i + 20], 4);
    sum += 4096;
    std::memcpy(&bench.wrong.got[64 * i + 20], &sum, 4);
  }
  CHECK(holds(bench.common(), "each wrong element is 4096 too large"));
  CHECK(bench.as_if().empty());
}

TEST_CASE("likeness: a bias that is added twice, or not, is told", "[explanation]") {
  auto right = product();
  right.init = spec::AccInit::Bias;
  right.bias = 0x2000;
  Bench bench(right, right);
  const auto add_biases = [&](uint32_t times) {
    for (std::size_t i = 0; i < bench.wrong.got.size() / 4; ++i) {
      uint32_t value, bias;
      std::memcpy(&value, &bench.wrong.expected[4 * i], 4);
      std::memcpy(&bias, &bench.wrong.before.scratchpad[right.bias + 4 * (i % 16)], 4);
      value += times * bias;
      std::memcpy(&bench.wrong.got[4 * i], &value, 4);
    }
  };
  add_biases(1);
  CHECK(holds(bench.as_if(), "the bias were added twice"));
  add_biases(~uint32_t{0});
  CHECK(holds(bench.as_if(), "the bias were not added"));
  bench.wrong.got[5] ^= 1;
  CHECK_FALSE(holds(bench.as_if(), "the bias were not added"));
}

TEST_CASE("likeness: strides that are one too large, or count from the wrong block, are told",
          "[explanation]") {
  auto right = product();
  right.ncount = 3, right.kcount1 = 2;
  right.kstride1 = 256;
  right.wgt_kstride = 512, right.wgt_nstride = 1024;
  right.acc_nstride = 4;
  auto broken = right;
  ++broken.kstride1;
  CHECK(holds(Bench(right, broken).as_if(), "kstride1 were 1 more"));
  broken = right;
  broken.wgt_nstride += 512;
  CHECK(holds(Bench(right, broken).as_if(),
              "wgt_nstride were counted from the last block of weights before"));
}

TEST_CASE("explanation: a value that came behind the retirement is the unit's haste",
          "[explanation]") {
  spec::StoreCommand store;
  store.run = 8, store.count0 = store.count1 = 1;
  store.addr = spec::HostMemBase;
  Mismatch m = mismatch_of(store.encode(), {0});
  m.unit = Unit::Store;
  m.cycle = 100;
  report::ElementFacts facts;
  facts.begin = 50;
  CHECK_THAT(report::explain_mismatch(m, {}, facts),
             Contains("operands ") && !Contains("too early"));
  facts.late = 120;
  CHECK_THAT(report::explain_mismatch(m, {}, facts),
             Contains("too early: the right value came in cycle 120") && !Contains("operands "));
}

TEST_CASE("explanation: an element that only did not change is not called unwritten",
          "[explanation]") {
  spec::StoreCommand store;
  store.run = 8, store.count0 = store.count1 = 1;
  Mismatch m = mismatch_of(store.encode(), {0});
  m.cycle = 100;
  report::ElementFacts facts;
  facts.begin = 50, facts.written = 40;
  CHECK_THAT(report::explain_mismatch(m, {}, facts), Contains("element not written since 40"));
  facts.unchanged = true;
  CHECK_THAT(report::explain_mismatch(m, {}, facts), Contains("element unchanged since 40"));
}

TEST_CASE("explanation: a program that was brought wrong is no unit's", "[explanation]") {
  Mismatch m;
  m.kind = Mismatch::Kind::Image;
  m.node = kTile;
  m.cycle = 100;
  m.address = golden::scratchpad_address(kTile, 0x124);
  m.element = 0x124, m.elements = 512, m.wrong_elements = 3;
  report::ElementFacts facts;
  facts.written = 70;
  CHECK_THAT(report::explain_mismatch(m, {}, facts),
             Contains("tile (1, 1), cycle 70") && !Contains("Load") &&
                 Contains("scratchpad 0x00124, byte 292 of 512: word 9 of command 2") &&
                 Contains("core's DMA"));
}

TEST_CASE("explanation: parts of a tile that belong to no unit have names", "[explanation]") {
  const std::string tile = "systole_chip.gen_row[0].gen_col[1].gen_tile.u_tile.";
  CHECK(report::place_of(tile + "u_scratchpad").name == "tile (1, 0) scratchpad");
  CHECK(report::place_of(tile + "u_semaphores").name == "tile (1, 0) semaphores");
  CHECK(report::place_of(tile + "u_ni.u_target").name == "tile (1, 0) network interface");
  CHECK(report::place_of(tile + "gen_sequencer[2].u_sequencer").name ==
        "tile (1, 0) Vector sequencer");
  CHECK(report::place_of(tile + "u_load").name == "tile (1, 0) Load unit");
}

TEST_CASE("pattern: a column, a row, a last run and scattered elements are told apart",
          "[explanation]") {
  const auto words = product().encode();
  CHECK(report::pattern_text(mismatch_of(words, {3, 19, 35, 51})) ==
        "r0 every one of 4, column=3 only of 16: all of these");
  std::vector<uint64_t> row;
  for (uint64_t c = 0; c < 16; ++c) row.push_back(48 + c);
  CHECK(report::pattern_text(mismatch_of(words, row)) ==
        "r0=3 only, the last of 4, column every one of 16: all of these");
  CHECK(report::pattern_text(mismatch_of(words, {1, 18})) ==
        "r0=0..1 of 4, column=1..2 of 16: 2 of these 4");
  CHECK(report::pattern_text(mismatch_of(words, {7})).empty());
}

TEST_CASE("explanation: a Load's source is named, and whether it was right", "[explanation]") {
  spec::LoadCommand load;
  load.addr = spec::DramBase + 0x40, load.run = 16, load.count0 = load.count1 = 1;
  Mismatch m = mismatch_of(load.encode(), {2});
  CHECK(source_of(m.words, 2) == spec::DramBase + 0x42);
  m.source = Mismatch::Source{spec::DramBase + 0x42, 5, 5, spec::DramBase + 0x62};
  const auto text = [&] { return report::explain_mismatch(m, {}, {}); };
  CHECK_THAT(text(), Contains("DRAM 0, memory node (0, 1)") && Contains("right: it holds 0x05") &&
                         Contains("32 bytes further"));
  m.source->got = 6;
  CHECK_THAT(text(), Contains("wrong too: it holds 0x06, and should 0x05"));
}

TEST_CASE("explanation: addresses of tiles are not taken for DRAM", "[explanation]") {
  CHECK(report::memory_name(tile_base(1, 0) + 0x7000) == "tile (1, 0)");
  CHECK(report::memory_name(spec::DramBase) == "DRAM 0");
  CHECK(report::memory_name(spec::HostMemBase) == "host memory");
  CHECK_THAT(report::address_text(tile_base(1, 0) + 0x7000), Contains("scratchpad 0x07000"));
}

TEST_CASE("explanation: a refused command says whether the model refuses it too", "[explanation]") {
  RequestFailure request;
  request.what = "inputs 0 to 0";
  request.status = spec::Status::TileFault;
  request.node = kTile, request.unit = Unit::Matrix, request.pc = 2;
  request.fault = spec::Fault::Operand, request.info = 8;
  golden::Opinion opinion;
  opinion.step.pc = 2;
  opinion.step.words = product().encode();
  report::RefusedCommand refused{request, {}, opinion, {}, 90, 100, 700, ""};
  CHECK_THAT(report::explain_refused(refused),
             Contains("tile fault: tile (1, 1) Matrix unit, cycle 100: Operand") &&
                 Contains("the functional model runs this command") &&
                 Contains("matmul act_signed=1") && Contains("began 90, raised 100, seen 700"));
  refused.opinion->fault = {spec::Fault::Operand, 8};
  CHECK_THAT(report::explain_refused(refused), Contains("refuses it too"));
  refused.opinion->step.pc = 3;
  CHECK_THAT(report::explain_refused(refused), Contains("has come to command 3"));
}

TEST_CASE("explanation: what the sequencer refuses is not the unit's, a fault of none nobody's",
          "[explanation]") {
  RequestFailure request;
  request.status = spec::Status::TileFault;
  request.node = kTile, request.unit = Unit::Matrix, request.pc = 2;
  request.fault = spec::Fault::Reserved;
  golden::Opinion opinion;
  opinion.step.pc = 2;
  report::RefusedCommand refused{request, {}, opinion, {}, 90, 100, 700, ""};
  CHECK_THAT(report::explain_refused(refused),
             Contains("tile fault: tile (1, 1) Matrix sequencer, cycle 100: Reserved") &&
                 Contains("the sequencer that fetches and checks it"));
  request.fault = spec::Fault::None;
  refused.raised.reset();
  CHECK_THAT(report::explain_refused(refused),
             Contains("a fault event without a fault: tile (1, 1), cycle 700") &&
                 Contains("FAULT register holds none") && !Contains("Matrix"));
}

TEST_CASE("explanation: a timeout that comes too soon is the timer's", "[explanation]") {
  RequestFailure request;
  request.status = spec::Status::Timeout;
  request.start = 1000, request.end = 51000;
  const auto text = [&](uint64_t allowed, bool stuck) {
    return report::explain_timeout({request, allowed, 2000, stuck}, {});
  };
  CHECK_THAT(text(50000, true), Contains("nothing has happened since cycle 2000") &&
                                    Contains("given up in cycle 51000") && !Contains("timer"));
  CHECK_THAT(text(90000, true), Contains("given up before its time"));
  CHECK_THAT(text(50000, false), Contains("still running") && Contains("longer --timeout"));
}

TEST_CASE("whereabouts: in a program in pages, layer and element are those of the page",
          "[explanation]") {
  const auto model = digits_in_pages();
  REQUIRE(model.phases > 1);
  const report::ProgramMap map(model);
  unsigned commands = 0, tensors = 0;
  std::set<std::size_t> phases;
  for (const auto& [id, program] : map.programs()) {
    if (id.unit != Unit::Vector) continue;
    for (std::size_t phase = 0; phase < map.phases(); ++phase) {
      const auto log = log_after(id, program, map.phases() + phase);  // of the second input
      for (uint32_t pc = program.body; pc < program.loop; ++pc) {
        const auto& words = program.words(phase, pc);
        if (spec::CommandHeader::decode(words).opcode != spec::Opcode::Vector) continue;
        Mismatch m = mismatch_of(words, {0});
        m.node = id.node, m.unit = id.unit, m.pc = pc;
        m.address = golden::scratchpad_address(id.node, spec::VectorCommand::decode(words).d_base);
        const auto where = report::find(model, map, m, log);
        const int layer = program.layer(phase, pc);
        REQUIRE(layer >= 0);
        CHECK(where.layer == model.layers[static_cast<std::size_t>(layer)].name);
        ++commands;
        if (!where.tensor.empty()) ++tensors, phases.insert(phase);
      }
    }
  }
  CHECK(commands > 10);
  CHECK(tensors * 2 > commands);
  CHECK(phases.size() > 1);
}

TEST_CASE("whereabouts: a Load is told by the tensor that it reads", "[explanation]") {
  const auto model = digits_in_pages();
  const report::ProgramMap map(model);
  std::set<std::string> sources;
  for (const auto& [id, program] : map.programs()) {
    if (id.unit != Unit::Load) continue;
    for (std::size_t phase = 0; phase < map.phases(); ++phase) {
      const auto log = log_after(id, program, phase);
      for (uint32_t pc = 0; pc < program.length; ++pc) {
        const auto& words = program.words(phase, pc);
        if (spec::CommandHeader::decode(words).opcode != spec::Opcode::Load) continue;
        Mismatch m = mismatch_of(words, {0});
        m.node = id.node, m.unit = id.unit, m.pc = pc;
        const auto load = spec::LoadCommand::decode(words);
        m.address = golden::scratchpad_address(id.node, load.local_addr);
        const std::string source = report::find(model, map, m, log).source;
        if (pc >= program.body || phase == 0) CHECK_FALSE(source.empty());
        sources.insert(source.substr(0, source.find(' ')));
      }
    }
  }
  CHECK(sources.count("element") == 1);    // of a layer's tensor, or of the input
  CHECK(sources.count("a") == 1);          // a constant
  CHECK(sources.count("commands:") == 1);  // the next page
}

TEST_CASE("likeness: an operand that was wrong is told from bytes that the command does not read",
          "[explanation]") {
  Bench bench(product(), product());
  bench.wrong.scratchpad_expected = bench.wrong.before.scratchpad;
  bench.wrong.scratchpad_got = bench.wrong.before.scratchpad;
  bench.wrong.scratchpad_got[0x8000] ^= 1;
  CHECK_FALSE(wrong_operand(bench.machine, bench.wrong));
  bench.wrong.scratchpad_got[0x1005] ^= 1;  // a weight
  CHECK(wrong_operand(bench.machine, bench.wrong) == 0x1005);
}
