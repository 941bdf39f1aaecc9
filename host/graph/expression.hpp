// What is known of a tensor of the ONNX model while the graph is built.
//
// A float tensor is kept as an expression, a source and the steps since then, until a
// QuantizeLinear says with which parameters it becomes integers (or an output that it stays float:
// then a product is f32(accumulator) times a scale).
// Where none comes, or an operator needs the numbers themselves, it becomes an f32 value
// (real.cpp). That is exact because each step commutes with quantization: Relu, Clip and MaxPool
// are monotone, Reshape, Transpose and selections only move elements.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "host/graph/graph.hpp"
#include "host/graph/shapes.hpp"

namespace systole::graph {

// A model input of float32, or a constant among such.
struct FloatInput {
  ValueId value;
};

// The output of a DequantizeLinear, of a value or of a constant (s8, u8; s32 for biases).
struct Dequantized {
  std::variant<ValueId, std::shared_ptr<const Tensor>> q;
  DataType type;
  std::vector<float> scale;  // one, or one per index of `axis`
  std::vector<int32_t> zero_point;
  int64_t axis = 0;
  bool is_moved = false;  // a constant with Reshape or Transpose behind it
  // The zero point where it is computed at run time, one element; zero_point is 0 then.
  std::optional<ValueId> given_zero;

  bool is_constant() const { return q.index() == 1; }
  const Tensor& constant() const { return *std::get<1>(q); }
  bool per_tensor() const { return scale.size() == 1; }
  QuantParams params() const { return {scale[0], zero_point[0]}; }
};

// What only a Gemm or MatMul has: whether the judge sums it in integers also where its result is
// not quantized at once.
struct Product {
  std::string tensor;        // what it writes, the Add of its bias included
  bool joins_add = false;    // a MatMul, of which an Add behind makes a Gemm with a bias
  bool reshapes = false;     // a MatMul with a bias of which the judge makes Reshape, Gemm, Reshape
  bool swaps = false;        // a Gemm that takes a Transpose behind it into its operands
  std::string binary32_for;  // what makes the judge sum binary32 numbers; empty: nothing does
};

// An s32 bias whose scale is not the accumulator's. Where the judge fuses the operator it adds
// these integers as they are, and so does `op`; where it computes in binary32 their real values
// count.
struct OffScaleBias {
  std::string name;
  std::optional<std::vector<int32_t>> rescaled;  // in units of the accumulator, if all are whole
};

// An operator whose output parameters are not known yet: `op` lacks y, multipliers and clamp.
struct Pending {
  Operator op;
  std::vector<ValueId> inputs;
  std::string node;      // label of the ONNX node
  std::string tensor;    // what it writes
  Shape shape;           // of the operator's output
  float alpha = 1.0f;    // Gemm's factor
  bool fusible = true;   // its inputs come straight from DequantizeLinear, of types that fuse
  size_t own_steps = 0;  // steps of its expression that belong to the node itself
  std::optional<OffScaleBias> off_scale;
  std::optional<Product> product;
};

struct Expression;

// The output of a Concat: expressions that are quantized, or computed, each by itself.
struct Joined {
  std::shared_ptr<const std::vector<Expression>> parts;
  std::vector<std::string> tensors;  // their names
  int64_t axis = 0;
  Shape shape;       // of the Concat
  std::string node;  // label of the ONNX node
};

struct ClampStep {
  float lo, hi;
};
struct ReshapeStep {
  Shape shape;
  bool is_flatten = false;
};
struct TransposeStep {
  std::vector<int64_t> perm;
};
struct MaxPoolStep {
  Window window;
  Shape shape;
};
struct SelectStep {
  std::vector<IndexMap> index;
  Tensor fill;            // a scalar, of the tensor's type
  bool is_slice = false;  // the judge moves a QuantizeLinear past Slice, and past no other
  Shape shape;
};
using Step = std::variant<ClampStep, ReshapeStep, TransposeStep, MaxPoolStep, SelectStep>;

struct Expression {
  std::variant<FloatInput, Dequantized, Pending, Joined> source;
  std::vector<Step> steps;
  Shape shape;
  bool shared = false;  // a tensor on the way has more than one consumer
};

// A tensor of the model: a constant of any type, an integer value of the graph, or an expression.
using Symbol = std::variant<std::shared_ptr<const Tensor>, ValueId, Expression>;

}  // namespace systole::graph
