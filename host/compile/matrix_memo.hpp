// What the emitter of matrix operators works out once for all plans that a compilation tries:
// weights as numbers, the k steps through windows, weights as the matrix unit takes them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <tuple>
#include <utility>
#include <vector>

#include "host/compile/kernel_plan.hpp"
#include "host/compile/memory.hpp"

namespace systole::compile {

/// Weights minus zero point.
struct Weights {
  Weights(std::vector<int32_t> all, int64_t channels);

  std::vector<int32_t> values;  // by output channel, kernel row and column, channel of the group
  std::vector<int32_t> sums;    // by output channel, modulo 2^32
  int32_t low = 0, high = 0;    // the least one and the largest one, or 0
};

/// Everything lives as long as the memo. What `make` gives must follow from the key.
class MatrixMemo {
 public:
  using WeightsPointer = std::shared_ptr<const Weights>;

  /// Of a node, `order`: how the channels of its input lie.
  WeightsPointer weights(int node, const std::vector<int64_t>& order,
                         const std::function<Weights()>& make);
  /// Of the same operator, with so many channels of two neighbouring pixels beside each other.
  WeightsPointer pairs(const WeightsPointer& of, int64_t together,
                       const std::function<Weights()>& make);
  /// plan_kernel(); plans with the same lanes share them.
  const KernelPlan& kernel(const KernelShape& shape, int64_t rows);
  /// Blocks [b0, b1) of a node's constants for a plan of kernel().
  const Constant& packed(const WeightsPointer& weights, const KernelPlan& plan, int64_t b0,
                         int64_t b1, const std::function<std::vector<uint8_t>()>& make);

 private:
  using Lanes = std::shared_ptr<const std::vector<int32_t>>;

  std::map<std::pair<int, std::vector<int64_t>>, WeightsPointer> weights_;
  std::map<std::pair<WeightsPointer, int64_t>, WeightsPointer> pairs_;
  std::map<std::array<int64_t, 6>, KernelPlan> kernels_;
  std::map<std::vector<int32_t>, Lanes> lanes_;
  std::map<std::tuple<WeightsPointer, Lanes, int64_t, int64_t>, Constant> packed_;
};

}  // namespace systole::compile
