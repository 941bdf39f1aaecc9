// Writes small ONNX models for tests: serialized, so that they take the path of a user's file.
#pragma once

#include <onnx/onnx_pb.h>

#include <map>
#include <string>
#include <vector>

#include "host/graph/graph.hpp"
#include "host/import/model.hpp"

namespace systole::test {

class ModelBuilder {
 public:
  explicit ModelBuilder(int64_t opset = 13) {
    model_.set_ir_version(8);
    auto* import = model_.add_opset_import();
    import->set_domain("");
    import->set_version(opset);
    auto* microsoft = model_.add_opset_import();
    microsoft->set_domain("com.microsoft");
    microsoft->set_version(1);
    model_.mutable_graph()->set_name("test");
  }

  // A negative dimension is symbolic, "N".
  std::string input(const std::string& name, DataType type, const Shape& shape) {
    describe(model_.mutable_graph()->add_input(), name, type, shape);
    return name;
  }
  void output(const std::string& name, DataType type, const Shape& shape) {
    describe(model_.mutable_graph()->add_output(), name, type, shape);
  }

  std::string constant(const Tensor& tensor, std::string name = "") {
    if (name.empty()) name = "c" + std::to_string(next_++);
    auto* proto = model_.mutable_graph()->add_initializer();
    proto->set_name(name);
    write(proto, tensor);
    return name;
  }
  template <typename T>
  std::string vector(const std::vector<T>& values) {
    return constant(Tensor(Shape{static_cast<int64_t>(values.size())}, values));
  }
  template <typename T>
  std::string scalar(T value) {
    return constant(Tensor(Shape{}, std::vector<T>{value}));
  }

  // Adds a node and returns the name of its output, which is `name` too; further outputs are
  // name_1, name_2 ...
  std::string node(const std::string& op_type, const std::vector<std::string>& inputs,
                   const std::string& name,
                   const std::map<std::string, onnx::Attribute>& attributes = {},
                   const std::string& domain = "", int outputs = 1) {
    auto* proto = model_.mutable_graph()->add_node();
    proto->set_op_type(op_type);
    proto->set_domain(domain);
    proto->set_name(name);
    for (const std::string& input : inputs) proto->add_input(input);
    proto->add_output(name);
    for (int i = 1; i < outputs; ++i) proto->add_output(name + "_" + std::to_string(i));
    for (const auto& [key, value] : attributes) set(proto->add_attribute(), key, value);
    return name;
  }

  // QuantizeLinear and DequantizeLinear with s8 or u8 zero points.
  template <typename T>
  std::string quantize(const std::string& x, float scale, T zero_point, const std::string& name) {
    return node("QuantizeLinear", {x, scalar(scale), scalar(zero_point)}, name);
  }
  template <typename T>
  std::string dequantize(const std::string& x, float scale, T zero_point, const std::string& name) {
    return node("DequantizeLinear", {x, scalar(scale), scalar(zero_point)}, name);
  }
  // Constant integers through DequantizeLinear, per tensor.
  std::string weights(const Tensor& integers, float scale, const std::string& name) {
    return node("DequantizeLinear",
                {constant(integers), scalar(scale), constant(Tensor(integers.type(), {}))}, name);
  }

  static ::onnx::TensorProto tensor_proto(const Tensor& tensor) {
    ::onnx::TensorProto proto;
    write(&proto, tensor);
    return proto;
  }

  ::onnx::ModelProto& proto() { return model_; }
  std::string bytes() const { return model_.SerializeAsString(); }
  onnx::Model parse(const std::string& file = "test.onnx") const {
    const std::string serialized = bytes();
    return onnx::parse(serialized.data(), serialized.size(), file);
  }
  graph::Graph build(const graph::Tensors& inputs = {}) const {
    return graph::build(parse(), inputs);
  }

 private:
  static int onnx_type(DataType type) {
    using Proto = ::onnx::TensorProto;
    switch (type) {
      case DataType::F32:
        return Proto::FLOAT;
      case DataType::S8:
        return Proto::INT8;
      case DataType::U8:
        return Proto::UINT8;
      case DataType::S32:
        return Proto::INT32;
      case DataType::S64:
        return Proto::INT64;
    }
    return Proto::UNDEFINED;
  }

  static void write(::onnx::TensorProto* proto, const Tensor& tensor) {
    proto->set_data_type(onnx_type(tensor.type()));
    for (int64_t dim : tensor.shape()) proto->add_dims(dim);
    proto->set_raw_data(tensor.bytes().data(), tensor.bytes().size());
  }

  static void describe(::onnx::ValueInfoProto* info, const std::string& name, DataType type,
                       const Shape& shape) {
    info->set_name(name);
    auto* tensor = info->mutable_type()->mutable_tensor_type();
    tensor->set_elem_type(onnx_type(type));
    tensor->mutable_shape();
    for (int64_t dim : shape) {
      auto* proto = tensor->mutable_shape()->add_dim();
      if (dim < 0) {
        proto->set_dim_param("N");
      } else {
        proto->set_dim_value(dim);
      }
    }
  }

  static void set(::onnx::AttributeProto* proto, const std::string& name,
                  const onnx::Attribute& value) {
    using Proto = ::onnx::AttributeProto;
    proto->set_name(name);
    if (const auto* integer = std::get_if<int64_t>(&value)) {
      proto->set_type(Proto::INT);
      proto->set_i(*integer);
    } else if (const auto* number = std::get_if<float>(&value)) {
      proto->set_type(Proto::FLOAT);
      proto->set_f(*number);
    } else if (const auto* text = std::get_if<std::string>(&value)) {
      proto->set_type(Proto::STRING);
      proto->set_s(*text);
    } else if (const auto* integers = std::get_if<std::vector<int64_t>>(&value)) {
      proto->set_type(Proto::INTS);
      for (int64_t i : *integers) proto->add_ints(i);
    } else if (const auto* floats = std::get_if<std::vector<float>>(&value)) {
      proto->set_type(Proto::FLOATS);
      for (float f : *floats) proto->add_floats(f);
    } else if (const auto* tensor = std::get_if<Tensor>(&value)) {
      proto->set_type(Proto::TENSOR);
      write(proto->mutable_t(), *tensor);
    }
  }

  ::onnx::ModelProto model_;
  int next_ = 0;
};

// One quantized convolution with everything around it, as exporters write it:
// x f32 -> Q -> DQ -> Conv (s8 weights, s32 bias) -> Relu -> Q -> DQ -> y f32.
inline ModelBuilder small_conv_model() {
  ModelBuilder b;
  b.input("x", DataType::F32, {1, 2, 5, 6});
  const auto x = b.dequantize(b.quantize<int8_t>("x", 0.05f, 3, "xq"), 0.05f, int8_t{3}, "xd");
  Tensor w(DataType::S8, {4, 2, 3, 3});
  for (int64_t i = 0; i < w.size(); ++i) w.data<int8_t>()[i] = static_cast<int8_t>(i * 37 % 251);
  const auto weights = b.weights(w, 0.01f, "wd");
  const Tensor bias(Shape{4}, std::vector<int32_t>{100, -2000, 30, 7});
  const auto bd = b.weights(bias, 0.05f * 0.01f, "bd");
  const auto conv =
      b.node("Conv", {x, weights, bd}, "conv", {{"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  const auto relu = b.node("Relu", {conv}, "relu");
  const auto y = b.quantize<int8_t>(relu, 0.1f, -128, "yq");
  b.dequantize<int8_t>(y, 0.1f, -128, "y");
  b.output("y", DataType::F32, {1, 4, 5, 6});
  return b;
}

}  // namespace systole::test
