#include "host/compile/operators.hpp"

namespace systole::compile {

using graph::Node;

void Operators::operator()(const Node& node, const graph::Softmax& op) {
  RowOperator rows;
  rows.x = op.x;
  rows.y = op.y;
  rows.clamp = op.clamp;
  emit_row_node(node, rows);
}

void Operators::operator()(const Node& node, const graph::RowMean& op) {
  RowOperator rows;
  rows.kind = RowOperator::Kind::Mean;
  rows.x = op.x;
  rows.y = op.y;
  rows.clamp = op.clamp;
  rows.order = op.order;
  rows.divisor = op.divisor;
  emit_row_node(node, rows);
}

void Operators::operator()(const Node& node, const graph::ArgMax& op) {
  RowOperator rows;
  rows.kind = RowOperator::Kind::ArgMax;
  rows.last = op.last;
  emit_row_node(node, rows);
}

void Operators::emit_row_node(const Node& node, RowOperator rows) {
  const Stored& x = values_.stored(node.inputs[0]);
  const View columns = View::row_major({x.shape[1], x.shape[0]}).transposed({1, 0});
  const Stored in = values_.with_view(x, rows.by_columns() ? columns : View::row_major(x.shape));
  Stored to = values_.make_output(node, View::row_major(graph_.output_of(node).shape));
  rows.in = &in;
  rows.output = &to;
  emit_row_operator(context_, rows);
  values_.define(node, to);
}

}  // namespace systole::compile
