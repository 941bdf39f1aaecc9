// From a node of the graph to the commands that compute it: which layout the operator wants of its
// inputs and gives its output, and which emitter does the work. Each operator of
// host/graph/graph.hpp has its call here; they are defined in the operators_*.cpp of their kind.
#pragma once

#include <map>
#include <vector>

#include "host/compile/elementwise.hpp"
#include "host/compile/matrix.hpp"
#include "host/compile/pool.hpp"
#include "host/compile/rows.hpp"
#include "host/compile/values.hpp"

namespace systole::compile {

class Operators {
 public:
  /// All must outlive it.
  Operators(const graph::Graph& graph, MatrixMemo& memo, Context& context, Values& values)
      : graph_(graph), memo_(memo), context_(context), values_(values) {}

  /// For the input that the values have begun. All inputs of a node divide its work alike.
  void emit(const graph::Node& node) {
    std::visit([&](const auto& op) { (*this)(node, op); }, node.op);
  }

 private:
  // operators_elementwise.cpp
  void operator()(const graph::Node& node, const graph::Quantize& op);
  void operator()(const graph::Node& node, const graph::Dequantize& op);
  void operator()(const graph::Node& node, const graph::Requantize& op);
  void operator()(const graph::Node& node, const graph::Reach& op);
  void operator()(const graph::Node& node, const graph::DynamicParameter& op);
  void operator()(const graph::Node& node, const graph::DynamicQuantize& op);
  void operator()(const graph::Node& node, const graph::QAdd& op);
  void operator()(const graph::Node& node, const graph::Unary& op);
  void operator()(const graph::Node& node, const graph::Binary& op);
  // operators_matrix.cpp
  void operator()(const graph::Node& node, const graph::QConv& op);
  void operator()(const graph::Node& node, const graph::QGemm& op);
  void operator()(const graph::Node& node, const graph::QMatMul& op);
  // operators_pool.cpp
  void operator()(const graph::Node& node, const graph::QMaxPool& op);
  void operator()(const graph::Node& node, const graph::QAveragePool& op);
  void operator()(const graph::Node& node, const graph::QGlobalAveragePool& op);
  // operators_rows.cpp
  void operator()(const graph::Node& node, const graph::Softmax& op);
  void operator()(const graph::Node& node, const graph::RowMean& op);
  void operator()(const graph::Node& node, const graph::ArgMax& op);
  // operators_move.cpp
  void operator()(const graph::Node& node, const graph::Reshape& op);
  void operator()(const graph::Node& node, const graph::Transpose& op);
  void operator()(const graph::Node& node, const graph::Select& op);
  void operator()(const graph::Node& node, const graph::Concat& op);

  Stored by_channel(const Stored& from, std::size_t parameters, int64_t axis);
  BinaryOperand operand_of(const graph::Binary& op, graph::ValueId id,
                           graph::QuantParams params) const;
  Border border_of(const graph::Node& node) const;
  bool joins_pixels(const graph::Node& node) const;
  template <class Op>
  void emit_matrix_node(const graph::Node& node, const Op& op, MatrixOperator matrix, Stored to);
  void emit_pool_node(const graph::Node& node, PoolOperator pool);
  void emit_row_node(const graph::Node& node, RowOperator rows);
  std::vector<std::size_t> align(std::vector<Stored>& inputs);

  const graph::Graph& graph_;
  MatrixMemo& memo_;
  Context& context_;
  Values& values_;
  std::map<graph::ValueId, std::vector<MatrixShare>> divisions_;  // by node, of its output
};

/// A value of four dimensions as an image.
inline Image image_of(const Stored& value) {
  const Shape& s = value.shape;
  return {&value, s[0], s[2], s[3], s[1]};
}

}  // namespace systole::compile
