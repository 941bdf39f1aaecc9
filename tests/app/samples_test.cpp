// Recorded samples, streams and plans, on the command line.
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "host/import/npy.hpp"
#include "host/report/program_map.hpp"
#include "tests/app/run_systole.hpp"
#include "tests/host/model_builder.hpp"

using namespace systole;
using namespace systole::test;
using Catch::Matchers::Contains;

namespace {

namespace fs = std::filesystem;

const std::string kScratch = "build/test/app_samples/";
const std::string kModel = "tests/models/digits/mlp.onnx";
const std::string kImages = "tests/models/digits/mlp_images.npy";
constexpr int64_t kSamples = 3;

Tensor row(const Tensor& tensor, int64_t index) {
  Tensor one(tensor.type(), {1, tensor.shape()[1]});
  const std::size_t bytes = one.bytes().size();
  std::memcpy(one.bytes().data(), tensor.bytes().data() + static_cast<std::size_t>(index) * bytes,
              bytes);
  return one;
}

/// Three images, each in a file, with the outputs that the graph reference demands of them.
std::string make_samples(const std::string& name) {
  const std::string folder = kScratch + name + "/";
  fs::remove_all(folder);
  fs::create_directories(folder);
  const Tensor images = npy::load(kImages);
  for (int64_t i = 0; i < kSamples; ++i) {
    const std::string number = std::to_string(i) + ".npy";
    npy::save(folder + "input_" + number, row(images, i));
    const Outcome outcome =
        run_systole(kScratch, {"run", kModel, "--input", folder + "input_" + number, "--output",
                               folder + "output_" + number, "--device", "model"});
    REQUIRE(outcome.status == 0);
  }
  return folder;
}

std::vector<std::string> run_samples(const std::string& folder) {
  return {"run", kModel, "--samples", folder, "--device", "model"};
}

/// Adds to the first element of the sample's recorded output.
void shift_output(const std::string& folder, int64_t sample, float by) {
  const std::string file = folder + "output_" + std::to_string(sample) + ".npy";
  Tensor output = npy::load(file);
  REQUIRE(output.type() == DataType::F32);
  output.data<float>()[0] += by;
  npy::save(file, output);
}

}  // namespace

TEST_CASE("samples: outputs equal to the recorded ones are said to be", "[app]") {
  const std::string folder = make_samples("equal");
  const std::string report = kScratch + "equal.json";
  const Outcome outcome = run_systole(kScratch, joined(run_samples(folder), {"--json", report}));
  CHECK(outcome.status == 0);
  CHECK_THAT(outcome.out, Contains("inputs                           3"));
  CHECK_THAT(outcome.out, Contains("recorded outputs                 equal"));
  const auto json = nlohmann::json::parse(read_text(report));
  CHECK(json["bit_exact"]["recorded_outputs"] == true);
}

TEST_CASE("samples: a recorded output that differs in any sample fails the run", "[app]") {
  for (int64_t sample = 0; sample < kSamples; ++sample) {
    const std::string folder = make_samples("other");
    shift_output(folder, sample, 0.25f);
    const Outcome outcome = run_systole(kScratch, run_samples(folder));
    CHECK(outcome.status == 1);
    CHECK_THAT(outcome.out, Contains("NO, 1 of 30 elements differ, by 0.25 at most"));
  }
}

TEST_CASE("samples: codes may be one apart behind a softmax, and no more", "[app]") {
  ModelBuilder b;
  b.input("x", DataType::S8, {1, 4});
  const auto xd = b.dequantize("x", 0.5f, int8_t{0}, "xd");
  b.quantize<int8_t>(b.node("Softmax", {xd}, "p"), 1.0f / 256, -128, "y");
  b.output("y", DataType::S8, {1, 4});
  const std::string folder = kScratch + "softmax/", model = folder + "softmax.onnx";
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::ofstream(model, std::ios::binary) << b.bytes();
  npy::save(folder + "input_0.npy", Tensor(Shape{1, 4}, std::vector<int8_t>{1, -2, 3, 4}));
  const std::vector<std::string> words = {"run", model, "--device", "model"};
  REQUIRE(run_systole(kScratch, joined(words, {"--input", folder + "input_0.npy", "--output",
                                               folder + "output_0.npy"}))
              .status == 0);
  const Tensor exact = npy::load(folder + "output_0.npy");
  for (const int apart : {0, 1, 2}) {
    Tensor recorded = exact;
    recorded.data<int8_t>()[2] = static_cast<int8_t>(recorded.data<int8_t>()[2] - apart);
    npy::save(folder + "output_0.npy", recorded);
    const Outcome outcome = run_systole(kScratch, joined(words, {"--samples", folder}));
    CHECK(outcome.status == (apart <= 1 ? 0 : 1));
    if (apart == 1) CHECK_THAT(outcome.out, Contains("as approximated functions may"));
  }
}

/// A model of x [1, 4] and one recorded output of it, made by a run.
std::string recorded_of(const std::string& name, ModelBuilder& b, const std::string& y) {
  const std::string folder = kScratch + name + "/", model = folder + "model.onnx";
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::ofstream(model, std::ios::binary) << b.bytes();
  npy::save(folder + "input_0.npy", Tensor(Shape{1, 4}, std::vector<int8_t>{1, -2, 3, 4}));
  REQUIRE(
      run_systole(kScratch, {"run", model, "--device", "model", "--input", folder + "input_0.npy",
                             "--output", y + "=" + folder + "output_0.npy"})
          .status == 0);
  return folder;
}

TEST_CASE("samples: what engines agree on must be equal, and so must indices", "[app]") {
  ModelBuilder relu, index;
  for (ModelBuilder* b : {&relu, &index}) b->input("x", DataType::S8, {1, 4});
  const auto x = relu.dequantize("x", 0.5f, int8_t{0}, "xd");
  relu.quantize<int8_t>(relu.node("LeakyRelu", {x}, "r"), 0.25f, 0, "y");
  relu.output("y", DataType::S8, {1, 4});
  const auto p = index.node("Softmax", {index.dequantize("x", 0.5f, int8_t{0}, "xd")}, "p");
  index.node("ArgMax", {p}, "y", {{"axis", int64_t{1}}});
  index.output("y", DataType::S64, {1, 1});
  for (const auto& [name, builder] : {std::make_pair("relu", &relu), {"index", &index}}) {
    CAPTURE(name);
    const std::string folder = recorded_of(name, *builder, "y");
    const std::vector<std::string> words = {"run",   folder + "model.onnx", "--device",
                                            "model", "--samples",           folder};
    CHECK(run_systole(kScratch, words).status == 0);
    Tensor recorded = npy::load(folder + "output_0.npy");
    recorded.bytes()[0] = static_cast<uint8_t>(recorded.bytes()[0] - 1);
    npy::save(folder + "output_0.npy", recorded);
    CHECK(run_systole(kScratch, words).status == 1);
  }
}

TEST_CASE("samples: a recorded output of another type is refused before the run", "[app]") {
  const std::string folder = make_samples("type");
  for (int i = 0; i < kSamples; ++i)
    npy::save(folder + "output_" + std::to_string(i) + ".npy", Tensor(DataType::S8, {1, 10}));
  const std::string report = kScratch + "none.json";
  fs::remove(report);
  check_refused(kScratch, joined(run_samples(folder), {"--json", report}),
                {"another tensor", "--samples " + folder, "float32 [3, 10]", "int8 [3, 10]"});
  CHECK_FALSE(fs::exists(report));
}

TEST_CASE("a stream wants inputs that can be run one by one", "[app]") {
  // One scale for all rows; and an output without dimensions.
  ModelBuilder together, scalar;
  together.input("x", DataType::F32, {-1, 4});
  together.node("DynamicQuantizeLinear", {"x"}, "y", {}, "", 3);
  together.output("y", DataType::U8, {-1, 4});
  scalar.input("x", DataType::F32, {1, 4});
  scalar.node("DynamicQuantizeLinear", {"x"}, "y", {}, "", 3);
  scalar.output("y", DataType::U8, {1, 4});
  scalar.output("y_1", DataType::F32, {});
  const std::string x = kScratch + "x.npy", three = kScratch + "three.npy";
  npy::save(x, Tensor(Shape{1, 4}, std::vector<float>{1, -2, 3, 4}));
  npy::save(three, Tensor(DataType::F32, {3, 4}));
  const std::string model = kScratch + "stream.onnx";
  std::ofstream(model, std::ios::binary) << together.bytes();
  check_refused(kScratch, {"run", model, "--device", "model", "-i", "x=" + x, "-i", "x=" + x},
                {"no stream", "input 'x'", "one file"});
  std::ofstream(model, std::ios::binary) << scalar.bytes();
  check_refused(kScratch, {"run", model, "--device", "model", "-i", three}, {"[1, 4]", "[3, 4]"});
}

TEST_CASE("samples: what is no folder of samples is refused", "[app]") {
  const std::string folder = make_samples("refused");
  const auto refused = [&](const std::vector<std::string>& words,
                           const std::vector<std::string>& parts) {
    check_refused(kScratch, joined({"run", kModel, "--device", "model"}, words), parts);
  };
  refused({"--samples", kScratch + "none"}, {"no such folder", "none"});
  refused({"--samples", "tests/models"}, {"no samples", "tests/models", "input_0.npy"});
  refused({"--samples", folder, "--input", kImages}, {"one of --samples and --input"});
  refused({"--samples", folder, "--stream", "2"}, {"fewer inferences than samples", "3", "2"});
  npy::save(folder + "output_1.npy", Tensor(DataType::F32, {1, 9}));
  refused({"--samples", folder}, {"no stream", "[1, 10]", "[1, 9]"});
  fs::remove(folder + "output_1.npy");
  refused({"--samples", folder}, {"output_1.npy"});
}

TEST_CASE("a stream is the inputs over and over, or files of one name in their order", "[app]") {
  const std::string folder = make_samples("stream");
  const std::string y = kScratch + "stream.npy";
  const Tensor images = npy::load(kImages);
  const std::vector<std::string> words = {"run", kModel, "--device", "model", "--output", y};
  const auto file = [&](int i) { return folder + "input_" + std::to_string(i) + ".npy"; };
  const auto recorded = [&](int i) {
    return npy::load(folder + "output_" + std::to_string(i) + ".npy");
  };
  const std::string name = "image=";
  REQUIRE(run_systole(kScratch, joined(words, {"--input", name + file(2), "--input", name + file(0),
                                               "--stream", "5"}))
              .status == 0);
  const Tensor outputs = npy::load(y);
  REQUIRE(outputs.shape() == Shape{5, 10});
  const int order[] = {2, 0, 2, 0, 2};
  for (int i = 0; i < 5; ++i) CHECK(row(outputs, i) == recorded(order[i]));
}

TEST_CASE("compile: a plan says of every layer what a run measures of it", "[app][chip]") {
  const std::string plan = kScratch + "plan.json", run = kScratch + "run.json";
  const std::vector<std::string> model = {kModel, "--config", "tiny", "--stream", "32"};
  const Outcome compiled =
      run_systole(kScratch, joined({"compile", "--explain", "--json", plan}, model));
  REQUIRE(compiled.status == 0);
  REQUIRE(run_systole(kScratch, joined({"run", "--input", kImages, "--json", run}, model)).status ==
          0);
  const auto planned = nlohmann::json::parse(read_text(plan));
  const auto measured = nlohmann::json::parse(read_text(run));
  CHECK(planned["predicted_input_spacing"].get<double>() ==
        Approx(measured["input_spacing"].get<double>()).epsilon(0.02));
  REQUIRE(planned["layers"].size() == measured["layers"].size());
  for (std::size_t i = 0; i < planned["layers"].size(); ++i) {
    const auto &p = planned["layers"][i], &m = measured["layers"][i];
    CAPTURE(p["name"]);
    CHECK(p["name"] == m["name"]);
    CHECK(p["mac"] == m["mac"]);
    CHECK(p["dram_bytes"] == m["dram_bytes"]);
    CHECK(p["predicted_cycles"].get<double>() ==
          Approx(m["cycles"].get<double>()).epsilon(0.02).margin(16));
    CHECK_FALSE(p["tiles"].empty());
    const std::string name = report::short_name(p["name"].get<std::string>());
    CHECK_THAT(compiled.out, Contains("  " + name + " ("));
    if (p["mac"] > 0) CHECK_THAT(p["loops"].get<std::string>(), Contains("Matmul"));
  }
}

TEST_CASE("compile: an open leading dimension is one inference, another one is refused", "[app]") {
  const std::string model = kScratch + "open.onnx";
  for (const Shape& shape : {Shape{-1, 4}, Shape{1, -1}}) {
    ModelBuilder b;
    b.input("x", DataType::S8, shape);
    const auto x = b.dequantize("x", 0.5f, int8_t{0}, "xd");
    b.quantize<int8_t>(b.node("Relu", {x}, "r"), 0.5f, 0, "y");
    b.output("y", DataType::S8, shape);
    std::ofstream(model, std::ios::binary) << b.bytes();
    if (shape[0] < 0) {
      CHECK(run_systole(kScratch, {"compile", model}).status == 0);
    } else {
      check_refused(kScratch, {"compile", model}, {"input 'x'", "dimension 1 is dynamic"});
    }
  }
  check_refused(kScratch, {"compile", kModel, "--stream", "99999999999"}, {"--stream", "at most"});
  check_refused(kScratch, {"compile", kModel, "--optimize", "best"}, {"latency or throughput"});
  check_refused(kScratch, {"compile"}, {"one model is needed"});
  check_refused(kScratch, {"compile", kModel, "--config", "none"}, {"none", "small"});
}

TEST_CASE("zoo: it says what is here, and how to get what is not", "[app]") {
  const std::string folder = kScratch + "zoo/";
  fs::remove_all(folder);
  fs::create_directories(folder + "kws_dscnn");
  const Outcome empty = run_systole(kScratch, {"zoo", folder});
  CHECK(empty.status == 0);
  CHECK_THAT(empty.out,
             Contains("missing") && Contains("tf2onnx") && !Contains("systole run build"));
  fs::copy_file(kModel, folder + "kws_dscnn/model.onnx");
  const Outcome one = run_systole(kScratch, {"zoo", folder});
  CHECK_THAT(one.out, Contains("kws_dscnn/model.onnx --samples " + folder));
  check_refused(kScratch, {"zoo", kScratch + "no"}, {"no such folder"});
  check_refused(kScratch, {"zoo", "--all"}, {"unknown option"});
}
