// An ONNX model as read: nodes, initializers, inputs and outputs under their ONNX names, nothing
// interpreted. host/graph turns it into a graph that can be compiled.
//
// Every index and length in the file has been checked: a model that was returned is well formed as
// a data structure (types, sizes, unique names, no cycle), though its operators may be unsupported.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "host/import/tensor.hpp"

namespace systole::onnx {

using Attribute =
    std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>, Tensor>;

struct Node {
  std::string name;  // "" in many models: use label()
  std::string op_type;
  std::string domain;
  std::vector<std::string> inputs;  // "" is an omitted optional input
  std::vector<std::string> outputs;
  std::map<std::string, Attribute> attributes;

  // For messages: the name where there is one, else the first output; always the operator.
  std::string label() const;
};

// A dimension is a number, or symbolic ("N") or unknown (""), both bound by an input tensor.
struct Dimension {
  int64_t value = -1;
  std::string symbol;
  bool is_static() const { return value >= 0; }
};

struct Port {
  std::string name;
  std::optional<DataType> type;  // none: a type outside DataType (named in type_name)
  std::string type_name;
  bool has_shape = false;
  std::vector<Dimension> shape;
};

struct Model {
  std::string file;
  int64_t opset = 0;         // of the default domain
  std::vector<Node> nodes;   // in an order of execution
  std::vector<Port> inputs;  // may include initializers: those are defaults
  std::vector<Port> outputs;
  std::map<std::string, Tensor> initializers;
  // Initializers of types that Systole has no use for, by name: the type. An error once used.
  std::map<std::string, std::string> unreadable;
};

// The inputs that a run must give: those without a default, in the model's order.
std::vector<std::string> run_time_inputs(const Model& model);

// Reads a file. Throws Error naming the file, and the node or tensor, when it is not a complete
// ONNX model, has external data, subgraphs, or element types that Systole has no use for where they
// matter.
Model load(const std::string& path);
// The same from memory; `name` stands for the file in messages.
Model parse(const void* data, size_t size, const std::string& name);

// A serialized onnx.TensorProto (the ONNX node tests keep their inputs so).
Tensor load_tensor_proto(const std::string& path);
// The same from memory; `name` stands for the file in messages.
Tensor parse_tensor_proto(const std::string& bytes, const std::string& name);

}  // namespace systole::onnx
