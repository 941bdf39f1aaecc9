#include "host/import/model.hpp"

#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <queue>
#include <set>
#include <type_traits>

#include "host/command/error.hpp"

namespace systole::onnx {
namespace {

using Proto = ::onnx::TensorProto;

// Longest text of a file that a message repeats.
constexpr size_t kMaxQuoted = 80;
// Longest name of a tensor, node, operator or attribute.
constexpr size_t kMaxWord = 1000;

// A later one may change what an operator means.
constexpr int64_t kNewestOpset = 25;

std::string quoted(const std::string& text) {
  std::string result;
  for (char c : text.substr(0, kMaxQuoted)) {
    result += (c >= ' ' && c != 0x7f) ? c : '?';
  }
  return text.size() > kMaxQuoted ? result + "..." : result;
}

// Bytes of the UTF-8 character that begins with this one, 0 where none does.
size_t utf8_bytes(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first < 0xe0) return 2;
  if (first >= 0xe0 && first < 0xf0) return 3;
  return first >= 0xf0 && first < 0xf5 ? 4 : 0;
}

// UTF-8 without control characters.
bool is_text(const std::string& text) {
  constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const size_t bytes = utf8_bytes(first);
    if (first < 0x20 || first == 0x7f || bytes == 0 || bytes > text.size() - i) return false;
    uint32_t code = bytes == 1 ? first : first & (0x7fu >> bytes);
    for (size_t k = 1; k < bytes; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    if (code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    i += bytes;
  }
  return true;
}

// A word that goes into messages and reports as it is.
const std::string& read_word(const std::string& word, const std::string& where) {
  if (word.size() > kMaxWord || !is_text(word)) {
    throw Error("a name is no text", where,
                fmt::format("UTF-8 without control characters, {} bytes at most", kMaxWord),
                fmt::format("'{}'", quoted(word)));
  }
  return word;
}

std::string type_name(int type) {
  static const char* const names[] = {
      "undefined",      "float32",  "uint8",        "int8",           "uint16",
      "int16",          "int32",    "int64",        "string",         "bool",
      "float16",        "float64",  "uint32",       "uint64",         "complex64",
      "complex128",     "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
      "float8e5m2fnuz", "uint4",    "int4",         "float4e2m1",     "float8e8m0",
      "uint2",          "int2"};
  if (type >= 0 && type < static_cast<int>(std::size(names))) return names[type];
  return fmt::format("ONNX type {}", type);
}

std::optional<DataType> data_type(int type) {
  switch (type) {
    case Proto::FLOAT:
      return DataType::F32;
    case Proto::INT8:
      return DataType::S8;
    case Proto::UINT8:
      return DataType::U8;
    case Proto::INT32:
      return DataType::S32;
    case Proto::INT64:
      return DataType::S64;
    default:
      return std::nullopt;
  }
}

// Elements that the file keeps in a typed field, narrowed to T.
template <typename T, typename Field>
void copy_field(const Field& field, Tensor& tensor, const std::string& where) {
  if (field.size() != tensor.size()) {
    throw Error("tensor data does not match its shape", where,
                fmt::format("{} elements for {}", tensor.size(), to_string(tensor.shape())),
                fmt::format("{}", field.size()));
  }
  for (int i = 0; i < field.size(); ++i) {
    const auto element = static_cast<T>(field[i]);
    if (std::is_integral_v<T> && element != field[i]) {
      throw Error(fmt::format("element {} does not fit its type", i), where,
                  to_string(tensor.type()), fmt::format("{}", field[i]));
    }
    tensor.data<T>()[i] = element;
  }
}

Tensor read_tensor(const Proto& proto, const std::string& where) {
  const auto type = data_type(proto.data_type());
  if (!type) {
    throw Error("unsupported element type", where, "float32, int8, uint8, int32 or int64",
                type_name(proto.data_type()));
  }
  if (proto.data_location() == Proto::EXTERNAL) {
    throw Error("tensor data is in another file", where, "data inside the model", "external data");
  }
  const Shape shape(proto.dims().begin(), proto.dims().end());
  const int64_t count = element_count(shape, where);
  const size_t bytes = static_cast<size_t>(count) * element_size(*type);
  if (proto.has_raw_data()) {
    if (proto.raw_data().size() != bytes) {
      throw Error("tensor data does not match its shape", where,
                  fmt::format("{} bytes for {} {}", bytes, to_string(*type), to_string(shape)),
                  fmt::format("{}", proto.raw_data().size()));
    }
    Tensor tensor(*type, shape);
    std::copy(proto.raw_data().begin(), proto.raw_data().end(), tensor.bytes().begin());
    return tensor;
  }
  // The number of elements present bounds the allocation.
  const int64_t present = *type == DataType::F32   ? proto.float_data_size()
                          : *type == DataType::S64 ? proto.int64_data_size()
                                                   : proto.int32_data_size();
  if (present != count) {
    throw Error("tensor data does not match its shape", where,
                fmt::format("{} elements for {}", count, to_string(shape)),
                fmt::format("{}", present));
  }
  Tensor tensor(*type, shape);
  switch (*type) {
    case DataType::F32:
      copy_field<float>(proto.float_data(), tensor, where);
      break;
    case DataType::S8:
      copy_field<int8_t>(proto.int32_data(), tensor, where);
      break;
    case DataType::U8:
      copy_field<uint8_t>(proto.int32_data(), tensor, where);
      break;
    case DataType::S32:
      copy_field<int32_t>(proto.int32_data(), tensor, where);
      break;
    case DataType::S64:
      copy_field<int64_t>(proto.int64_data(), tensor, where);
      break;
  }
  return tensor;
}

Port read_port(const ::onnx::ValueInfoProto& info, const std::string& where) {
  Port port;
  port.name = read_word(info.name(), where);
  port.type_name = "not a tensor";
  if (!info.type().has_tensor_type()) return port;
  const auto& tensor = info.type().tensor_type();
  port.type = data_type(tensor.elem_type());
  port.type_name = type_name(tensor.elem_type());
  port.has_shape = tensor.has_shape();
  for (const auto& dim : tensor.shape().dim()) {
    Dimension dimension;
    if (dim.has_dim_value()) dimension.value = dim.dim_value();
    if (dim.has_dim_param()) dimension.symbol = quoted(dim.dim_param());
    port.shape.push_back(dimension);
  }
  return port;
}

// An attribute of a kind that Systole has a use for; none for others (graphs, types).
std::optional<Attribute> read_attribute(const ::onnx::AttributeProto& proto,
                                        const std::string& where) {
  using Kind = ::onnx::AttributeProto;
  switch (proto.type()) {
    case Kind::INT:
      return Attribute(static_cast<int64_t>(proto.i()));
    case Kind::FLOAT:
      return Attribute(proto.f());
    case Kind::STRING:
      return Attribute(read_word(proto.s(), where));
    case Kind::INTS:
      return Attribute(std::vector<int64_t>(proto.ints().begin(), proto.ints().end()));
    case Kind::FLOATS:
      return Attribute(std::vector<float>(proto.floats().begin(), proto.floats().end()));
    case Kind::TENSOR:
      return Attribute(read_tensor(proto.t(), where));
    default:
      return std::nullopt;
  }
}

Node read_node(const ::onnx::NodeProto& proto, const std::string& file) {
  Node node;
  node.name = proto.name();
  node.op_type = proto.op_type();
  node.domain = proto.domain() == "ai.onnx" ? "" : proto.domain();
  node.inputs.assign(proto.input().begin(), proto.input().end());
  node.outputs.assign(proto.output().begin(), proto.output().end());
  const std::string where = fmt::format("{}: node {}", file, node.label());
  if (node.outputs.empty()) throw Error("node has no output", where);
  for (const std::string* word : {&node.name, &node.op_type, &node.domain}) read_word(*word, where);
  for (const std::string& word : node.inputs) read_word(word, where);
  for (const std::string& word : node.outputs) read_word(word, where);
  for (const auto& attribute : proto.attribute()) {
    auto value = read_attribute(attribute,
                                fmt::format("{}, attribute '{}'", where, quoted(attribute.name())));
    read_word(attribute.name(), where);
    if (value) node.attributes.insert_or_assign(attribute.name(), std::move(*value));
  }
  return node;
}

// Name of every tensor to the index of the node that writes it.
std::map<std::string, size_t> producers(const Model& model) {
  std::set<std::string> given;
  for (const Port& port : model.inputs) given.insert(port.name);
  for (const auto& [name, tensor] : model.initializers) given.insert(name);
  std::map<std::string, size_t> result;
  for (size_t i = 0; i < model.nodes.size(); ++i) {
    for (const std::string& output : model.nodes[i].outputs) {
      if (output.empty()) continue;
      if (given.count(output) || !result.emplace(output, i).second) {
        throw Error(fmt::format("tensor '{}' is written twice", quoted(output)),
                    fmt::format("{}: node {}", model.file, model.nodes[i].label()));
      }
    }
  }
  return result;
}

// Brings the nodes into an order of execution, as near to the file's as possible.
void sort_nodes(Model& model) {
  const auto producer = producers(model);
  const size_t count = model.nodes.size();
  std::vector<size_t> missing(count);
  std::vector<std::vector<size_t>> consumers(count);
  for (size_t i = 0; i < count; ++i) {
    for (const std::string& input : model.nodes[i].inputs) {
      const auto found = producer.find(input);
      if (input.empty() || found == producer.end()) continue;
      ++missing[i];
      consumers[found->second].push_back(i);
    }
  }
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < count; ++i) {
    if (missing[i] == 0) ready.push(i);
  }
  std::vector<size_t> order;
  while (!ready.empty()) {
    const size_t next = ready.top();
    ready.pop();
    order.push_back(next);
    for (size_t consumer : consumers[next]) {
      if (--missing[consumer] == 0) ready.push(consumer);
    }
  }
  if (order.size() != count) {
    const auto stuck = std::find_if(missing.begin(), missing.end(), [](size_t m) { return m > 0; });
    throw Error("graph has a cycle",
                fmt::format("{}: node {}", model.file,
                            model.nodes[static_cast<size_t>(stuck - missing.begin())].label()),
                "no node that depends on its own output");
  }
  std::vector<Node> sorted;
  for (size_t i : order) sorted.push_back(std::move(model.nodes[i]));
  model.nodes = std::move(sorted);
}

void read_initializers(const ::onnx::GraphProto& graph, Model& model) {
  for (const auto& proto : graph.initializer()) {
    const std::string name = quoted(proto.name());
    const std::string where = fmt::format("{}: initializer '{}'", model.file, name);
    read_word(proto.name(), where);
    if (model.initializers.count(proto.name()) || model.unreadable.count(proto.name())) {
      throw Error("initializer is there twice", where);
    }
    if (!data_type(proto.data_type())) {
      model.unreadable[proto.name()] = type_name(proto.data_type());
      continue;
    }
    model.initializers.emplace(proto.name(), read_tensor(proto, where));
  }
  for (const auto& proto : graph.sparse_initializer()) {
    model.unreadable[proto.values().name()] = "sparse";
  }
}

// The version of the default domain's operators.
int64_t read_opset(const ::onnx::ModelProto& proto, const std::string& file) {
  std::optional<int64_t> version;
  for (const auto& opset : proto.opset_import()) {
    if (!opset.domain().empty() && opset.domain() != "ai.onnx") continue;
    if (version && *version != opset.version()) {
      throw Error("model names two operator sets", file, "one version of the default domain",
                  fmt::format("{} and {}", *version, opset.version()));
    }
    version = opset.version();
  }
  if (!version) {
    throw Error("model names no operator set", file, "opset_import of the default domain");
  }
  if (*version < 1 || *version > kNewestOpset) {
    throw Error("unsupported operator set", file, fmt::format("version 1 to {}", kNewestOpset),
                fmt::format("{}", *version));
  }
  return *version;
}

Model read_model(const ::onnx::ModelProto& proto, const std::string& file) {
  Model model;
  model.file = file;
  if (!proto.has_graph() || proto.graph().output_size() == 0) {
    throw Error("not a complete ONNX model", file, "a graph with outputs",
                proto.has_graph() ? "no outputs" : "no graph");
  }
  model.opset = read_opset(proto, file);
  const auto& graph = proto.graph();
  for (const auto& info : graph.input()) {
    model.inputs.push_back(read_port(info, file + ": an input"));
  }
  for (const auto& info : graph.output()) {
    model.outputs.push_back(read_port(info, file + ": an output"));
  }
  std::set<std::string> names;
  for (const Port& port : model.inputs) {
    if (port.name.empty() || !names.insert(port.name).second) {
      throw Error(fmt::format("input '{}' has no name of its own", quoted(port.name)), file);
    }
  }
  names.clear();
  for (const Port& port : model.outputs) {
    if (port.name.empty() || !names.insert(port.name).second) {
      throw Error(fmt::format("output '{}' has no name of its own", quoted(port.name)), file);
    }
  }
  read_initializers(graph, model);
  for (const auto& node : graph.node()) model.nodes.push_back(read_node(node, file));
  sort_nodes(model);
  return model;
}

std::string read_file(const std::string& path) {
  // Before it is opened: opening a FIFO waits for a writer.
  if (std::filesystem::exists(path) && !std::filesystem::is_regular_file(path))
    throw Error("not a regular file", path);
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error("can't open file", path);
  std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad()) throw Error("can't read file", path);
  return bytes;
}

}  // namespace

std::string Node::label() const {
  const std::string& id = !name.empty() ? name : outputs.empty() ? name : outputs.front();
  return fmt::format("'{}' ({})", quoted(id), quoted(op_type));
}

Model parse(const void* data, size_t size, const std::string& name) {
  google::protobuf::LogSilencer silencer;
  ::onnx::ModelProto proto;
  if (size > static_cast<size_t>(std::numeric_limits<int>::max()) ||
      !proto.ParseFromArray(data, static_cast<int>(size))) {
    throw Error("not a complete ONNX model", name, "a serialized onnx.ModelProto",
                fmt::format("{} bytes that do not parse", size));
  }
  return read_model(proto, name);
}

Model load(const std::string& path) {
  const std::string bytes = read_file(path);
  return parse(bytes.data(), bytes.size(), path);
}

std::vector<std::string> run_time_inputs(const Model& model) {
  std::vector<std::string> names;
  for (const Port& port : model.inputs) {
    if (model.initializers.count(port.name) == 0) names.push_back(port.name);
  }
  return names;
}

Tensor load_tensor_proto(const std::string& path) {
  return parse_tensor_proto(read_file(path), path);
}

Tensor parse_tensor_proto(const std::string& bytes, const std::string& name) {
  google::protobuf::LogSilencer silencer;
  Proto proto;
  if (!proto.ParseFromString(bytes)) throw Error("not a serialized onnx.TensorProto", name);
  return read_tensor(proto, name);
}

}  // namespace systole::onnx
