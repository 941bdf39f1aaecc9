// What is wrong with a model is said in one line: what, where, what was expected. Broken on
// purpose, one thing at a time; tests/host/untrusted_test.cpp breaks them at random.
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>

#include "host/command/error.hpp"
#include "host/compile/compiled_model.hpp"
#include "host/import/npy.hpp"
#include "tests/host/sample_models.hpp"

namespace systole {
namespace {

using Catch::Matchers::Contains;
using test::Ints;
using test::ModelBuilder;
using test::scattered;
using Attributes = std::map<std::string, onnx::Attribute>;

/// The words of a refusal by the importer, the graph or the compiler, in one line.
std::string refusal(const ModelBuilder& b, const graph::Tensors& inputs = {}) {
  try {
    compile::compile(b.build(inputs), chip_config("tiny"));
  } catch (const Error& error) {
    const std::string text = error.what();
    CHECK_FALSE(error.where().empty());
    CHECK(text.find('\n') == std::string::npos);
    return text;
  }
  FAIL_CHECK("not refused");
  return "";
}

void refuse(const ModelBuilder& b, const std::string& place, const std::string& problem,
            const graph::Tensors& inputs = {}) {
  CHECK_THAT(refusal(b, inputs), Contains(place) && Contains(problem));
}

/// x f32 -> `op` with more inputs -> y.
ModelBuilder model_of(const std::string& op, const Shape& shape, const Attributes& attributes = {},
                      DataType type = DataType::F32) {
  ModelBuilder b;
  b.input("x", type, shape);
  b.node(op, {"x"}, "y", attributes);
  b.output("y", type, {});
  return b;
}

/// The same with further inputs that are constants.
ModelBuilder model_of(const std::string& op, const Shape& shape, DataType type,
                      const std::vector<Tensor>& constants, const Attributes& attributes = {}) {
  ModelBuilder b;
  b.input("x", type, shape);
  std::vector<std::string> inputs = {"x"};
  for (const Tensor& constant : constants) inputs.push_back(b.constant(constant));
  b.node(op, inputs, "y", attributes);
  b.output("y", type, {});
  return b;
}

Tensor ints(const Ints& values) { return Tensor(Shape{int64_t(values.size())}, values); }

}  // namespace

// ------------------------------------------------------------------------------------------ model

TEST_CASE("a model without a graph, outputs or an operator set it knows is refused",
          "[bad_input]") {
  ModelBuilder b = test::small_conv_model();
  b.proto().mutable_opset_import()->DeleteSubrange(0, 1);
  refuse(b, "test.onnx", "names no operator set");
  for (const int64_t version : {int64_t{0}, int64_t{-1}, int64_t{26}, int64_t{1} << 40}) {
    refuse(ModelBuilder(version), "test.onnx", "not a complete ONNX model");
    b = test::small_conv_model();
    b.proto().mutable_opset_import(0)->set_version(version);
    refuse(b, "test.onnx", "unsupported operator set: expected version 1 to 25");
  }
  b = test::small_conv_model();
  b.proto().add_opset_import()->set_version(9);
  refuse(b, "test.onnx", "two operator sets");
  b = test::small_conv_model();
  b.proto().clear_graph();
  refuse(b, "test.onnx", "no graph");
  b = test::small_conv_model();
  b.proto().mutable_graph()->clear_output();
  refuse(b, "test.onnx", "no outputs");
  b = test::small_conv_model();
  b.proto().mutable_graph()->clear_node();
  refuse(b, "output 'y'", "nothing writes the output");
}

TEST_CASE("names that are there twice, or none, are refused", "[bad_input]") {
  ModelBuilder b = test::small_conv_model();
  *b.proto().mutable_graph()->add_input() = b.proto().graph().input(0);
  refuse(b, "test.onnx", "input 'x' has no name of its own");
  b = test::small_conv_model();
  *b.proto().mutable_graph()->add_output() = b.proto().graph().output(0);
  refuse(b, "test.onnx", "output 'y' has no name of its own");
  b = test::small_conv_model();
  *b.proto().mutable_graph()->add_initializer() = b.proto().graph().initializer(1);
  refuse(b, "initializer 'c1'", "there twice");
  b = test::small_conv_model();
  b.proto().mutable_graph()->mutable_input(0)->clear_name();
  refuse(b, "test.onnx", "input '' has no name of its own");
  b = test::small_conv_model();
  b.proto().mutable_graph()->mutable_node(2)->clear_output();
  refuse(b, "node", "node has no output");
}

TEST_CASE("names that would break a message or a report are refused", "[bad_input]") {
  const std::string bad[] = {
      "a\nb",     std::string("a\0b", 3), "\x7f",     "\xff",
      "\xc0\x80", "\xed\xa0\x80",         "\xe2\x82", std::string(1001, 'a')};
  for (const std::string& name : bad) {
    ModelBuilder b = model_of("Relu", {4});
    b.proto().mutable_graph()->mutable_node(0)->set_name(name);
    refuse(b, "(Relu)", "a name is no text");
    b = model_of("Relu", {4});
    b.proto().mutable_graph()->mutable_node(0)->set_op_type(name);
    refuse(b, "node 'y'", "a name is no text");
    b = model_of("Relu", {4});
    b.proto().mutable_graph()->mutable_input(0)->set_name(name);
    refuse(b, "an input", "a name is no text");
    b = test::small_conv_model();
    b.proto().mutable_graph()->mutable_initializer(0)->set_name(name);
    refuse(b, "initializer", "a name is no text");
    refuse(model_of("AveragePool", {1, 1, 4, 4}, {{"auto_pad", name}}), "'auto_pad'",
           "a name is no text");
  }
  ModelBuilder fine = model_of("Relu", {4});
  fine.proto().mutable_graph()->mutable_node(0)->set_name(
      "couche/relu:0 \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK_NOTHROW(fine.build());
}

TEST_CASE("a missing initializer is named with the node that reads it", "[bad_input]") {
  ModelBuilder b = test::small_conv_model();
  b.proto().mutable_graph()->mutable_initializer()->DeleteSubrange(4, 1);
  refuse(b, "node '", "a tensor that nothing writes");
}

TEST_CASE("cycles are refused, however they are made", "[bad_input]") {
  ModelBuilder own;
  own.output("a", DataType::F32, {1});
  own.node("Relu", {"a"}, "a");
  refuse(own, "'a' (Relu)", "cycle");
  ModelBuilder b = test::small_conv_model();
  for (auto& node : *b.proto().mutable_graph()->mutable_node())
    if (node.op_type() == "Conv") node.set_input(0, "relu");
  refuse(b, "node '", "cycle");
  // One that no output needs.
  ModelBuilder aside = model_of("Relu", {4});
  aside.node("Add", {"p", "q"}, "q");
  refuse(aside, "'q' (Add)", "cycle");
}

TEST_CASE("subgraphs, strings and sparse tensors are refused where they are used", "[bad_input]") {
  ModelBuilder branch = model_of("If", {1});
  auto* attribute = branch.proto().mutable_graph()->mutable_node(0)->add_attribute();
  attribute->set_name("then_branch");
  attribute->set_type(::onnx::AttributeProto::GRAPH);
  *attribute->mutable_g() = branch.proto().graph();
  refuse(branch, "'y' (If)", "operator If is not supported");

  ModelBuilder text;
  auto* words = text.proto().mutable_graph()->add_initializer();
  words->set_name("words");
  words->set_data_type(::onnx::TensorProto::STRING);
  words->add_string_data("word");
  text.node("Identity", {"words"}, "y");
  text.output("y", DataType::F32, {});
  refuse(text, "'y' (Identity)", "got string");

  ModelBuilder sparse = model_of("Add", {4});
  auto* values = sparse.proto().mutable_graph()->add_sparse_initializer()->mutable_values();
  values->set_name("s");
  sparse.proto().mutable_graph()->mutable_node(0)->add_input("s");
  refuse(sparse, "'y' (Add)", "got sparse");

  ModelBuilder constant = model_of("Constant", {1});
  auto* value = constant.proto().mutable_graph()->mutable_node(0)->add_attribute();
  value->set_name("value");
  value->set_type(::onnx::AttributeProto::TENSOR);
  value->mutable_t()->set_data_type(::onnx::TensorProto::DOUBLE);
  refuse(constant, "'y' (Constant), attribute 'value'", "got float64");
}

TEST_CASE("attributes of another kind are refused with their node", "[bad_input]") {
  const std::pair<const char*, Attributes> cases[] = {
      {"Flatten", {{"axis", 1.0f}}},
      {"Transpose", {{"perm", int64_t{1}}}},
      {"Transpose", {{"perm", std::string("10")}}},
      {"Softmax", {{"axis", Ints{1}}}},
      {"LeakyRelu", {{"alpha", int64_t{1}}}},
      {"MaxPool", {{"kernel_shape", std::vector<float>{2, 2}}}},
      {"MaxPool", {{"kernel_shape", Ints{2, 2}}, {"auto_pad", int64_t{1}}}},
      {"ReduceMean", {{"axes", std::vector<float>{1}}}}};
  for (const auto& [op, attributes] : cases) {
    INFO(op);
    refuse(model_of(op, {1, 1, 4, 4}, attributes), op, "has the wrong type");
  }
  refuse(model_of("Cast", {4}, {{"to", int64_t{99}}}, DataType::S8), "(Cast)", "ONNX type 99");
  refuse(model_of("Add", {4}, DataType::F32, {Tensor(DataType::F32, {4})}, {{"axis", int64_t{0}}}),
         "(Add)", "attribute 'axis'");
}

// ------------------------------------------------------------------------------------- dimensions

TEST_CASE("absurd dimensions of inputs are refused at once", "[bad_input]") {
  refuse(model_of("Relu", {int64_t{1} << 40}), "input 'x'", "too large");
  refuse(model_of("Relu", {int64_t{1} << 20, int64_t{1} << 20}), "input 'x'", "too large");
  refuse(model_of("Relu", {std::numeric_limits<int64_t>::max(), 2}), "input 'x'", "too large");
  // What a tensor may have, but not a network.
  refuse(model_of("Relu", {int64_t{1} << 28}), "'x'", "too large to be compiled");
  ModelBuilder negative = model_of("Relu", {4});
  negative.proto()
      .mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->mutable_shape()
      ->mutable_dim(0)
      ->set_dim_value(-4);
  refuse(negative, "input 'x'", "dimension is dynamic");
  ModelBuilder shapeless = model_of("Relu", {4});
  shapeless.proto()
      .mutable_graph()
      ->mutable_input(0)
      ->mutable_type()
      ->mutable_tensor_type()
      ->clear_shape();
  refuse(shapeless, "input 'x'", "does not say the input's shape");
}

TEST_CASE("what has no elements is moved, but not computed with", "[bad_input]") {
  for (const char* op : {"Softmax", "ReduceMean", "Sigmoid", "LeakyRelu", "ArgMax"})
    refuse(model_of(op, {2, 0}), op, "has no elements");
  refuse(model_of("GlobalAveragePool", {1, 0, 2, 2}), "GlobalAveragePool", "has no elements");
  refuse(model_of("Add", {0, 3}, DataType::F32, {Tensor(DataType::F32, {3})}), "(Add)",
         "has no elements");
  // Weights of no channels.
  ModelBuilder b;
  const auto x = test::quantized_input(b, "x", {1, 3, 4, 4});
  test::quantized_output(
      b, b.node("Conv", {x, b.weights(Tensor(DataType::S8, {0, 3, 1, 1}), 1.0f, "w")}, "conv"), {});
  refuse(b, "'conv' (Conv)", "has no elements");
  ModelBuilder none;
  none.input("x", DataType::S8, {2, 3});
  none.node(
      "QLinearMatMul",
      {"x", none.scalar(1.0f), none.scalar<int8_t>(0), none.constant(Tensor(DataType::S8, {3, 0})),
       none.scalar(1.0f), none.scalar<int8_t>(0), none.scalar(1.0f), none.scalar<int8_t>(0)},
      "y");
  none.output("y", DataType::S8, {});
  refuse(none, "'y' (QLinearMatMul)", "has no elements");
  CHECK_NOTHROW(compile::compile(model_of("Transpose", {2, 0}, {}, DataType::S8).build(),
                                 chip_config("tiny")));
  // A Concat of nothing with nothing, all of it known.
  ModelBuilder joined;
  const auto empty = joined.constant(Tensor(DataType::S8, {0, 2}));
  joined.node("Concat", {empty, empty}, "y", {{"axis", int64_t{1}}});
  joined.output("y", DataType::S8, {0, 4});
  CHECK_NOTHROW(joined.build());
}

TEST_CASE("windows and selections out of bounds are refused", "[bad_input]") {
  const auto pool = [](const Attributes& more) {
    Attributes all = {{"kernel_shape", Ints{2, 2}}};
    for (const auto& [name, value] : more) all.insert_or_assign(name, value);
    return model_of("MaxPool", {1, 1, 4, 4}, all);
  };
  const int64_t huge = int64_t{1} << 40;
  refuse(pool({{"kernel_shape", Ints{0, 2}}}), "(MaxPool)", "out of range");
  refuse(pool({{"kernel_shape", Ints{huge, huge}}}), "(MaxPool)", "out of range");
  refuse(pool({{"kernel_shape", Ints{5, 1}}}), "(MaxPool)", "larger than the padded input");
  refuse(pool({{"strides", Ints{0, 1}}}), "(MaxPool)", "out of range");
  refuse(pool({{"dilations", Ints{1, -1}}}), "(MaxPool)", "out of range");
  refuse(pool({{"pads", Ints{-1, 0, 0, 0}}}), "(MaxPool)", "out of range");
  refuse(pool({{"pads", Ints{1, 0, 0}}}), "(MaxPool)", "wrong length");

  const auto pad = [](const Ints& pads) {
    return model_of("Pad", {4}, DataType::F32, {ints(pads)});
  };
  const int64_t least = std::numeric_limits<int64_t>::min();
  refuse(pad({least, 0}), "(Pad)", "pads are out of range");
  refuse(pad({0, std::numeric_limits<int64_t>::max()}), "(Pad)", "pads are out of range");
  refuse(pad({-3, -2}), "(Pad)", "leave nothing");
  refuse(pad({1}), "(Pad)", "do not fit the axes");
  const auto split = [](const Ints& sizes) {
    ModelBuilder b;
    b.input("x", DataType::S8, {4});
    b.node("Split", {"x", b.vector(sizes)}, "y", {}, "", 2);
    b.output("y", DataType::S8, {});
    b.output("y_1", DataType::S8, {});
    return b;
  };
  refuse(split({-1, 5}), "(Split)", "parts do not fit");
  refuse(split({least, 4}), "(Split)", "parts do not fit");
  refuse(split({4, 1}), "(Split)", "parts do not fit");
  refuse(model_of("Gather", {4}, DataType::S8, {ints({4})}), "(Gather)", "index is out of range");
  refuse(model_of("Slice", {4}, DataType::S8, {ints({0}), ints({4}), ints({0}), ints({0})}),
         "(Slice)", "step 0");
  // Maps of indices are kept for each element of an axis.
  refuse(model_of("Slice", {int64_t{1} << 25}, DataType::S8, {ints({0}), ints({4})}), "(Slice)",
         "too long for a selection");
  const auto repeated = model_of("Reshape", {4}, DataType::S8, {ints({-1, -1})});
  refuse(repeated, "(Reshape)", "does not fit");
}

TEST_CASE("scales and coordinates of Resize that are no numbers are refused", "[bad_input]") {
  const auto resize = [](float scale, const Attributes& attributes = {}, float roi = 0.0f) {
    return model_of("Resize", {4}, DataType::F32,
                    {Tensor(Shape{2}, std::vector<float>{roi, 1.0f}),
                     Tensor(Shape{1}, std::vector<float>{scale})},
                    attributes);
  };
  for (const float scale :
       {0.0f, -1.0f, std::nanf(""), 1e30f, 1e8f, std::numeric_limits<float>::infinity()}) {
    refuse(resize(scale), "(Resize)", "out of range");
  }
  refuse(resize(2.0f, {{"coordinate_transformation_mode", std::string("tf_crop_and_resize")}},
                std::nanf("")),
         "(Resize)", "'roi' is NaN");
  refuse(model_of("Resize", {4}, DataType::F32, {Tensor(DataType::F32, {0}), ints({2})}),
         "(Resize)", "scales have the wrong type");
}

// ---------------------------------------------------------------------------------------- numbers

TEST_CASE("scales that are no scales are refused in every form", "[bad_input]") {
  for (const float scale : {0.0f, -0.5f, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    ModelBuilder b;
    b.input("x", DataType::S8, {1, 4});
    const auto s = b.scalar(scale), one = b.scalar(1.0f), z = b.scalar<int8_t>(0);
    b.node("QLinearAdd", {"x", one, z, "x", s, z, one, z}, "sum", {}, test::kMicrosoft);
    b.output("sum", DataType::S8, {});
    refuse(b, "'sum' (QLinearAdd)", "finite and positive");
    // Computed in the model.
    ModelBuilder moved;
    moved.input("x", DataType::F32, {4});
    moved.node("Reshape",
               {moved.vector<float>({scale}), moved.constant(Tensor(DataType::S64, {0}))}, "scale");
    moved.node("QuantizeLinear", {"x", "scale"}, "y");
    moved.output("y", DataType::U8, {4});
    refuse(moved, "'y' (QuantizeLinear)", "finite and positive");
  }
}

TEST_CASE("constants that no integer stands for are refused", "[bad_input]") {
  const auto cast = [](float value, int64_t to) {
    ModelBuilder b;
    b.node("Cast", {b.vector<float>({value})}, "y", {{"to", to}});
    b.output("y", DataType::S32, {1});
    return b;
  };
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float value : {std::nanf(""), infinity, -infinity, 1e20f, -1e20f})
    for (const int64_t to : {2, 3, 6, 7}) refuse(cast(value, to), "'y' (Cast)", "does not fit");
  refuse(cast(128.0f, 3), "'y' (Cast)", "does not fit");
  refuse(cast(-1.0f, 2), "'y' (Cast)", "does not fit");
  refuse(cast(0x1p31f, 6), "'y' (Cast)", "does not fit");
  refuse(cast(0x1p63f, 7), "'y' (Cast)", "does not fit");
  const std::tuple<float, int64_t, int64_t> fine[] = {
      {127.9f, 3, 127},
      {-128.9f, 3, -128},
      {255.5f, 2, 255},
      {-0.9f, 2, 0},
      {-0x1p31f, 6, -(int64_t{1} << 31)},
      {-0x1p63f, 7, std::numeric_limits<int64_t>::min()}};
  for (const auto& [value, to, integer] : fine) {
    const graph::Graph graph = cast(value, to).build();
    REQUIRE(graph.nodes.size() == 1);
    CHECK(graph.value(graph.nodes[0].inputs[0]).constant->integer(0) == integer);
  }
}

TEST_CASE("bounds of Clip that are NaN are refused", "[bad_input]") {
  refuse(model_of("Clip", {4}, DataType::S8, {}, {{"min", std::nanf("")}}), "(Clip)", "NaN");
  refuse(model_of("Clip", {4}, DataType::F32, {Tensor(Shape{}, std::vector<float>{std::nanf("")})}),
         "(Clip)", "NaN");
}

TEST_CASE("two QDQ pairs whose ranges share nothing but 0 stay as they are", "[bad_input]") {
  ModelBuilder b;
  b.input("x", DataType::F32, {4});
  const auto d = b.dequantize<uint8_t>(b.quantize<uint8_t>("x", 1.0f, 0, "q"), 1.0f, 0, "d");
  b.dequantize<uint8_t>(b.quantize<uint8_t>(d, 1.0f, 255, "q2"), 1.0f, 255, "y");
  b.output("y", DataType::F32, {4});
  CHECK_NOTHROW(b.build());
}

// ------------------------------------------------------------------------------------------- size

TEST_CASE("networks that nobody could wait for are refused at once, with the largest node",
          "[bad_input]") {
  ModelBuilder b;
  const auto x = test::quantized_input(b, "x", {1 << 12, 1 << 13});
  const auto z = test::quantized_input(b, "z", {1 << 13, 1 << 10});
  test::quantized_output(b, b.node("MatMul", {x, z}, "product"), {});
  refuse(b, "too large to be compiled", "x");
  refuse(model_of("MaxPool", {1, 1, 2000, 2000}, {{"kernel_shape", Ints{1000, 1000}}}), "tensor y",
         "elements of windows");
}

TEST_CASE("a chain of Dropouts takes no time that doubles with each", "[bad_input]") {
  ModelBuilder b;
  const auto x = test::quantized_input(b, "x", {1, 8});
  b.node("MatMul", {x, b.weights(scattered<int8_t>({8, 4}), 0.01f, "w")}, "d0");
  for (int i = 0; i < 60; ++i) {
    const std::string from = "d" + std::to_string(i);
    b.node("Dropout", {from, from}, "d" + std::to_string(i + 1));
  }
  b.output("d60", DataType::F32, {1, 4});
  CHECK_NOTHROW(b.build());
}

TEST_CASE("inputs and outputs that are left out are no tensor that leads in a circle",
          "[bad_input]") {
  ModelBuilder b = model_of("Relu", {4});
  b.node("Identity", {""}, "");
  b.node("QuantizeLinear", {"x", ""}, "q");
  CHECK(graph::parameter_inputs(b.parse()).empty());
  ModelBuilder product;
  const auto x = test::quantized_input(product, "x", {1, 8});
  product.node("MatMul", {x, product.weights(scattered<int8_t>({8, 4}), 0.01f, "w")}, "y");
  product.node("Identity", {"y"}, "");
  product.node("Identity", {""}, "");
  product.output("y", DataType::F32, {1, 4});
  CHECK_NOTHROW(product.build());
}

// ----------------------------------------------------------------------------------------- arrays

TEST_CASE("tensors of an ONNX file are read whole or refused with its name", "[bad_input]") {
  const ::onnx::TensorProto good = ModelBuilder::tensor_proto(scattered<int32_t>({2, 3}));
  CHECK(onnx::parse_tensor_proto(good.SerializeAsString(), "x.pb") == scattered<int32_t>({2, 3}));
  const auto refused = [](const std::string& bytes, const std::string& problem) {
    CHECK_THROWS_WITH(onnx::parse_tensor_proto(bytes, "x.pb"),
                      Contains("x.pb") && Contains(problem));
  };
  const std::string bytes = good.SerializeAsString();
  for (std::size_t size = 0; size < bytes.size(); ++size) refused(bytes.substr(0, size), "");
  ::onnx::TensorProto bad = good;
  bad.set_dims(0, 3);
  refused(bad.SerializeAsString(), "does not match its shape");
  bad.set_dims(0, int64_t{1} << 40);
  refused(bad.SerializeAsString(), "too large");
  bad.set_dims(0, -1);
  refused(bad.SerializeAsString(), "negative dimension");
  bad = good;
  bad.set_data_type(::onnx::TensorProto::STRING);
  refused(bad.SerializeAsString(), "got string");
  bad = good;
  bad.set_data_location(::onnx::TensorProto::EXTERNAL);
  refused(bad.SerializeAsString(), "in another file");
}

TEST_CASE("elements that their type does not have are refused", "[bad_input]") {
  ::onnx::TensorProto proto;
  proto.set_data_type(::onnx::TensorProto::INT8);
  proto.add_dims(2);
  proto.add_int32_data(-128);
  proto.add_int32_data(128);
  CHECK_THROWS_WITH(
      onnx::parse_tensor_proto(proto.SerializeAsString(), "x.pb"),
      Contains("x.pb") && Contains("element 1") && Contains("int8") && Contains("got 128"));
  proto.set_data_type(::onnx::TensorProto::UINT8);
  CHECK_THROWS_WITH(onnx::parse_tensor_proto(proto.SerializeAsString(), "x.pb"),
                    Contains("element 0") && Contains("uint8") && Contains("got -128"));
}

TEST_CASE("an .npy that is cut anywhere is refused with its name", "[bad_input]") {
  const std::string bytes = npy::serialize(scattered<int32_t>({2, 3}));
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    INFO(size);
    CHECK_THROWS_WITH(npy::parse(bytes.substr(0, size), "x.npy"), Contains("x.npy"));
  }
}

TEST_CASE("inputs of another name, count, shape or type are refused", "[bad_input]") {
  const ModelBuilder b = test::attention_model();
  const onnx::Model model = b.parse();
  const graph::Graph graph = b.build();
  const graph::Tensors good = {{"x", scattered<float>({2, 5, 8})},
                               {"z", scattered<float>({2, 8, 6})},
                               {"v", scattered<float>({6})}};
  CHECK_NOTHROW(graph::check_inputs(graph, model, good));
  const auto refused = [&](const graph::Tensors& inputs, const std::string& place,
                           const std::string& problem) {
    CHECK_THROWS_WITH(graph::check_inputs(graph, model, inputs),
                      Contains(place) && Contains(problem));
  };
  graph::Tensors bad = good;
  bad.erase("z");
  refused(bad, "'z'", "missing");
  bad = good;
  bad["x"] = scattered<float>({2, 8, 5});
  refused(bad, "'x'", "wrong input");
  bad["x"] = scattered<float>({2, 40});
  refused(bad, "'x'", "wrong input");
  bad["x"] = scattered<int8_t>({2, 5, 8});
  refused(bad, "'x'", "wrong input");
  bad = good;
  bad["extra"] = scattered<float>({1});
  CHECK_THROWS_WITH(b.build(bad), Contains("no input 'extra'"));
}

}  // namespace systole
