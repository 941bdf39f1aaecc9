// build/systole as a user meets it: help, files, and one clear message for everything that is
// wrong.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "host/import/npy.hpp"
#include "rtl/spec/gen/systole_commands.hpp"
#include "tests/app/run_systole.hpp"
#include "tests/host/model_builder.hpp"

using namespace systole;
using namespace systole::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

namespace fs = std::filesystem;

const std::string kScratch = "build/test/app_command_line/";
const std::string kDigits = "tests/models/digits/";
const std::string kModel = kDigits + "mlp.onnx";
const std::string kImages = kDigits + "mlp_images.npy";

std::string write_file(const std::string& name, const std::string& bytes) {
  std::ofstream(kScratch + name, std::ios::binary) << bytes;
  return kScratch + name;
}

std::string write_npy(const std::string& name, const Tensor& tensor) {
  npy::save(kScratch + name, tensor);
  return kScratch + name;
}

Outcome run_systole(const std::vector<std::string>& words) {
  return test::run_systole(kScratch, words);
}

void check_refused(const std::vector<std::string>& words, const std::vector<std::string>& parts) {
  test::check_refused(kScratch, words, parts);
}

/// The same of `systole run`, with an output and a report that must not appear.
void check_run_refused(const std::vector<std::string>& words, const std::vector<std::string>& parts,
                       const std::string& device = "model") {
  const std::string output = kScratch + "refused.npy", report = kScratch + "refused.json";
  fs::remove(output), fs::remove(report);
  check_refused(joined({"run", "--device", device, "--output", output, "--json", report}, words),
                parts);
  CHECK_FALSE(fs::exists(output));
  CHECK_FALSE(fs::exists(report));
}

/// x [1, 4] f32 -> Q -> DQ -> op -> Q -> DQ -> y.
ModelBuilder model_of(const std::string& op, const Shape& shape = {1, 4}) {
  ModelBuilder b;
  b.input("x", DataType::F32, shape);
  const auto x = b.dequantize(b.quantize<int8_t>("x", 0.5f, 0, "xq"), 0.5f, int8_t{0}, "xd");
  const auto y = b.node(op, {x}, "middle");
  b.dequantize(b.quantize<int8_t>(y, 0.5f, 0, "yq"), 0.5f, int8_t{0}, "y");
  b.output("y", DataType::F32, shape);
  return b;
}

std::string small_input() {
  return write_npy("x.npy", Tensor(Shape{1, 4}, std::vector<float>{1, -2, 3, 4}));
}

/// Of the digits, for the perceptron.
Tensor first_images(int64_t count) {
  const Tensor all = npy::load(kImages);
  Tensor first(all.type(), {count, all.shape()[1]});
  std::copy_n(all.bytes().begin(), first.bytes().size(), first.bytes().begin());
  return first;
}

struct Scratch {
  Scratch() { fs::create_directories(kScratch); }
};
const Scratch kMakeScratch;

}  // namespace

// ------------------------------------------------------------------------------------- what is
// right

TEST_CASE("systole: help and version are there, and end with 0", "[app]") {
  const Outcome help = run_systole({"--help"});
  CHECK(help.status == 0);
  CHECK_THAT(help.out, Contains("usage: systole") && Contains("systole run --help"));
  CHECK(run_systole({"-h"}).out == help.out);

  const Outcome run_help = run_systole({"run", "--help"});
  CHECK(run_help.status == 0);
  for (const char* option :
       {"--input", "--output", "--labels", "--config", "--device", "--json", "--lockstep",
        "--trace", "--firmware", "--requests-of", "--timeout", "--watchdog", "--dram", "--seed",
        "--report", "--timeline", "--sample-cycles", "--scaling"}) {
    CHECK_THAT(run_help.out, Contains(option));
  }
  CHECK_THAT(run_help.out, Contains("Exit status"));

  for (const std::string command : {"compile", "zoo", "explain", "replay"}) {
    CHECK_THAT(help.out, Contains("systole " + command + " --help"));
    const Outcome of_command = run_systole({command, "--help"});
    CHECK(of_command.status == 0);
    CHECK(of_command.err.empty());
    CHECK_THAT(of_command.out, StartsWith("usage: systole " + command) && Contains("xit status"));
  }

  const Outcome version = run_systole({"--version"});
  CHECK(version.status == 0);
  CHECK_THAT(version.out, StartsWith("systole "));
  CHECK_THAT(version.out, Contains("small") && Contains("3x2"));
  for (const Outcome& outcome : {help, run_help, version}) CHECK(outcome.err.empty());
}

TEST_CASE("systole: a run writes its output and its report, and ends with 0", "[app]") {
  const std::string y = kScratch + "y.npy", json = kScratch + "run.json";
  const Outcome run =
      run_systole({"run", kModel, "-i", "image=" + kImages, "-o", "scores=" + y, "--labels",
                   kDigits + "labels.npy", "--json", json, "-d", "model"});
  CAPTURE(run.err);
  REQUIRE(run.status == 0);
  CHECK_THAT(run.out, Contains("accuracy") && Contains("bit-exact to graph reference"));
  CHECK(npy::load(y) == npy::load(kDigits + "mlp_scores.npy"));
  const auto report = nlohmann::json::parse(read_text(json));
  CHECK(report["inputs"] == 360);
  CHECK(report["accuracy"] > 0.97);
  CHECK(report["bit_exact"]["graph_reference"] == true);
  for (const char* key : {"chip_cycles", "mac", "utilization", "sim_cycles_per_s", "wall_s"}) {
    CHECK(report[key].is_number());
  }
  for (const auto& layer : report["layers"]) {
    CHECK(layer["name"].is_string());
    CHECK(layer["operator"].is_string());
    CHECK(layer["cycles"].is_number());
    CHECK(layer["mac"].is_number());
  }
}

TEST_CASE("systole: an input may be a tensor as ONNX keeps it", "[app]") {
  ::onnx::TensorProto proto;
  proto.set_data_type(::onnx::TensorProto::FLOAT);
  for (const int64_t dim : {1, 4}) proto.add_dims(dim);
  for (const float value : {1.0f, -2.0f, 3.0f, 4.0f}) proto.add_float_data(value);
  const std::string model = write_file("relu.onnx", model_of("Relu").bytes());
  const std::string input = write_file("x.pb", proto.SerializeAsString());
  const std::string output = kScratch + "relu.npy";
  const Outcome run =
      run_systole({"run", model, "--device", "model", "--input", input, "--output", output});
  CHECK(run.status == 0);
  CHECK(npy::load(output) == Tensor(Shape{1, 4}, std::vector<float>{1, 0, 3, 4}));
  check_run_refused({model, "--input", write_file("broken.pb", "\x08\x01\x10")}, {"broken.pb"});
}

TEST_CASE("systole: a model of a type that there is no use for is refused with node and type",
          "[app]") {
  ModelBuilder b = model_of("Relu");
  auto* type = b.proto().mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type();
  type->set_elem_type(::onnx::TensorProto::FLOAT16);
  check_run_refused({write_file("half.onnx", b.bytes()), "--input", small_input()},
                    {"input 'x'", "'xq' (QuantizeLinear)", "float16"});
}

TEST_CASE("systole: a run on the chip tells where its cycles went", "[app][chip]") {
  const std::string images = write_npy("few.npy", first_images(5));
  const std::string page = kScratch + "run.html", timeline = kScratch + "timeline.json";
  const std::string json = kScratch + "run.json";
  const Outcome run =
      run_systole({"run", kModel, "-i", images, "--config", "tiny", "--json", json, "--report",
                   page, "--timeline", timeline, "--optimize", "latency", "--requests-of", "2"});
  CAPTURE(run.err);
  REQUIRE(run.status == 0);
  CHECK_THAT(run.out, Contains("predicted") && Contains("bound by") && Contains("busy"));
  CHECK_THAT(read_text(page), Contains("Roofline") && Contains("</html>"));

  const auto report = nlohmann::json::parse(read_text(json));
  const auto& counters = report["counters"];
  CHECK(counters["tiles"].size() == 2);
  for (const auto& tile : counters["tiles"]) {
    for (const auto& unit : tile["units"]) {
      uint64_t cycles = tile["clock_off"];
      for (const auto& state : unit["states"]) cycles += state.get<uint64_t>();
      CHECK(cycles == counters["cycles"]);
    }
  }
  for (const auto& layer : report["layers"]) {
    if (layer["cycles"] > 0) CHECK_FALSE(layer["bound_by"].get<std::string>().empty());
  }
  const auto events = nlohmann::json::parse(read_text(timeline))["traceEvents"];
  const auto count = [&](const std::string& phase) {
    return std::count_if(events.begin(), events.end(),
                         [&](const auto& event) { return event["ph"] == phase; });
  };
  for (const auto& event : events) {
    if (event.value("cat", "") != "command" || !event["args"].contains("layer")) continue;
    uint64_t cycles = 0;
    for (const auto& state : event["args"]["cycles"]) cycles += state.get<uint64_t>();
    CHECK(static_cast<double>(cycles) == Approx(1000 * event["dur"].get<double>()));
  }
  CHECK(count("X") > 100);
  CHECK(count("s") > 0);
  CHECK(count("s") == count("f"));
  CHECK(count("C") > 0);
  CHECK(std::count_if(events.begin(), events.end(),
                      [](const auto& event) { return event.value("cat", "") == "request"; }) == 3);
}

TEST_CASE("systole: a run that nobody watches says what is missing", "[app][chip]") {
  const std::string images = write_npy("few.npy", first_images(2));
  const std::string page = kScratch + "unwatched.html", json = kScratch + "unwatched.json";
  const std::vector<std::string> run = {"run",  kModel,   "-i", images,     "--config",
                                        "tiny", "--json", json, "--report", page};
  const std::vector<std::string> off = {"--lockstep", "off", "--events", "off", "--explain", "off"};
  const char* const no_counters = "no counters in this build";

  SECTION("commands are not followed") {
    const Outcome outcome = run_systole(joined(run, off));
    REQUIRE(outcome.status == 0);
    CHECK_THAT(outcome.out, !Contains("bound by") && !Contains(no_counters));
    CHECK_THAT(read_text(page), !Contains("Roofline") && Contains("--events off") &&
                                    Contains("Where the cycles of each unit went"));
    const auto report = nlohmann::json::parse(read_text(json));
    CHECK(report["events"] == false);
    CHECK(report["counters"]["tiles"].size() == 2);
  }
  SECTION("a build without counters") {
    const Outcome outcome = run_systole(joined(joined(run, off), {"--build", "tiny-unobserved"}));
    CAPTURE(outcome.err);
    REQUIRE(outcome.status == 0);
    CHECK_THAT(outcome.out, Contains(no_counters) && !Contains("bound by"));
    CHECK_THAT(read_text(page), Contains("No counters in this build") &&
                                    Contains("make build-tiny") &&
                                    !Contains("Where the cycles of each unit went"));
    const auto report = nlohmann::json::parse(read_text(json));
    CHECK(report["observable"] == false);
    CHECK(report["counters"]["tiles"].empty());
    CHECK(report["chip_cycles"] > 0);
  }
}

TEST_CASE("systole: what is made of events is refused without them", "[app][chip]") {
  const std::vector<std::string> run = {kModel, "-i",       kImages, "--config",
                                        "tiny", "--events", "off"};
  check_run_refused(run, {"--explain on", "--explain off", "--events off"}, "chip");
  check_run_refused(joined(run, {"--explain", "off", "--timeline", kScratch + "no.json"}),
                    {"--timeline", "--events on"}, "chip");
  check_run_refused({kModel, "-i", kImages, "--config", "tiny", "--build", "tiny-unobserved"},
                    {"built without observability", "--lockstep off --events off --explain off"},
                    "chip");
}

TEST_CASE("systole: an output that exists is replaced, and kept when the run is refused", "[app]") {
  const std::string y = write_file("old.npy", "old");
  check_refused({"run", kModel, "-i", kDigits + "labels.npy", "-o", y, "-d", "model"},
                {"wrong input"});
  CHECK(read_text(y) == "old");
  REQUIRE(run_systole({"run", kModel, "-i", kImages, "-o", y, "-d", "model"}).status == 0);
  CHECK(npy::load(y).shape() == Shape{360, 10});
}

// --------------------------------------------------------------------------------------- the
// command

TEST_CASE("systole: commands that are none are refused", "[app]") {
  check_refused({}, {"no command", "run, compile, zoo, explain, replay, --version or --help"});
  check_refused({"walk"}, {"unknown command",
                           "run, compile, zoo, explain, replay, --version or --help", "walk"});
  check_refused({"run"}, {"one model is needed", "none"});
  check_refused({"run", kModel, kModel}, {"one model is needed", "2 files"});
  check_refused({"run", kModel, "--frobnicate"}, {"--frobnicate", "systole run --help"});
  check_refused({"run", kModel, "--json"}, {"--json", "systole run --help"});
}

TEST_CASE("systole: bundles and explanations that are none are refused", "[app]") {
  check_refused({"replay"}, {"one bundle is needed", "BUNDLE.tar.gz", "none"});
  check_refused({"replay", kModel, kModel}, {"one bundle is needed", "2 files"});
  check_refused({"replay", kModel, "--until", "5"}, {"--until", "systole replay --help"});
  check_refused({"replay", kModel}, {kModel, "not a bundle"});
  check_refused({"explain", kDigits, kDigits}, {"one folder is needed", "2 files"});
  check_refused({"explain", kDigits}, {"not an explanation", kDigits, "run.json"});
  check_refused({"explain", "no/such"}, {"not an explanation", "no/such"});
  check_refused({"explain", "--bundle"}, {"--bundle", "systole explain --help"});
  check_refused({"explain", "--bundle", kScratch + "x.tar.gz", kDigits},
                {"not an explanation", kDigits});
  CHECK_FALSE(fs::exists(kScratch + "x.tar.gz"));
}

TEST_CASE("systole: a run that packs its failure must explain it, on a chip", "[app]") {
  const std::string bundle = kScratch + "refused.tar.gz";
  check_run_refused({kModel, "-i", kImages, "--bundle", bundle},
                    {"--bundle", "no cycles", "--device chip"});
  check_run_refused({kModel, "-i", kImages, "--bundle", bundle, "--explain", "off"},
                    {"--bundle", "expected --explain on, got off"}, "chip");
  check_run_refused({kModel, "-i", kImages, "--bundle", "no/such/b.tar.gz"},
                    {"no/such/b.tar.gz", "cannot be written"}, "chip");
  CHECK_FALSE(fs::exists(bundle));
}

TEST_CASE("systole: option values that mean nothing are refused", "[app]") {
  const std::vector<std::string> run = {kModel, "-i", kImages};
  const auto refused = [&](const std::string& option, const std::string& value,
                           const std::string& expected) {
    check_run_refused(joined(run, {option, value}), {option, expected, value});
  };
  for (const char* trace : {"5:1", "5:5", "5", ":", "a:b", "1:2x", "1:2:3"}) {
    refused("--trace", trace, "FROM:TO");
  }
  refused("--lockstep", "maybe", "on or off");
  refused("--events", "some", "on or off");
  refused("--requests-of", "0", "at least 1");
  refused("--requests-of", "-3", "at least 0");
  refused("--requests-of", "many", "systole run --help");
  refused("--cycles-per-wait", "0", "at least 1");
  refused("--tiles", "-1", "at least 0");
  check_run_refused(joined(run, {"--tiles", "77"}), {"compute tiles", "at most 4", "77"});
  refused("--timeout", "-1", "at least 0");
  refused("--timeout", "4294967296", "systole run --help");
  check_refused({"run", kModel, "-i", kImages, "--device", "fpga"},
                {"--device", "chip or model", "fpga"});
}

TEST_CASE("systole: an unknown configuration is refused with the known ones", "[app]") {
  check_run_refused({kModel, "-i", kImages, "--config", "huge"},
                    {"unknown configuration", "tiny, small, wide, medium, large", "huge"});
}

TEST_CASE("systole: a configuration that is not built is refused with the command that builds it",
          "[app]") {
  setenv("SYSTOLE_BUILD", kScratch.c_str(), 1);
  check_run_refused({kModel, "-i", kImages, "--config", "large"},
                    {"--config large", "not been built", "make build-large"}, "chip");
  unsetenv("SYSTOLE_BUILD");
}

TEST_CASE("systole: a file that is no chip is refused with its name", "[app]") {
  fs::create_directories(kScratch + "medium");
  const std::string library = write_file("medium/libsystole_chip.so", "no library");
  setenv("SYSTOLE_BUILD", kScratch.c_str(), 1);
  check_run_refused({kModel, "-i", kImages, "--config", "medium"},
                    {library, "cannot load the chip"}, "chip");
  unsetenv("SYSTOLE_BUILD");
}

// ---------------------------------------------------------------------------------------- the
// model

TEST_CASE("systole: files that are no complete model are refused", "[app]") {
  const std::string bytes = read_text(kModel);
  for (const std::size_t length : {std::size_t{0}, bytes.size() / 3, bytes.size() - 1}) {
    const std::string path = write_file("cut.onnx", bytes.substr(0, length));
    check_run_refused({path, "-i", kImages}, {path, "not a complete ONNX model"});
  }
  check_run_refused({kImages, "-i", kImages}, {kImages, "not a complete ONNX model"});
  check_run_refused({"no/such.onnx", "-i", kImages}, {"no/such.onnx", "can't open"});
  for (const std::string& path : {kDigits, std::string("/dev/zero")}) {
    check_run_refused({path, "-i", kImages}, {path, "not a regular file"});
    check_run_refused({kModel, "-i", path}, {path, "not a regular file"});
  }
}

TEST_CASE("systole: an unsupported operator is refused with its node", "[app]") {
  const std::string path = write_file("erf.onnx", model_of("Erf").bytes());
  check_run_refused({path, "-i", small_input()}, {path, "'middle'", "Erf", "not supported"});
}

TEST_CASE("systole: a model without quantization is refused with the node", "[app]") {
  ModelBuilder b;
  b.input("x", DataType::F32, {1, 4});
  b.node("Gemm", {"x", b.constant(Tensor(DataType::F32, {4, 4}))}, "y");
  b.output("y", DataType::F32, {1, 4});
  const std::string path = write_file("float.onnx", b.bytes());
  check_run_refused({path, "-i", small_input()}, {path, "'y' (Gemm)", "float32"});

  ModelBuilder weights;
  weights.input("x", DataType::F32, {1, 4});
  const auto x =
      weights.dequantize(weights.quantize<int8_t>("x", 1.0f, 0, "q"), 1.0f, int8_t{0}, "d");
  const auto y =
      weights.node("MatMul", {x, weights.constant(Tensor(DataType::F32, {4, 4}))}, "product");
  weights.quantize<int8_t>(y, 1.0f, 0, "y");
  weights.output("y", DataType::S8, {1, 4});
  const std::string half = write_file("half.onnx", weights.bytes());
  check_run_refused({half, "-i", small_input()}, {half, "'product' (MatMul)"});
}

TEST_CASE("systole: a dynamic shape that no input settles is refused", "[app]") {
  const std::string path = write_file("dynamic.onnx", model_of("Relu", {1, -1}).bytes());
  check_run_refused({path}, {path, "input 'x'"});
}

TEST_CASE("systole: shapes that do not fit each other are refused with the node", "[app]") {
  ModelBuilder b;
  b.input("x", DataType::F32, {1, 4});
  const auto x = b.dequantize(b.quantize<int8_t>("x", 1.0f, 0, "q"), 1.0f, int8_t{0}, "d");
  const auto w = b.weights(Tensor(DataType::S8, {5, 3}), 1.0f, "w");
  b.quantize<int8_t>(b.node("MatMul", {x, w}, "product"), 1.0f, 0, "y");
  b.output("y", DataType::S8, {1, 3});
  const std::string path = write_file("shapes.onnx", b.bytes());
  check_run_refused({path, "-i", small_input()}, {path, "'product' (MatMul)", "inner dimensions"});
}

// --------------------------------------------------------------------------------------- the
// inputs

TEST_CASE("systole: wrong sets of inputs are refused with the input's name", "[app]") {
  check_run_refused({kModel}, {"input 'image'", "missing input", "float32 [1, 64]"});
  check_run_refused({kModel, "-i", "picture=" + kImages}, {"no input 'picture'", "one of: image"});
  check_run_refused({kModel, "-i", kImages, "-i", kImages}, {"too many inputs", "expected 1"});
  check_run_refused({kModel, "-i", kImages, "-i", "image=" + kImages}, {"given twice", "image"});
}

TEST_CASE("systole: inputs of a wrong shape or type are refused with both", "[app]") {
  check_run_refused({kModel, "-i", kDigits + "cnn_images.npy"},
                    {"input 'image'", "expected float32 [1, 64]", "got float32 [360, 1, 8, 8]"});
  check_run_refused({kModel, "-i", kDigits + "labels.npy"},
                    {"input 'image'", "expected float32 [1, 64]", "got uint8 [360]"});
  const std::string integers = write_npy("s8.npy", Tensor(DataType::S8, {2, 64}));
  check_run_refused({kModel, "-i", integers},
                    {"input 'image'", "expected float32 [1, 64]", "got int8"});
}

TEST_CASE("systole: files that are no complete array are refused", "[app]") {
  const std::string bytes = read_text(kImages);
  for (const std::size_t length : {std::size_t{0}, std::size_t{20}, bytes.size() - 4}) {
    const std::string path = write_file("cut.npy", bytes.substr(0, length));
    check_run_refused({kModel, "-i", path}, {path, ".npy"});
  }
  std::string doubles = bytes;
  doubles.replace(doubles.find("<f4"), 3, "<f8");
  const std::string path = write_file("doubles.npy", doubles);
  check_run_refused({kModel, "-i", path}, {path, "unsupported element type", "<f8"});
  check_run_refused({kModel, "-i", kModel}, {kModel, ".npy"});
  check_run_refused({kModel, "-i", "no/such.npy"}, {"no/such.npy", "can't open"});
}

TEST_CASE("systole: labels that do not fit are refused before the run", "[app]") {
  const std::string scores = kDigits + "mlp_scores.npy";
  check_run_refused({kModel, "-i", kImages, "--labels", scores},
                    {scores, "wrong labels", "360 integers", "float32 [360, 10]"});
  check_run_refused({kModel, "-i", kImages, "--labels", "no/such.npy"}, {"no/such.npy"});
}

// -------------------------------------------------------------------------------------- the
// outputs

TEST_CASE("systole: outputs that cannot be written are refused before the run", "[app]") {
  const std::vector<std::string> run = {"run", kModel, "-i", kImages, "-d", "model"};
  check_refused(joined(run, {"-o", "no/such/y.npy"}), {"no/such/y.npy", "cannot be written"});
  check_refused(joined(run, {"-o", kScratch}), {kScratch, "cannot be written"});
  check_refused(joined(run, {"--json", "no/such/run.json"}),
                {"no/such/run.json", "cannot be written"});
  for (const char* option : {"--report", "--timeline"}) {
    const std::vector<std::string> chip = {"run",      kModel, "-i",  kImages,
                                           "--config", "tiny", option};
    check_refused(joined(chip, {"no/such/file"}), {"no/such/file", "cannot be written"});
    check_refused(joined(chip, {kScratch}), {kScratch, "cannot be written"});
  }
  check_refused(joined(run, {"-o", "picture=" + kScratch + "y.npy"}),
                {"no such output", "picture"});
  check_refused(joined(run, {"-o", kScratch + "a.npy", "-o", kScratch + "b.npy"}),
                {"no such output", "b.npy"});
}

TEST_CASE("systole: a page and a timeline want a chip", "[app]") {
  for (const char* option : {"--report", "--timeline"}) {
    const std::string path = kScratch + "refused.page";
    check_run_refused({kModel, "-i", kImages, option, path},
                      {option, "no cycles", "--device chip", "model"});
    CHECK_FALSE(fs::exists(path));
  }
  check_refused({"run", kModel, "-i", kImages, "--scaling"},
                {"--scaling", "--report FILE or --json FILE"});
  check_run_refused({kModel, "-i", kImages, "--sample-cycles", "0"},
                    {"--sample-cycles", "at least 1"}, "chip");
}

TEST_CASE(
    "systole: a run that fails leaves neither page nor timeline, and the old ones as they were",
    "[app][chip]") {
  const std::string page = write_file("old.html", "old"), timeline = kScratch + "none.json";
  check_run_refused({kModel, "-i", kImages, "--config", "tiny", "--firmware", "no/such.bin",
                     "--report", page, "--timeline", timeline},
                    {"no/such.bin"}, "chip");
  CHECK(read_text(page) == "old");
  CHECK_FALSE(fs::exists(timeline));
  CHECK_FALSE(fs::exists(timeline + ".part"));
}

namespace {

/// The same with a disk that takes no file of more than `kilobytes`.
Outcome run_on_full_disk(unsigned kilobytes, const std::vector<std::string>& words) {
  std::string command =
      fmt::format("bash -c 'ulimit -f {}; exec build/systole \"$0\" \"$@\"'", kilobytes);
  for (const std::string& word : words) command += " '" + word + "'";
  const std::string out = kScratch + "full_stdout", err = kScratch + "full_stderr";
  const int status = std::system((command + " >" + out + " 2>" + err).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, read_text(out), read_text(err)};
}

}  // namespace

TEST_CASE("systole: where nobody takes what is printed, the status and one line say so", "[app]") {
  const std::vector<std::vector<std::string>> commands = {
      {"zoo"},
      {"--help"},
      {"--version"},
      {"run", "--help"},
      {"compile", kModel},
      {"compile", kDigits + "cnn.onnx", "--explain"},
      {"run", kModel, "-i", kImages, "-d", "model", "--quiet"}};
  for (const auto& words : commands) {
    for (const std::string to : {"/dev/full", "&-"}) {
      const std::string err = kScratch + "unprinted";
      const int status = std::system(
          fmt::format("build/systole {} >{} 2>{}", fmt::join(words, " "), to, err).c_str());
      CAPTURE(fmt::format("{}", fmt::join(words, " ")), to);
      CHECK(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == 2);
      CHECK(read_text(err) ==
            fmt::format("systole: standard output: cannot be written: {}\n",
                        to == "&-" ? "Bad file descriptor" : "No space left on device"));
    }
  }
  const int mute = std::system("build/systole no_such_command >/dev/full 2>/dev/full");
  CHECK(WIFEXITED(mute));
  CHECK(WEXITSTATUS(mute) == 2);
}

TEST_CASE("systole: a file for which the disk has no room is not left half written",
          "[app][chip]") {
  const std::string folder = kScratch + "full/";
  const std::vector<std::string> run = {"run", kModel, "-i", kImages, "--quiet"};
  const std::vector<std::string> model = {"--device", "model"}, chip = {"--config", "tiny"};
  const std::vector<std::vector<std::string>> commands = {
      joined(joined(run, model), {"--output", folder + "y.npy"}),
      joined(joined(run, model), {"--json", folder + "run.json"}),
      joined(joined(run, chip), {"--report", folder + "run.html"}),
      joined(joined(run, chip), {"--timeline", folder + "run.json"}),
      {"compile", kDigits + "cnn.onnx", "--json", folder + "plan.json"},
      joined(joined(run, chip),
             {"--checkpoint-every", "50000", "--checkpoint-folder", folder + "kept"})};
  for (const auto& words : commands) {
    fs::remove_all(folder);
    fs::create_directories(folder + "kept");
    const Outcome outcome = run_on_full_disk(1, words);
    CAPTURE(fmt::format("{}", fmt::join(words, " ")), outcome.err);
    CHECK(outcome.status == 2);
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
    CHECK_THAT(outcome.err, StartsWith("systole: " + folder) && Contains("cannot ") &&
                                Contains("File too large"));
    CHECK(std::distance(fs::recursive_directory_iterator(folder), {}) == 1);
  }
}

TEST_CASE("systole: waves for which the disk has no room are not left half written",
          "[app][chip]") {
  const std::string folder = kScratch + "full_waves/", waves = folder + "x.fst";
  fs::remove_all(folder);
  fs::create_directories(folder);
  const Outcome outcome =
      run_on_full_disk(2000, {"run", kModel, "-i", kImages, "--quiet", "--config", "tiny",
                              "--trace", "0:60000", "--trace-file", waves});
  CAPTURE(outcome.err);
  CHECK(outcome.status == 2);
  CHECK(outcome.err == "systole: " + waves + ": cannot write the waves: File too large\n");
  CHECK(fs::is_empty(folder));
}

TEST_CASE("systole: waves go to no device", "[app][chip]") {
  const std::string pipe = kScratch + "waves.pipe";
  fs::remove(pipe);
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  check_run_refused(
      {kModel, "-i", kImages, "--config", "tiny", "--trace", "1:2", "--trace-file", pipe},
      {"waves.pipe: cannot write the waves", "expected a plain file"}, "chip");
  CHECK(fs::is_fifo(pipe));
}

TEST_CASE("systole: waves that cannot be written are refused", "[app][chip]") {
  check_run_refused({kModel, "-i", kImages, "--config", "tiny", "--trace", "1:2", "--trace-file",
                     "no/such/x.fst"},
                    {"no/such/x.fst", "cannot write"}, "chip");
}

TEST_CASE("systole: waves are refused where there is no room for them", "[app][chip]") {
  check_run_refused(
      {kModel, "-i", kImages, "--config", "tiny", "--trace", "1:2", "--trace-file", "/proc/x.fst"},
      {"/proc/x.fst", "cannot write", "bytes of free space", "got 0"}, "chip");
}

TEST_CASE("systole: an unknown DRAM is refused with the known ones", "[app][chip]") {
  check_run_refused({kModel, "-i", kImages, "--config", "tiny", "--dram", "ddr9"},
                    {"ddr9", "ddr4-3200", "hbm2e"}, "chip");
}

// ------------------------------------------------------------------------------------- the
// firmware

TEST_CASE("systole: firmware that does not fit is refused with both sizes", "[app][chip]") {
  const std::string path = write_file("big.bin", std::string(1 << 20, '\0'));
  check_run_refused({kModel, "-i", kImages, "--config", "tiny", "--firmware", path},
                    {path, "does not fit", std::to_string(spec::CoreRamBytes), "1048576"}, "chip");
  check_run_refused({kModel, "-i", kImages, "--config", "tiny", "--firmware", "no/such.bin"},
                    {"no/such.bin", "cannot read the firmware"}, "chip");
}

TEST_CASE("systole: firmware that does not come up is told from one that does", "[app][chip]") {
  const std::string path = write_file("zero.bin", std::string(100, '\0'));
  check_run_refused(
      {kModel, "-i", kImages, "--config", "tiny", "--explain", "off", "--firmware", path},
      {path, "did not come up"}, "chip");
}

TEST_CASE("systole: firmware that does not come up is explained, with what its memory holds",
          "[app][chip]") {
  const std::string path = write_file("zero.bin", std::string(100, '\0'));
  const Outcome outcome =
      run_systole({"run", kModel, "-i", kImages, "--config", "tiny", "--explain-folder",
                   "build/test/app_command_line/explain", "--firmware", path});
  CHECK(outcome.status == 2);
  CHECK_THAT(outcome.err, Contains("the run ended: cycle") && Contains("did not come up") &&
                              Contains("the core's memory holds the image"));
}

// ------------------------------------------------------------------------------------ checkpoints

TEST_CASE("systole: a checkpoint goes on to the outputs of the whole run", "[app][chip]") {
  const std::string folder = kScratch + "checkpoints", whole = kScratch + "whole.npy",
                    resumed = kScratch + "resumed.npy";
  fs::remove_all(folder);
  const std::vector<std::string> words = {"run", kModel, "-i", kImages, "--config", "tiny"};
  REQUIRE(run_systole(joined(words, {"-o", whole, "--checkpoint-every", "20000",
                                     "--checkpoint-folder", folder}))
              .status == 0);
  std::vector<std::string> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  REQUIRE(files.size() == 3);
  const Outcome outcome = run_systole(joined(words, {"-o", resumed, "--resume", files[0]}));
  CHECK(outcome.status == 0);
  CHECK(read_text(resumed) == read_text(whole));
  // Of another model, or cut short: refused, with no wave file.
  const std::string waves = kScratch + "none.fst";
  fs::remove(waves);
  check_run_refused({kDigits + "cnn.onnx", "-i", kDigits + "cnn_images.npy", "--config", "tiny",
                     "--resume", files[0], "--trace", "0:9000000", "--trace-file", waves},
                    {files[0], "another run"}, "chip");
  const std::string cut = write_file("cut.ckpt", read_text(files[0]).substr(0, 100000));
  check_run_refused({kModel, "-i", kImages, "--config", "tiny", "--resume", cut}, {cut, "damaged"},
                    "chip");
  check_run_refused({kModel, "-i", kImages, "--config", "tiny", "--resume", files[0], "--trace",
                     "1:2", "--trace-file", waves},
                    {files[0], "trace window lies before"}, "chip");
  CHECK_FALSE(fs::exists(waves));
}

TEST_CASE("systole: a checkpoint that cannot be written is no failure of the chip", "[app][chip]") {
  const std::string folder = kScratch + "unwritable", explain = kScratch + "unwritable_explain";
  fs::remove_all(explain);
  fs::create_directories(folder + "/cycle_000020000.ckpt.partial");
  check_run_refused({kModel, "-i", kImages, "--config", "tiny", "--checkpoint-every", "20000",
                     "--checkpoint-folder", folder, "--explain-folder", explain},
                    {"cannot write the checkpoint", "cycle_000020000.ckpt"}, "chip");
  CHECK_FALSE(fs::exists(explain));
}

TEST_CASE("systole: a trace window outside the run is an error and leaves no file", "[app][chip]") {
  const std::string waves = kScratch + "outside.fst";
  check_run_refused({kModel, "-i", kImages, "--config", "tiny", "--trace", "90000000:90000100",
                     "--trace-file", waves},
                    {"90000000:90000100", "lies outside the run"}, "chip");
  CHECK_FALSE(fs::exists(waves));
}

TEST_CASE("inputs worked on at once give what they give one by one", "[app]") {
  const std::string images = write_npy("ten.npy", first_images(10));  // the last iteration is short
  const auto scores = [&](const std::string& name, const std::vector<std::string>& division) {
    const Outcome outcome =
        run_systole(joined({"run", kModel, "--input", images, "--device", "model", "--output",
                            kScratch + name, "--json", kScratch + name + ".json"},
                           division));
    CHECK(outcome.status == 0);
    return npy::load(kScratch + name);
  };
  const Tensor expected = scores("one.npy", {"--optimize", "latency"});
  CHECK(scores("groups.npy", {"--groups", "4"}) == expected);
  CHECK(scores("flight.npy", {"--groups", "2", "--in-flight", "3"}) == expected);
  const auto json = nlohmann::json::parse(read_text(kScratch + "flight.npy.json"));
  CHECK(json["groups"] == 2);
  CHECK(json["in_flight"] == 3);
}

TEST_CASE("divisions that can't be are refused", "[app]") {
  check_run_refused({kModel, "--input", kImages, "--groups", "3"}, {"groups", "divisor of 4", "3"});
  check_run_refused({kModel, "--input", kImages, "--in-flight", "9"}, {"in flight", "1 to 8", "9"});
  check_run_refused({kModel, "--input", kImages, "--optimize", "cost"}, {"--optimize", "cost"});
}

TEST_CASE("systole: what only a chip can do is refused of the functional model", "[app]") {
  for (const auto& [option, value] : std::vector<std::pair<std::string, std::string>>{
           {"--trace", "1:2"}, {"--until", "5"}, {"--checkpoint-every", "5"}, {"--resume", "x"}}) {
    check_run_refused({kModel, "-i", kImages, option, value}, {option, "--device chip"});
  }
}
