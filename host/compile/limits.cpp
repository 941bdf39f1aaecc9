#include "host/compile/limits.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <string>

#include "host/command/error.hpp"

namespace systole::compile {
namespace {

using graph::Graph;
using graph::Node;

/// Stays at the largest number where the product would be more.
int64_t times(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<int64_t>::max() : product;
}

/// A sum over nodes, and the largest summand's node.
class Sum {
 public:
  void add(const std::string& node, int64_t amount) {
    if (__builtin_add_overflow(sum_, amount, &sum_)) sum_ = std::numeric_limits<int64_t>::max();
    if (amount > largest_) largest_ = amount, node_ = node;
  }
  void check(int64_t most, const char* what) const {
    if (sum_ <= most) return;
    throw Error("the network is too large to be compiled", node_,
                fmt::format("at most {} {} in all", most, what),
                fmt::format("{}, {} of them here", sum_, largest_));
  }

 private:
  int64_t sum_ = 0, largest_ = 0;
  std::string node_;
};

/// Multiplications for each element of the output.
int64_t macs(const Graph& graph, const Node& node) {
  if (const auto* conv = std::get_if<graph::QConv>(&node.op)) {
    const Shape& w = conv->weights.shape();
    return w[1] * w[2] * w[3];
  }
  if (const auto* gemm = std::get_if<graph::QGemm>(&node.op)) return gemm->weights.shape()[0];
  if (std::holds_alternative<graph::QMatMul>(node.op))
    return graph.value(node.inputs[0]).shape.back();
  return 0;
}

/// Elements of the input for each element of a pool's output.
int64_t pooled(const Node& node) {
  const graph::Window* window = nullptr;
  if (const auto* pool = std::get_if<graph::QMaxPool>(&node.op)) window = &pool->window;
  if (const auto* pool = std::get_if<graph::QAveragePool>(&node.op)) window = &pool->window;
  return window == nullptr ? 0 : times(window->kernel[0], window->kernel[1]);
}

}  // namespace

void check_size(const Graph& graph) {
  Sum computed, products, pools;
  for (const graph::ValueId id : graph.inputs) {
    const graph::Value& input = graph.value(id);
    computed.add("input '" + input.name + "'", element_count(input.shape));
  }
  for (const Node& node : graph.nodes) {
    const int64_t outputs = element_count(graph.output_of(node).shape);
    computed.add(node.name, outputs);
    products.add(node.name, times(outputs, macs(graph, node)));
    pools.add(node.name, times(outputs, pooled(node)));
  }
  computed.check(kMaxComputed, "elements of tensors");
  products.check(kMaxMac, "multiplications");
  pools.check(kMaxPooled, "elements of windows");
}

}  // namespace systole::compile
