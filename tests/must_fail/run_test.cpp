// needs: host/app/explain.cpp host/app/prepared_run.cpp host/app/record.cpp
// needs: host/app/failure.cpp host/app/rerun.cpp host/app/run_command.cpp host/app/samples.cpp
// needs: host/app/show.cpp host/app/tensor_file.cpp
// `systole run` on a chip with faults: its report and its exit status.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "host/app/run_command.hpp"
#include "host/command/error.hpp"

using namespace systole;
using Catch::Matchers::Contains;

namespace {

namespace fs = std::filesystem;

const std::string kScratch = "build/test/must_fail_run/";
const std::string kDigits = "tests/models/digits/";

/// The digits perceptron on build/tiny-faults, under the name of a configuration that the program
/// knows. Removes what an earlier run left.
app::RunOptions options_with(const std::string& fault) {
  fs::create_directories(kScratch);
  fs::remove(kScratch + "tiny");
  fs::create_directory_symlink(fs::absolute("build/tiny-faults"), kScratch + "tiny");
  setenv("SYSTOLE_BUILD", kScratch.c_str(), 1);
  app::RunOptions options;
  options.model = kDigits + "mlp.onnx";
  options.inputs = {{"", kDigits + "mlp_images.npy"}};
  options.outputs = {{"", kScratch + "y.npy"}};
  options.json = kScratch + "run.json";
  options.report = kScratch + "run.html";
  options.timeline = kScratch + "timeline.json";
  options.config = "tiny";
  options.firmware = "build/firmware/firmware.bin";
  options.quiet = true;
  options.explain = false;  // this program is not systole, which would be started again
  options.simulation.plusargs = {"+fault=" + fault};
  options.simulation.watchdog_cycles = 300000;
  for (const char* file : {"y.npy", "run.json", "run.html", "timeline.json"})
    fs::remove(kScratch + file);
  return options;
}

nlohmann::json read_json(const std::string& name) {
  std::ifstream file(kScratch + name);
  return nlohmann::json::parse(file);
}

nlohmann::json report() { return read_json("run.json"); }

std::string page() {
  std::ifstream file(kScratch + "run.html");
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("must_fail: a run without a fault ends with 0", "[must_fail]") {
  CHECK(app::run(options_with("none")) == 0);
  CHECK(report()["bit_exact"]["functional_model"] == true);
  CHECK(report()["bit_exact"]["graph_reference"] == true);
  CHECK(fs::exists(kScratch + "y.npy"));
}

TEST_CASE("must_fail: a wrong product ends a run with 1, and without outputs", "[must_fail]") {
  CHECK(app::run(options_with("product")) == 1);
  CHECK(report()["bit_exact"]["functional_model"] == false);
  CHECK_THAT(page(), Contains("class=\"bad\"") && Contains("</html>"));
  CHECK(read_json("timeline.json")["traceEvents"].size() > 10);
  CHECK_FALSE(fs::exists(kScratch + "y.npy"));
}

TEST_CASE("must_fail: without lockstep the outputs are compared, and a wrong one ends with 1",
          "[must_fail]") {
  app::RunOptions options = options_with("product");
  options.simulation.lockstep = false;
  options.simulation.plusargs.push_back("+fault_at=10");  // a sum that an output hangs on
  CHECK(app::run(options) == 1);
  CHECK(report()["bit_exact"]["functional_model"] == false);
  CHECK(report()["bit_exact"]["graph_reference"] == false);
}

TEST_CASE("must_fail: a lost post ends a run with an error and without a report", "[must_fail]") {
  CHECK_THROWS_WITH(app::run(options_with("post")),
                    Contains("nothing has happened") && Contains("waits for semaphore"));
  for (const char* file : {"run.json", "run.html", "timeline.json"})
    CHECK_FALSE(fs::exists(kScratch + file));
  CHECK_FALSE(fs::exists(kScratch + "y.npy"));
}
