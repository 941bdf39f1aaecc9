#include "host/compile/operators.hpp"

#include <limits>

namespace systole::compile {

using graph::Node;

void Operators::operator()(const Node& node, const graph::QMaxPool& op) {
  const graph::Value& value = graph_.output_of(node);
  const int32_t lowest = value.type == DataType::S8 ? -128 : 0;
  PoolOperator pool;
  pool.window = op.window;
  pool.pad = value.type == DataType::F32 ? float_bits(-std::numeric_limits<float>::infinity())
                                         : byte_pattern(lowest);
  if (value.type != DataType::F32) pool.clamp = {lowest, lowest + 255};
  emit_pool_node(node, pool);
}

void Operators::operator()(const Node& node, const graph::QAveragePool& op) {
  PoolOperator pool;
  pool.kind = PoolOperator::Kind::Average;
  pool.window = op.window;
  pool.counted = op.counted;
  pool.rounding = op.rounding;
  if (graph_.value(node.inputs[0]).type != DataType::F32) {
    pool.pad = byte_pattern(op.x.zero_point);
    pool.x = op.x;
  }
  pool.y = op.y;
  pool.clamp = op.clamp;
  emit_pool_node(node, pool);
}

void Operators::operator()(const Node& node, const graph::QGlobalAveragePool& op) {
  const graph::Value& x = graph_.value(node.inputs[0]);
  PoolOperator pool;
  pool.kind = PoolOperator::Kind::Global;
  pool.window.kernel = {x.shape[2], x.shape[3]};
  pool.x = op.x;
  pool.y = op.y;
  pool.pad = byte_pattern(op.x.zero_point);
  pool.clamp = op.clamp;
  emit_pool_node(node, pool);
}

void Operators::emit_pool_node(const Node& node, PoolOperator pool) {
  const Stored& x = values_.stored(node.inputs[0]);
  const Stored in = values_.with_view(x, View::channels_last(x.shape));
  Stored to = values_.make_output(node, View::channels_last(graph_.output_of(node).shape));
  pool.in = image_of(in);
  pool.out = image_of(to);
  pool.output = &to;
  emit_pool(context_, pool);
  values_.define(node, to);
}

}  // namespace systole::compile
