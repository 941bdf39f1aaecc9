#include "host/compile/matrix_memo.hpp"

#include <algorithm>

namespace systole::compile {
namespace {

/// The entry of a key, made if there is none.
template <typename Map, typename Make>
typename Map::mapped_type& entry(Map& map, typename Map::key_type key, const Make& make) {
  const auto at = map.lower_bound(key);
  if (at != map.end() && !map.key_comp()(key, at->first)) return at->second;
  return map.emplace_hint(at, std::move(key), make())->second;
}

}  // namespace

Weights::Weights(std::vector<int32_t> all, int64_t channels)
    : values(std::move(all)), sums(static_cast<std::size_t>(channels)) {
  const std::size_t each = values.size() / sums.size();
  for (std::size_t m = 0; m < sums.size(); ++m) {
    uint32_t sum = 0;
    for (std::size_t i = m * each; i < (m + 1) * each; ++i) {
      sum += static_cast<uint32_t>(values[i]);
      low = std::min(low, values[i]);
      high = std::max(high, values[i]);
    }
    sums[m] = static_cast<int32_t>(sum);
  }
}

MatrixMemo::WeightsPointer MatrixMemo::weights(int node, const std::vector<int64_t>& order,
                                               const std::function<Weights()>& make) {
  return entry(weights_, {node, order}, [&] { return std::make_shared<const Weights>(make()); });
}

MatrixMemo::WeightsPointer MatrixMemo::pairs(const WeightsPointer& of, int64_t together,
                                             const std::function<Weights()>& make) {
  return entry(pairs_, {of, together}, [&] { return std::make_shared<const Weights>(make()); });
}

const KernelPlan& MatrixMemo::kernel(const KernelShape& shape, int64_t rows) {
  const std::array<int64_t, 6> key = {
      shape.kh, shape.kw, shape.channels, shape.row_stride, shape.column_stride, rows};
  return entry(kernels_, key, [&] {
    KernelPlan plan = plan_kernel(shape, rows);
    plan.lanes = entry(lanes_, *plan.lanes, [&] { return plan.lanes; });
    return plan;
  });
}

const Constant& MatrixMemo::packed(const WeightsPointer& weights, const KernelPlan& plan,
                                   int64_t b0, int64_t b1,
                                   const std::function<std::vector<uint8_t>()>& make) {
  return entry(packed_, {weights, plan.lanes, b0, b1}, [&] { return Constant(make()); });
}

}  // namespace systole::compile
