// Checkpoints of the simulated chip: a resumed run ends in the same state, bit for bit, as the run
// that never stopped, wherever it was cut.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "host/command/error.hpp"
#include "tests/chip/chip_bench.hpp"
#include "tests/support/seed.hpp"

using namespace systole;
using namespace systole::test;
using Catch::Matchers::Contains;

namespace {

namespace fs = std::filesystem;

const std::string kFolder = "build/test/chip_checkpoint/";
constexpr unsigned kInputs = 3;

std::string bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

compile::CompiledModel product() {
  auto rng = make_rng(1);
  std::vector<int8_t> weights(kDepth * kCols);
  for (int8_t& weight : weights) weight = static_cast<int8_t>(uniform(rng, -128, 127));
  return product_model(weights);
}

std::vector<Record> inputs() {
  std::vector<Record> records;
  auto rng = make_rng(2);
  for (unsigned i = 0; i < kInputs; ++i) {
    Tensor x(DataType::S8, {kRows, kDepth});
    for (uint8_t& byte : x.bytes()) byte = static_cast<uint8_t>(uniform(rng, 0, 255));
    records.push_back({x});
  }
  return records;
}

/// Everything that a run can be told by.
struct Run {
  std::vector<Record> outputs;
  std::vector<std::array<uint64_t, 5>> events;
  uint64_t cycles = 0;
  uint64_t commands = 0;
  std::vector<uint64_t> checkpoints;
};

SimulationOptions options_with(uint64_t every, const std::string& folder,
                               const std::string& resume) {
  SimulationOptions options;
  options.host_memory_bytes = Session::host_memory_bytes(product(), kInputs);
  options.checkpoint_every = every;
  options.checkpoints_kept = 1000;
  options.checkpoint_folder = folder;
  options.resume = resume;
  options.identity = {{"the model", "product"}};
  if (!folder.empty()) fs::create_directories(folder);
  return options;
}

Run run_with(const SimulationOptions& options) {
  const compile::CompiledModel model = product();
  const auto chip = make_chip(options);
  Run run;
  chip->observe([&](const CommandEvent& e) {
    run.events.push_back({e.node.x, static_cast<uint64_t>(e.unit), e.pc, e.cycle, e.retired});
  });
  run.outputs = Session(model, *chip).run(inputs());
  run.cycles = chip->cycles();
  run.commands = chip->lockstep_commands();
  run.checkpoints = chip->checkpoints();
  return run;
}

std::string file_of(const std::string& folder, uint64_t cycle) {
  std::string digits = std::to_string(cycle);
  return folder + "/cycle_" + std::string(9 - digits.size(), '0') + digits + ".ckpt";
}

void check_same(const Run& run, const Run& whole) {
  CHECK(run.outputs == whole.outputs);
  CHECK(run.events == whole.events);
  CHECK(run.cycles == whole.cycles);
  CHECK(run.commands == whole.commands);
}

}  // namespace

TEST_CASE("checkpoint: a resumed run ends as the one that never stopped, wherever it was cut",
          "[checkpoint]") {
  // 677: in the middle of the host's long writes, of its polls of the firmware, and of launches.
  constexpr uint64_t kEvery = 677;
  fs::remove_all(kFolder);
  const Run plain = run_with(options_with(0, "", ""));
  const Run whole = run_with(options_with(kEvery, kFolder + "whole", ""));
  check_same(whole, plain);
  CAPTURE(whole.cycles, whole.checkpoints);
  REQUIRE(whole.checkpoints.size() == whole.cycles / kEvery);
  for (const uint64_t cycle : whole.checkpoints) {
    CAPTURE(cycle);
    check_same(run_with(options_with(0, "", file_of(kFolder + "whole", cycle))), whole);
  }
}

TEST_CASE("checkpoint: the checkpoints of a resumed run are those of the whole one, byte for byte",
          "[checkpoint]") {
  constexpr uint64_t kEvery = 800;
  fs::remove_all(kFolder);
  const Run whole = run_with(options_with(kEvery, kFolder + "whole", ""));
  const std::string first = file_of(kFolder + "whole", kEvery);
  const Run resumed = run_with(options_with(kEvery, kFolder + "resumed", first));
  REQUIRE(resumed.checkpoints.size() + 1 == whole.checkpoints.size());
  for (const uint64_t cycle : resumed.checkpoints) {
    CAPTURE(cycle);
    CHECK(bytes_of(file_of(kFolder + "resumed", cycle)) ==
          bytes_of(file_of(kFolder + "whole", cycle)));
  }
}

TEST_CASE("checkpoint: a step of another length resumes to the same cycles", "[checkpoint]") {
  fs::remove_all(kFolder);
  const Run whole = run_with(options_with(1000, kFolder + "whole", ""));
  SimulationOptions options = options_with(0, "", file_of(kFolder + "whole", 1000));
  options.cycles_per_wait = 1;
  check_same(run_with(options), whole);
}

TEST_CASE("checkpoint: only the last few are kept, in memory and in the folder", "[checkpoint]") {
  fs::remove_all(kFolder);
  SimulationOptions options = options_with(1000, kFolder + "few", "");
  options.checkpoints_kept = 2;
  const Run run = run_with(options);
  REQUIRE(run.checkpoints.size() == 2);
  CHECK(run.checkpoints[1] == run.checkpoints[0] + 1000);
  CHECK(std::distance(fs::directory_iterator(kFolder + "few"), fs::directory_iterator()) == 2);
  CHECK(fs::exists(file_of(kFolder + "few", run.checkpoints[0])));
}

TEST_CASE("checkpoint: what cannot be resumed is refused with what differs", "[checkpoint]") {
  fs::remove_all(kFolder);
  run_with(options_with(1000, kFolder + "whole", ""));
  const std::string file = file_of(kFolder + "whole", 1000);
  const SimulationOptions options = options_with(0, "", file);
  CHECK_THROWS_WITH(make_chip(options, "tiny-xrand"), Contains("the chip's build differs"));

  SimulationOptions other = options;
  other.identity[0].second = "another";
  CHECK_THROWS_WITH(make_chip(other), Contains(file) && Contains("the model differs") &&
                                          Contains("expected another, got product"));

  const std::string bytes = bytes_of(file);
  const auto write = [](const std::string& name, const std::string& text) {
    std::ofstream(kFolder + name, std::ios::binary) << text;
    return kFolder + name;
  };
  const auto refused = [&](const std::string& name, const std::string& why) {
    other = options;
    other.resume = name;
    CHECK_THROWS_WITH(make_chip(other), Contains(name) && Contains(why));
  };
  refused(write("cut", bytes.substr(0, bytes.size() / 2)), "damaged");
  refused(write("empty", ""), "not a checkpoint");
  refused(write("text", "weights"), "not a checkpoint");
  std::string flipped = bytes;
  flipped[bytes.size() / 3] ^= 4;
  refused(write("flipped", flipped), "damaged");
  refused(kFolder + "none", "cannot read");
}

TEST_CASE("checkpoint: a folder that cannot be written ends the run with its name",
          "[checkpoint]") {
  SimulationOptions options = options_with(1000, "", "");
  options.checkpoint_folder = "build/test/no-such-folder";
  CHECK_THROWS_WITH(run_with(options), Contains("build/test/no-such-folder"));
  CHECK_FALSE(fs::exists(options.checkpoint_folder));
}
