#include "host/graph/double_qdq.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

namespace systole::graph {
namespace {

struct Parameters {
  float scale;
  int64_t zero_point;
  DataType type;
  bool operator==(const Parameters& o) const {
    return scale == o.scale && zero_point == o.zero_point && type == o.type;
  }
  bool operator!=(const Parameters& o) const { return !(*this == o); }
};

class Merger {
 public:
  explicit Merger(onnx::Model& model) : model_(model) {
    for (const onnx::Port& port : model.inputs) consumers_[port.name] += 2;  // not constant
    for (const onnx::Port& port : model.outputs) consumers_[port.name] += 2;
    for (size_t i = 0; i < model.nodes.size(); ++i) {
      for (const std::string& input : model.nodes[i].inputs) {
        ++consumers_[input];
        consumer_[input] = i;
      }
      for (const std::string& output : model.nodes[i].outputs) producer_[output] = i;
    }
  }

  void run() {
    for (size_t i = 0; i < model_.nodes.size(); ++i) merge(i);
  }

 private:
  bool is(size_t node, const char* op_type) const {
    return model_.nodes[node].op_type == op_type && model_.nodes[node].domain.empty() &&
           !model_.nodes[node].inputs.empty() && model_.nodes[node].outputs.size() == 1;
  }

  // The only consumer of a node's output.
  std::optional<size_t> only_consumer(size_t node) const {
    const std::string& output = model_.nodes[node].outputs[0];
    if (consumers_.count(output) == 0 || consumers_.at(output) != 1) return std::nullopt;
    return consumer_.at(output);
  }

  std::optional<Parameters> parameters(size_t node) const {
    const auto& inputs = model_.nodes[node].inputs;
    if (inputs.size() < 3) return std::nullopt;
    for (size_t i : {1, 2}) {
      const auto found = model_.initializers.find(inputs[i]);
      if (found == model_.initializers.end() || found->second.size() != 1) return std::nullopt;
      for (const onnx::Port& port : model_.inputs) {
        if (port.name == inputs[i]) return std::nullopt;
      }
    }
    const Tensor& scale = model_.initializers.at(inputs[1]);
    const Tensor& zero_point = model_.initializers.at(inputs[2]);
    const DataType type = zero_point.type();
    if (scale.type() != DataType::F32 || (type != DataType::S8 && type != DataType::U8)) {
      return std::nullopt;
    }
    if (!std::isfinite(*scale.data<float>()) || *scale.data<float>() <= 0.0f) return std::nullopt;
    return Parameters{*scale.data<float>(), zero_point.integer(0), type};
  }

  std::string add(const std::string& from, Tensor tensor) {
    std::string name;
    do {
      name = fmt::format("{}#merged{}", from, added_++);
    } while (model_.initializers.count(name) || producer_.count(name) || consumers_.count(name));
    model_.initializers.insert_or_assign(name, std::move(tensor));
    return name;
  }

  void set_parameters(size_t node, float scale, int64_t zero_point, DataType type) {
    auto& inputs = model_.nodes[node].inputs;
    inputs[1] = add(inputs[1], Tensor(Shape{}, std::vector<float>{scale}));
    Tensor zero(type, {});
    zero.bytes()[0] = static_cast<uint8_t>(zero_point);
    inputs[2] = add(inputs[2], std::move(zero));
  }

  void merge(size_t self) {
    if (!is(self, "DequantizeLinear") || !only_consumer(self)) return;
    const size_t child = *only_consumer(self);
    const auto parent_entry = producer_.find(model_.nodes[self].inputs[0]);
    if (parent_entry == producer_.end() || !is(child, "QuantizeLinear")) return;
    const size_t parent = parent_entry->second;
    if (!is(parent, "QuantizeLinear") || !only_consumer(parent) || !only_consumer(child)) return;
    const size_t grandchild = *only_consumer(child);
    if (!is(grandchild, "DequantizeLinear")) return;
    const auto first = parameters(self);
    const auto second = parameters(child);
    if (!first || !second || first != parameters(parent) || second != parameters(grandchild))
      return;
    if (first->type != second->type) return;
    if (!(first == second) && !reset(parent, grandchild, *first, *second)) return;
    model_.nodes[grandchild].inputs[0] = model_.nodes[parent].outputs[0];
    consumer_[model_.nodes[parent].outputs[0]] = grandchild;
  }

  bool reset(size_t parent, size_t grandchild, const Parameters& a, const Parameters& b) {
    const int64_t q_min = a.type == DataType::S8 ? -128 : 0;
    const auto real = [q_min](const Parameters& p, int64_t q) {
      return static_cast<float>(q_min + q - p.zero_point) * p.scale;
    };
    const float low = std::max(real(a, 0), real(b, 0));
    const float high = std::min(real(a, 255), real(b, 255));
    const float scale = (high - low) / 255.0f;
    // Ranges that have nothing but 0 in common.
    if (!(scale > 0.0f) || !std::isfinite(scale)) return false;
    const float zero_point = std::round(static_cast<float>(q_min) - low / scale);
    const auto clamped =
        std::clamp<float>(zero_point, static_cast<float>(q_min), static_cast<float>(q_min + 255));
    for (size_t node : {parent, grandchild}) {
      set_parameters(node, scale, static_cast<int64_t>(clamped), a.type);
    }
    return true;
  }

  onnx::Model& model_;
  std::map<std::string, int> consumers_;
  std::map<std::string, size_t> consumer_, producer_;
  int added_ = 0;
};

}  // namespace

void merge_double_qdq(onnx::Model& model) { Merger(model).run(); }

}  // namespace systole::graph
