// Models that nobody vouches for: whatever is in the file, it is refused with an error that names
// a place, or computed right, in bounded time and memory.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "tests/host/model_mutator.hpp"
#include "tests/host/sample_models.hpp"
#include "tests/host/untrusted_model.hpp"
#include "tests/support/data_folder.hpp"

using namespace systole;
using namespace systole::test;

namespace {

// What is compiled and executed.
constexpr int64_t kWork = 200'000;

std::string bytes_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  REQUIRE(in);
  return {std::istreambuf_iterator<char>(in), {}};
}

struct Sample {
  std::string name;
  std::string bytes;
};

std::vector<Sample> samples() {
  std::vector<Sample> all;
  for (const ModelBuilder& model : sample_models())
    all.push_back({"sample " + std::to_string(all.size()), model.bytes()});
  for (const char* name : {"mlp", "cnn"})
    all.push_back({name, bytes_of(std::string("tests/models/digits/") + name + ".onnx")});
  return all;
}

const std::string kScratch = "build/test/host_untrusted/";
// Seconds of a core that none of them may take.
constexpr double kPatience = 10;

using Fates = std::map<Fate, int>;

/// The model lies in a file before it is examined, to be had even after a crash.
template <class Rng>
void examine(const Sample& sample, const std::string& bytes, int round, Rng& rng, Fates& fates) {
  const std::string file = kScratch + "model.onnx";
  std::ofstream(file, std::ios::binary) << bytes;
  INFO(sample.name << ", round " << round);
  const std::clock_t start = std::clock();
  try {
    ++fates[examine_model(bytes, chip_config("tiny"), kWork, rng)];
  } catch (const std::exception& error) {
    const std::string kept = kScratch + fmt::format("failed_{}.onnx", round);
    std::filesystem::copy_file(file, kept, std::filesystem::copy_options::overwrite_existing);
    FAIL_CHECK(kept << ": " << error.what());
  }
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < kPatience);
}

/// Rounds of mutants, each sample in turn.
template <class Rng, class Mutate>
Fates examine_mutants(const std::vector<Sample>& all, int rounds, Rng& rng, const Mutate& mutate) {
  Fates fates;
  for (int round = 0; round < rounds; ++round) {
    const Sample& sample = all[static_cast<std::size_t>(round) % all.size()];
    examine(sample, mutate(sample.bytes), round, rng, fates);
  }
  return fates;
}

/// With one to three values changed.
template <class Rng>
std::string change_values(const std::string& bytes, Rng& rng) {
  ::onnx::ModelProto model;
  model.ParseFromString(bytes);
  Mutator mutator(rng);
  for (int64_t changes = uniform(rng, 1, 3); changes > 0; --changes) mutator.mutate(model);
  return model.SerializePartialAsString();
}

}  // namespace

TEST_CASE("samples are computed right as they are", "[untrusted]") {
  auto rng = make_rng(1);
  for (const Sample& sample : samples()) {
    INFO(sample.name);
    CHECK(examine_model(sample.bytes, chip_config("tiny"), 10 * kWork, rng) == Fate::Agreed);
  }
}

TEST_CASE("models with changed bytes are refused or computed right", "[untrusted]") {
  auto rng = make_rng(2);
  const Fates fates = examine_mutants(
      samples(), 2600, rng, [&](const std::string& bytes) { return flip_bytes(bytes, rng); });
  // Many come far enough to be worth the while.
  CHECK(fates.at(Fate::NotImported) > 100);
  CHECK(fates.at(Fate::NotBuilt) > 50);
  CHECK(fates.at(Fate::Agreed) > 50);
}

TEST_CASE("models with changed values are refused or computed right", "[untrusted]") {
  auto rng = make_rng(3);
  const Fates fates = examine_mutants(
      samples(), 3000, rng, [&](const std::string& bytes) { return change_values(bytes, rng); });
  CHECK(fates.at(Fate::NotImported) > 100);
  CHECK(fates.at(Fate::NotBuilt) > 300);
  CHECK(fates.at(Fate::Agreed) > 100);
}

TEST_CASE("models of MLPerf Tiny with changed bytes and values are refused or computed right",
          "[untrusted]") {
  const auto folder = data_folder("mlperf_tiny");
  if (!folder) return;
  std::vector<Sample> all;
  for (const char* name : {"ad_autoencoder", "ic_resnet8", "kws_dscnn", "vww_mobilenet"}) {
    all.push_back({name, bytes_of((*folder / name / "model.onnx").string())});
  }
  auto rng = make_rng(4);
  examine_mutants(all, 80, rng, [&](const std::string& bytes) {
    return one_in(rng, 3) ? flip_bytes(bytes, rng) : change_values(bytes, rng);
  });
}
