#include "host/app/zoo.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "host/command/error.hpp"

namespace systole::app {
namespace {

namespace fs = std::filesystem;

struct Network {
  const char* name;
  const char* what;
  const char* task;  // a folder of the suite's repository
  double million_mac;
};

constexpr Network kNetworks[] = {
    {"ic_resnet8", "image classification (CIFAR-10), ResNet8", "image_classification", 12.5},
    {"kws_dscnn", "keyword spotting (speech commands), DS-CNN", "keyword_spotting", 2.66},
    {"vww_mobilenet", "visual wake words, MobileNetV1 0.25", "visual_wake_words", 7.49},
    {"ad_autoencoder", "anomaly detection (ToyADMOS), autoencoder", "anomaly_detection", 0.264},
};

constexpr const char* kHelp =
    "usage: systole zoo [FOLDER]\n\n"
    "Says which of the MLPerf Tiny networks lie in FOLDER (by default $SYSTOLE_DATA/mlperf_tiny,\n"
    "SYSTOLE_DATA being ../shared/data), how to run them, and how to get and convert the others.\n"
    "Exit status: 0, or 2 for bad input.\n";

constexpr const char* kHowTo = R"(
To get one that is missing:
  1. The trained, quantized network: github.com/mlcommons/tiny, the .tflite with int8 or quant in
     its name in benchmark/training/<task>/trained_models.
  2. To ONNX, as QuantizeLinear and DequantizeLinear, in a Python environment of its own:
       pip install tensorflow tf2onnx onnxruntime
       python -m tf2onnx.convert --tflite network.tflite --opset 13 --output {0}/<name>/model.onnx
  3. Samples, and what ONNX Runtime makes of them, so that a run has something to be judged by:
       import numpy as np, onnxruntime as ort
       options = ort.SessionOptions()
       options.add_session_config_entry("session.disable_quant_qdq", "0")
       session = ort.InferenceSession("{0}/<name>/model.onnx", options)
       port = session.get_inputs()[0]
       for k, x in enumerate(inputs):     # of port.type, port.shape
           np.save(f"{0}/<name>/input_{{k}}.npy", x)
           np.save(f"{0}/<name>/output_{{k}}.npy", session.run(None, {{port.name: x}})[0])
Any other quantized model runs in the same way: systole run model.onnx --samples FOLDER.
)";

std::string default_folder() {
  const char* data = std::getenv("SYSTOLE_DATA");
  return std::string(data == nullptr || *data == 0 ? "../shared/data" : data) + "/mlperf_tiny";
}

std::size_t samples_in(const fs::path& folder) {
  std::size_t count = 0;
  while (fs::exists(folder / fmt::format("input_{}.npy", count))) ++count;
  return count;
}

/// Whether the network is there.
bool print(const Network& network, const std::string& folder) {
  const fs::path place = fs::path(folder) / network.name;
  const bool here = fs::exists(place / "model.onnx");
  const std::string state = here ? fmt::format("{} samples", samples_in(place)) : "missing";
  fmt::print("  {:<16} {:<44} {:<22} {:>5.3g} M  {}\n", network.name, network.what, network.task,
             network.million_mac, state);
  return here;
}

}  // namespace

int zoo(int argc, const char* const* argv) {
  const std::string given = argc > 1 ? argv[1] : "";
  if (given == "--help" || given == "-h") return fmt::print("{}", kHelp), 0;
  if (argc > 2 || (!given.empty() && given[0] == '-'))
    throw Error("unknown option; see systole zoo --help", "systole zoo", "[FOLDER]",
                argc > 2 ? argv[2] : given);
  if (!given.empty() && !fs::is_directory(given)) throw Error("no such folder", given);
  const std::string folder = given.empty() ? default_folder() : given;
  fmt::print("MLPerf Tiny in {}\n\n  {:<16} {:<44} {:<22} {:>7}  {}\n", folder, "name", "network",
             "task", "MAC", "here");
  std::size_t here = 0;
  const Network* first = nullptr;
  for (const Network& network : kNetworks) {
    if (!print(network, folder)) continue;
    ++here;
    if (first == nullptr) first = &network;
  }
  if (first != nullptr)
    fmt::print("\nTo run one:\n  systole run {0}/{1}/model.onnx --samples {0}/{1}\n", folder,
               first->name);
  if (here < std::size(kNetworks)) fmt::print(kHowTo, folder);
  return 0;
}

}  // namespace systole::app
