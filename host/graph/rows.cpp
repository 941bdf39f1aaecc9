// Softmax and ReduceMean: brought to rows, [R, N], by Transpose and Reshape.
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
  Pending pending;
  if (shape.size() == 4 && axes == std::vector<int64_t>{2, 3}) {
    QAveragePool op;
    op.window.kernel = {shape[2], shape[3]};
    op.x = x.params;
    pending = start_pending(node, op, {x.value}, {shape[0], shape[1], 1, 1});
    pending.fusible = false;  // the judge takes the mean of numbers
  } else {
    RowMean op;
    op.x = x.params;
    const ValueId rows = rows_of(node, x.value, axes);
    pending = start_pending(node, op, {rows}, {graph_.value(rows).shape[0], 1});
  }
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

}  // namespace systole::graph
