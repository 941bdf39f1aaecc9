// Reading models and arrays: what is read is what was written, and broken files end in an Error.
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>

#include "host/command/error.hpp"
#include "host/import/model.hpp"
#include "host/import/npy.hpp"
#include "tests/host/model_builder.hpp"
#include "tests/support/seed.hpp"

namespace systole {
namespace {

using Catch::Matchers::Contains;

// The bytes of an .npy file with a header of our own.
std::string npy_file(const std::string& header, const std::string& data, int version = 1) {
  std::string text = header + '\n';
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  const size_t size = text.size();
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) bytes += static_cast<char>(size >> (8 * i));
  return bytes + text + data;
}

template <typename T>
Tensor counting(const Shape& shape) {
  Tensor tensor(Tensor::type_of<T>(), shape);
  for (int64_t i = 0; i < tensor.size(); ++i) tensor.data<T>()[i] = static_cast<T>(3 * i - 7);
  return tensor;
}

}  // namespace

TEST_CASE("npy reads back what it wrote, for every type and rank", "[import]") {
  for (const Shape& shape : {Shape{}, Shape{5}, Shape{2, 3}, Shape{2, 1, 3, 4}, Shape{0, 4}}) {
    CHECK(npy::parse(npy::serialize(counting<float>(shape)), "a") == counting<float>(shape));
    CHECK(npy::parse(npy::serialize(counting<int8_t>(shape)), "a") == counting<int8_t>(shape));
    CHECK(npy::parse(npy::serialize(counting<uint8_t>(shape)), "a") == counting<uint8_t>(shape));
    CHECK(npy::parse(npy::serialize(counting<int32_t>(shape)), "a") == counting<int32_t>(shape));
    CHECK(npy::parse(npy::serialize(counting<int64_t>(shape)), "a") == counting<int64_t>(shape));
  }
}

TEST_CASE("npy data starts at a multiple of 64 bytes", "[import]") {
  const Tensor tensor = counting<int8_t>({3, 4});
  CHECK((npy::serialize(tensor).size() - 12) % 64 == 0);
}

TEST_CASE("npy reads versions 2 and 3, and headers as others write them", "[import]") {
  const std::string header = "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"|i1\"}";
  for (int version : {1, 2, 3}) {
    const Tensor tensor = npy::parse(npy_file(header, "abcdef", version), "a");
    CHECK(tensor.shape() == Shape{2, 3});
    CHECK(tensor.data<int8_t>()[5] == 'f');
  }
}

TEST_CASE("npy brings Fortran order to C order", "[import]") {
  const std::string header = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }";
  const Tensor tensor = npy::parse(npy_file(header, "adbecf"), "a");
  CHECK(std::string(tensor.bytes().begin(), tensor.bytes().end()) == "abcdef");
}

TEST_CASE("npy names file, expectation and finding in its errors", "[import]") {
  const auto broken = [](const std::string& bytes, const std::string& text) {
    CHECK_THROWS_WITH(npy::parse(bytes, "x.npy"), Contains("x.npy") && Contains(text));
  };
  const std::string good = npy::serialize(counting<float>({2, 2}));
  const std::string tail = "', 'fortran_order': False, 'shape': (2,), }";
  broken("", "not a .npy file");
  broken("PK\x03\x04 zipped", "not a .npy file");
  broken(good.substr(0, good.size() - 1), "expected 144 bytes, got 143 bytes");
  broken(good + "x", "got 145 bytes");
  broken(good.substr(0, 20), "broken .npy file");
  broken(npy_file("{'descr': '<f8" + tail, std::string(16, 'x')), "got '<f8'");
  broken(npy_file("{'descr': '>f4" + tail, std::string(8, 'x')), "got '>f4'");
  broken(npy_file("{'descr': '<f4" + tail, "", 9), "unsupported .npy version");
  broken(npy_file("{'descr': '<f4'", ""), "broken .npy header");
  broken(npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999, 99999999), }", ""),
         "too large");
  broken(npy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", ""),
         "no dimension");
  CHECK_THROWS_WITH(npy::load("no/such/file.npy"), Contains("no/such/file.npy"));
  CHECK_THROWS_WITH(npy::save("no/such/folder/x.npy", Tensor()),
                    Contains("cannot be written: No such file or directory"));
}

TEST_CASE("npy survives every byte flip and truncation", "[import]") {
  auto rng = test::make_rng(1);
  const std::string good = npy::serialize(counting<int32_t>({3, 4}));
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = good;
    bytes[static_cast<size_t>(test::uniform(rng, 0, 150) % static_cast<int64_t>(bytes.size()))] =
        static_cast<char>(test::uniform(rng, 0, 255));
    if (test::one_in(rng, 4)) bytes.resize(static_cast<size_t>(test::uniform(rng, 0, 170)));
    try {
      npy::parse(bytes, "flipped");
    } catch (const Error&) {
    }
  }
}

TEST_CASE("onnx reads nodes, attributes, initializers and ports", "[import]") {
  const onnx::Model model = test::small_conv_model().parse();
  CHECK(model.opset == 13);
  REQUIRE(model.nodes.size() == 8);
  REQUIRE(model.inputs.size() == 1);
  CHECK(model.inputs[0].type == DataType::F32);
  CHECK(model.inputs[0].shape[3].value == 6);
  CHECK(model.outputs[0].name == "y");
  for (const onnx::Node& node : model.nodes) {
    if (node.op_type != "Conv") continue;
    CHECK(node.label() == "'conv' (Conv)");
    CHECK(std::get<std::vector<int64_t>>(node.attributes.at("pads")).size() == 4);
  }
}

TEST_CASE("onnx reads data from typed fields as from raw bytes", "[import]") {
  auto builder = test::small_conv_model();
  auto* tensor = builder.proto().mutable_graph()->add_initializer();
  tensor->set_name("typed");
  tensor->set_data_type(::onnx::TensorProto::INT8);
  tensor->add_dims(2);
  tensor->add_int32_data(-5);
  tensor->add_int32_data(7);
  const onnx::Model model = builder.parse();
  CHECK(model.initializers.at("typed") == Tensor(Shape{2}, std::vector<int8_t>{-5, 7}));
}

TEST_CASE("onnx sorts nodes that stand in any order", "[import]") {
  auto builder = test::small_conv_model();
  auto* nodes = builder.proto().mutable_graph()->mutable_node();
  std::reverse(nodes->begin(), nodes->end());
  CHECK_NOTHROW(graph::build(builder.parse()));
}

TEST_CASE("onnx refuses what is no complete model, naming the file", "[import]") {
  const auto broken = [](const std::string& bytes, const std::string& text) {
    CHECK_THROWS_WITH(onnx::parse(bytes.data(), bytes.size(), "m.onnx"),
                      Contains("m.onnx") && Contains(text));
  };
  const std::string good = test::small_conv_model().bytes();
  broken("", "not a complete ONNX model");
  broken("hello, this is text", "not a complete ONNX model");
  broken(good.substr(0, good.size() / 2), "not a complete ONNX model");
  CHECK_THROWS_WITH(onnx::load("no/such/model.onnx"), Contains("no/such/model.onnx"));
}

TEST_CASE("onnx names the tensor whose data does not match its shape", "[import]") {
  auto builder = test::small_conv_model();
  builder.proto().mutable_graph()->mutable_initializer(2)->add_dims(3);
  CHECK_THROWS_WITH(builder.parse(), Contains("initializer 'c2'") && Contains("does not match"));
  builder = test::small_conv_model();
  auto* tensor = builder.proto().mutable_graph()->mutable_initializer(2);
  tensor->add_dims(int64_t{1} << 40);
  tensor->add_dims(int64_t{1} << 40);
  CHECK_THROWS_WITH(builder.parse(), Contains("too large"));
  tensor->set_dims(0, -4);
  CHECK_THROWS_WITH(builder.parse(), Contains("negative dimension"));
}

TEST_CASE("onnx refuses cycles and tensors written twice", "[import]") {
  test::ModelBuilder cycle;
  cycle.output("a", DataType::F32, {1});
  cycle.node("Relu", {"b"}, "a");
  cycle.node("Relu", {"a"}, "b");
  CHECK_THROWS_WITH(cycle.parse(), Contains("cycle") && Contains("(Relu)"));
  auto twice = test::small_conv_model();
  twice.node("Relu", {"x"}, "conv");
  CHECK_THROWS_WITH(twice.parse(), Contains("'conv' is written twice"));
}

TEST_CASE("onnx refuses external data", "[import]") {
  auto builder = test::small_conv_model();
  builder.proto().mutable_graph()->mutable_initializer(0)->set_data_location(
      ::onnx::TensorProto::EXTERNAL);
  CHECK_THROWS_WITH(builder.parse(), Contains("in another file"));
}

TEST_CASE("a flipped or cut model is read, built or refused, never a crash", "[import]") {
  auto rng = test::make_rng(2);
  const std::string good = test::small_conv_model().bytes();
  const auto last = static_cast<int64_t>(good.size()) - 1;
  int built = 0;
  int refused = 0;
  for (int i = 0; i < 6000; ++i) {
    std::string bytes = good;
    for (int64_t flips = test::uniform(rng, 1, 3); flips > 0; --flips) {
      bytes[static_cast<size_t>(test::uniform(rng, 0, last))] =
          static_cast<char>(test::uniform(rng, 0, 255));
    }
    if (test::one_in(rng, 10)) bytes.resize(static_cast<size_t>(test::uniform(rng, 0, last)));
    try {
      graph::build(onnx::parse(bytes.data(), bytes.size(), "flipped"));
      ++built;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(built > 0);
  CHECK(refused > 0);
}

}  // namespace systole
