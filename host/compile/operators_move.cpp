#include "host/compile/operators.hpp"

#include <algorithm>
#include <numeric>

#include "host/compile/move.hpp"

namespace systole::compile {

using graph::Node;
using graph::ValueId;

namespace {

/// Starts a movement into `to`, whose inputs all lie as it does: its axes in the order of memory.
MoveOperator movement(const std::vector<Stored>& inputs, Stored& to,
                      const std::vector<std::size_t>& order) {
  MoveOperator op;
  op.output = &to;
  for (const std::size_t d : order) op.axes.push_back({to.shape[d], {}});
  for (const Stored& input : inputs) {
    MoveSource source{&input, std::vector<int64_t>(order.size(), 1)};
    for (std::size_t i = order.size(); i-- > 1;) {
      source.strides[i - 1] = source.strides[i] * input.shape[order[i]];
    }
    op.sources.push_back(std::move(source));
  }
  return op;
}

}  // namespace

void Operators::operator()(const Node& node, const graph::Reshape&) {
  const graph::Value& value = graph_.output_of(node);
  Stored from = values_.stored(node.inputs[0]);
  const bool empty = from.elements() == 0;
  std::optional<View> view = empty ? View::row_major(value.shape) : from.view.reshaped(value.shape);
  if (!view) {
    from = values_.with_view(from, View::row_major(from.shape));
    view = View::row_major(value.shape);
  }
  from.name = value.name;
  from.shape = value.shape;
  from.view = *view;
  values_.define(node, from);
}

void Operators::operator()(const Node& node, const graph::Transpose& op) {
  const graph::Value& value = graph_.output_of(node);
  Stored from = values_.stored(node.inputs[0]);
  from.name = value.name;
  from.shape = value.shape;
  from.view = from.view.transposed(op.perm);
  values_.define(node, from);
}

/// The inputs in one layout: with the channels last if one of them has it so, else row major.
/// Returns the axes in the order of memory.
std::vector<std::size_t> Operators::align(std::vector<Stored>& inputs) {
  const auto lies_last = [](const Stored& s) {
    return s.view != View::row_major(s.shape) && s.view == View::channels_last(s.shape);
  };
  const bool last = std::any_of(inputs.begin(), inputs.end(), lies_last);
  for (Stored& input : inputs) {
    input = values_.with_view(
        input, last ? View::channels_last(input.shape) : View::row_major(input.shape));
  }
  if (last) return {0, 2, 3, 1};
  std::vector<std::size_t> order(inputs[0].shape.size());
  std::iota(order.begin(), order.end(), 0u);
  return order;
}

void Operators::operator()(const Node& node, const graph::Select& op) {
  const graph::Value& value = graph_.output_of(node);
  std::vector<Stored> inputs = {values_.stored(node.inputs[0])};
  const std::vector<std::size_t> order = align(inputs);
  const bool last = order.size() == 4 && order[1] == 2;
  Stored to = values_.make_output(
      node, last ? View::channels_last(value.shape) : View::row_major(value.shape));
  MoveOperator move = movement(inputs, to, order);
  move.fill = op.fill;
  for (std::size_t i = 0; i < order.size(); ++i) {
    move.axes[i].pieces = pieces_of(op.index[order[i]]);
  }
  emit_move(context_, move);
  values_.define(node, to);
}

void Operators::operator()(const Node& node, const graph::Concat& op) {
  const graph::Value& value = graph_.output_of(node);
  std::vector<Stored> inputs;
  for (const ValueId id : node.inputs) inputs.push_back(values_.stored(id));
  const std::vector<std::size_t> order = align(inputs);
  const bool last = order.size() == 4 && order[1] == 2;
  Stored to = values_.make_output(
      node, last ? View::channels_last(value.shape) : View::row_major(value.shape));
  MoveOperator move = movement(inputs, to, order);
  for (std::size_t i = 0; i < order.size(); ++i) {
    MoveAxis& axis = move.axes[i];
    if (order[i] != static_cast<std::size_t>(op.axis)) {
      axis.pieces = {{0, axis.extent, 0, 1, 0, 1}};
      continue;
    }
    move.join = i;
    int64_t at = 0;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      const int64_t count = inputs[k].shape[order[i]];
      axis.pieces.push_back({static_cast<int>(k), count, at, 1, 0, 1});
      at += count;
    }
  }
  emit_move(context_, move);
  values_.define(node, to);
}

}  // namespace systole::compile
