// Unary and Binary as passes of the vector unit: host/golden/real.hpp, line by line.
#pragma once

#include <optional>
#include <vector>

#include "host/compile/map.hpp"
#include "host/graph/graph.hpp"

namespace systole::compile {

/// The pass that divides by a constant.
spec::VectorCommand division(float by);

/// Passes from First to Output, of the given types.
std::vector<MapPass> passes_of(const graph::Unary& op, DataType x, DataType y);

/// An operand of a Binary: its type, and its real value where it is one constant for all elements
/// and the operator takes it from the command; or whether it is one number, known at run time, that
/// the operator takes from a single of the map (MapOperator).
struct BinaryOperand {
  DataType type = DataType::F32;
  std::optional<float> value;
  bool is_single = false;
  bool is_one() const { return value.has_value() || is_single; }
};
/// What the single of an operand is multiplied with, b or a.
float single_factor(graph::BinaryFunction function, bool is_b);
/// Passes from First (a) and Second (b) to Output. Where one of them is one number, from First, the
/// other.
std::vector<MapPass> passes_of(const graph::Binary& op, BinaryOperand a, BinaryOperand b,
                               DataType y);

}  // namespace systole::compile
