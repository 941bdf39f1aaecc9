// Real models: compiled, executed by the functional model, compared with the graph reference.
#include <catch2/catch.hpp>

#include "host/command/error.hpp"
#include "host/import/model.hpp"
#include "host/import/npy.hpp"
#include "tests/host/compile_run.hpp"
#include "tests/support/data_folder.hpp"

using namespace systole;

namespace {

/// The first `count` images of a file, each as an input of the model.
std::vector<graph::Tensors> records_of(const graph::Graph& graph, const std::string& file,
                                       int64_t count) {
  const Tensor all = npy::load(file);
  const graph::Value& input = graph.value(graph.inputs.at(0));
  const std::size_t bytes =
      static_cast<std::size_t>(element_count(input.shape)) * element_size(input.type);
  std::vector<graph::Tensors> records;
  for (int64_t i = 0; i < count; ++i) {
    Tensor one(input.type, input.shape);
    std::memcpy(one.bytes().data(), all.bytes().data() + static_cast<std::size_t>(i) * bytes,
                bytes);
    records.push_back({{input.name, one}});
  }
  return records;
}

void check_digits(const std::string& name) {
  const std::string folder = "tests/models/digits/";
  const graph::Graph graph = graph::build(onnx::load(folder + name + ".onnx"), {});
  for (const char* config : {"tiny", "small"}) {
    for (const unsigned tiles : {0u, 1u}) {
      test::check_graph(graph, chip_config(config), tiles,
                        records_of(graph, folder + name + "_images.npy", 3), {1, 2});
    }
  }
}

}  // namespace

TEST_CASE("the digits perceptron is bit-exact", "[compile]") { check_digits("mlp"); }

TEST_CASE("the digits convolutional network is bit-exact", "[compile]") { check_digits("cnn"); }

TEST_CASE("the MLPerf Tiny networks are bit-exact", "[compile][data]") {
  const auto data = test::data_folder("mlperf_tiny");
  if (!data) return;
  const auto name = GENERATE("ad_autoencoder", "ic_resnet8", "kws_dscnn", "vww_mobilenet");
  DYNAMIC_SECTION(name) {
    const std::string folder = (*data / name).string() + "/";
    const Tensor image = npy::load(folder + "input_0.npy");
    const onnx::Model model = onnx::load(folder + "model.onnx");
    const graph::Graph graph = graph::build(model, {{model.inputs.at(0).name, image}});
    test::check_graph(graph, chip_config("small"), 0, records_of(graph, folder + "input_0.npy", 1),
                      {});
  }
}
