// The quantized graph: what the compiler compiles and the graph reference executes.
//
// It is static (every shape a number), canonical (QDQ and QOperator models of one computation give
// the same graph) and small (the operators below and no others). All its arithmetic is that of
// host/golden/arith.hpp; each operator here names its formula there.
//
//   - Values are the tensors on edges. A value is s8/u8 (quantized) or f32: model inputs and
//   outputs,
//     what nothing quantizes at once (products, element-wise operators, pools), and pure data
//     movement. A value with `constant` is known now and is written by no node. Weights and biases
//     are in the nodes. s32 are sums of products (MatMulInteger); s32 and s64 for the
//     rest only move.
//   - Quantization parameters are in the nodes, not in the values: ONNX allows that two consumers
//     read one tensor with different ones.
//   - Shapes are ONNX's: NCHW. Layout on the chip is the compiler's.
//   - Nodes stand in an order of execution. Every node has one output.
//   - Integer clamps: `clamp` is applied to the sum of rounded value and zero point instead of
//     plain saturation; it lies within the range of the output's type, and stands for Relu, Clip.
//
// Float operators between DequantizeLinear and QuantizeLinear that are monotone or only move data
// (Relu, Clip, MaxPool, Reshape, Transpose...) commute exactly with quantization, so they act on
// quantized values here: Relu and Clip become clamps, the others integer operators.
#pragma once

#include <array>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "host/graph/index_map.hpp"
#include "host/import/model.hpp"
#include "host/import/tensor.hpp"

namespace systole::graph {

using ValueId = int;

struct Value {
  std::string name;  // the ONNX tensor's name; unique; made up ("conv1/relu#1") where ONNX has none
  DataType type;
  Shape shape;
  std::optional<Tensor> constant;
};

// real = (q - zero_point) * scale; per tensor. Scales are finite and positive.
struct QuantParams {
  float scale = 1.0f;
  int32_t zero_point = 0;
  bool operator==(const QuantParams& o) const {
    return scale == o.scale && zero_point == o.zero_point;
  }
};

// min(max(q, lo), hi). The range of the type when nothing is fused.
struct Clamp {
  int32_t lo = 0;
  int32_t hi = 0;
};

// min(max(v, lo), hi) of binary32 values. Everything when nothing is fused.
struct FloatClamp {
  float lo = -std::numeric_limits<float>::infinity();
  float hi = std::numeric_limits<float>::infinity();
  bool is_full() const { return lo == FloatClamp{}.lo && hi == FloatClamp{}.hi; }
};

// A 2-D window. Padding is explicit (auto_pad is resolved); the output's shape is authoritative
// (ceil_mode is resolved), so with ceil_mode the last window may reach past `pads`. The pads of a
// pool with auto_pad SAME and strides longer than its kernel may be negative: window (oh, ow)
// starts at oh * stride - pad in any case.
struct Window {
  std::array<int64_t, 2> kernel{1, 1};  // height, width
  std::array<int64_t, 2> stride{1, 1};
  std::array<int64_t, 2> dilation{1, 1};
  std::array<int64_t, 4> pads{0, 0, 0, 0};  // top, left, bottom, right
};

// When an offset is added. The judge has fused kernels (AfterOffset) and falls back to float ones
// for what they don't cover (BeforeOffset); both are exact here. See arith.hpp.
enum class Rounding {
  AfterOffset,   // one rounding of value / scale + zero point
  BeforeOffset,  // every float step rounded, then rne(value / scale) + zero point
};

// inputs: x f32 [any]. output: s8/u8, same shape. arith: quantize().
// scale.size() == zero_point.size() is 1 (per tensor) or shape[axis] (per channel).
struct Quantize {
  std::vector<float> scale;
  std::vector<int32_t> zero_point;
  int64_t axis = 0;
  Clamp clamp;
};

// DynamicQuantizeLinear in three steps, of parameters that are computed at run time.
//
// inputs: x f32 [any]. output: f32 [2]: how far its elements reach below 0, and above. arith:
// reach().
struct Reach {};

// inputs: a Reach. output: scale f32 [], or zero point u8 []. arith: dynamic_scale(),
// dynamic_zero_point().
struct DynamicParameter {
  bool is_zero_point = false;
};

// inputs: x f32 [any], a scale f32 and a zero point s8/u8 of one element. output: s8/u8 as the zero
// point, same shape as x. arith: quantize_dynamically(). QuantizeLinear with parameters computed
// at run time too.
struct DynamicQuantize {};

// inputs: x s8/u8 [any], or s32 with zero points 0 (Cast: scale 1). output: f32, same shape.
// arith: dequantize(), then the clamp.
struct Dequantize {
  std::vector<float> scale;
  std::vector<int32_t> zero_point;
  int64_t axis = 0;
  FloatClamp clamp;
};

// inputs: x s8/u8. output: s8/u8, same shape. arith: requantize(). Same parameters and type on both
// sides: a clamp alone (a standalone Relu).
struct Requantize {
  QuantParams x, y;
  Clamp clamp;
};

// inputs: x [N, C, H, W]. output: [N, M, OH, OW]. arith: conv accumulates (x - x.zp) * (w - w_zp)
// over the window (padding contributes 0) into s32, plus bias, then requantize_accumulator() with
// multiplier[m]. A 1-D Conv is brought here with H = 1 between two Reshapes. A second input is x's
// zero point, one element of x's type that is computed at run time; then there is no padding.
struct QConv {
  Window window;
  int64_t group = 1;
  QuantParams x, y;
  Tensor weights;                     // s8/u8 [M, C/group, KH, KW]
  std::vector<float> w_scale;         // M of them
  std::vector<int32_t> w_zero_point;  // M of them
  std::vector<int32_t> bias;          // M of them; 0 where the model has none
  std::vector<float> multiplier;      // M of them: (x.scale * w_scale[m]) / y.scale
  Clamp clamp;
};

// Multiplication by constant weights: Gemm, MatMul, QLinearMatMul.
// inputs: x [M, K], and its zero point where that is computed at run time. output: [M, N]. weights
// s8/u8 [K, N]. As QConv with channel n.
// Other ranks, transA and transB are resolved by Reshape, Transpose and at import.
// An f32 output has no y and no clamp: multiplier[n] is x.scale * w_scale[n], arith: product(),
// then float_clamp. An s32 output as QConv's (MatMulInteger).
struct QGemm {
  QuantParams x, y;
  Tensor weights;
  std::vector<float> w_scale;
  std::vector<int32_t> w_zero_point;
  std::vector<int32_t> bias;
  std::vector<float> multiplier;
  Clamp clamp;
  FloatClamp float_clamp;
};

// Multiplication of two values, run-time operands or constant ones.
// inputs: a [A, M, K], b [B, K, N]. output: [P, M, N]: product p is a[a_batch[p]] * b[b_batch[p]].
// arith: sum of (a - a.zp) * (b - b_zp[n]) into s32, plus bias, requantize_accumulator(). f32
// and s32 outputs as QGemm's. Zero points that are computed at run time are further inputs: that of
// a, then that of b, one element each.
struct QMatMul {
  QuantParams a, y;
  std::vector<float> b_scale;             // N of them
  std::vector<int32_t> b_zero_point;      // N of them
  std::vector<int64_t> a_batch, b_batch;  // P of each
  std::vector<int32_t> bias;              // N of them; 0 where the model has none
  std::vector<float> multiplier;          // N of them: (a.scale * b_scale[n]) / y.scale
  Clamp clamp;
  FloatClamp float_clamp;
  bool gives_a_zero = false, gives_b_zero = false;  // by an input
};

// inputs: a, b s8/u8, shapes broadcast as numpy does; either may be constant. arith: add(),
// or add_unfused() for BeforeOffset.
struct QAdd {
  QuantParams a, b, y;
  Rounding rounding = Rounding::AfterOffset;
  Clamp clamp;
};

// A function of one number. alpha, beta: the bounds of Clip, the slope of LeakyRelu, factor and
// offset of HardSigmoid.
enum class Function { Clip, LeakyRelu, HardSigmoid, HardSwish, Sigmoid, Tanh };

// inputs: x. output: same shape. Either may be f32, s8 or u8: a quantized x is dequantized first, a
// quantized result quantized last. arith: quantize(apply(dequantize(x))).
struct Unary {
  Function function = Function::Clip;
  float alpha = 0.0f, beta = 0.0f;
  QuantParams x, y;
  Clamp clamp;
};

enum class BinaryFunction { Add, Sub, Mul, Div };

// inputs: a, b, shapes broadcast as numpy does; either may be constant, each may be f32, s8 or u8,
// and so may the output. arith: quantize(apply(dequantize(a), dequantize(b))); AfterOffset is for a
// Mul of one integer type throughout, multiply(). Sums that the judge fuses are QAdd. `wraps`: s8
// or u8 as numbers, modulo 256, without parameters; a quotient without its fraction, 0 for a
// divisor 0.
struct Binary {
  BinaryFunction function = BinaryFunction::Add;
  QuantParams a, b, y;
  Rounding rounding = Rounding::BeforeOffset;
  Clamp clamp;
  bool wraps = false;
};

// inputs: x [R, N]. output: [R, N]: each row's exp(x - max) divided by their sum. Types as Unary.
// arith: softmax(). Other axes are brought here by Transpose and Reshape.
struct Softmax {
  QuantParams x, y;
  Clamp clamp;
};

// In which order numbers are added: that of the judge, which depends on where the axes of a mean
// lie.
enum class RowOrder {
  Packets,   // four apart, from the first one on that lies at a multiple of four in the tensor
  Sequence,  // one after the other
  Fours      // four at a time
};

// inputs: x [R, N]. output: [R, 1]: the sum of each row, divided. Types as Unary. arith:
// row_mean(). Other axes as for Softmax.
struct RowMean {
  QuantParams x, y;
  Clamp clamp;
  RowOrder order = RowOrder::Packets;
  int64_t divisor = 1;
};

// inputs: x [R, N], s8, u8 or f32. output: s64 [R, 1]: where the largest number of each row is, the
// first or the last of equal ones. Infinities count as the largest finite numbers; 0 for a row with
// a NaN. Other axes as for Softmax.
struct ArgMax {
  bool last = false;
};

// inputs: x [N, C, H, W]. output: [N, C, OH, OW], type and parameters of x, which may be f32.
// Padding never wins; a window wholly in padding gives the lowest value of the type (f32: -inf).
struct QMaxPool {
  Window window;
};

// Which elements of a window an average counts: those in the input; those in the padding too; all,
// also where ceil_mode makes the window reach past the padding.
enum class Counted { Inside, Padded, Window };

// inputs: x [N, C, H, W]. output: [N, C, OH, OW]. Either may be f32. arith: average_pool().
// The divisor of an output is average_divisor() below.
struct QAveragePool {
  Window window;
  Counted counted = Counted::Inside;
  QuantParams x, y;
  Rounding rounding = Rounding::AfterOffset;
  Clamp clamp;
};

// inputs: x [N, C, H, W]. output: [N, C, 1, 1]. arith: global_average_pool().
struct QGlobalAveragePool {
  QuantParams x, y;
  Clamp clamp;
};

// inputs: x of any type. output: same type and number of elements, the value's shape, in C order of
// the ONNX (NCHW) shape. Flatten, Squeeze, Unsqueeze too.
struct Reshape {};

// inputs: x of any type. output: same type, shape[i] = x.shape[perm[i]].
struct Transpose {
  std::vector<int64_t> perm;
};

// inputs: x of any type. output: same type; element [i0, i1, ...] is x[index[0][i0], index[1][i1],
// ...], or `fill`, a scalar, where one of these is kFillIndex. Slice, Split, Pad, Gather, Tile,
// Resize.
struct Select {
  std::vector<IndexMap> index;  // one an axis
  Tensor fill;
};

// inputs: one or more of one type, of one shape but for `axis`. output: one behind the other.
struct Concat {
  int64_t axis = 0;
};

using Operator =
    std::variant<Quantize, Dequantize, Requantize, Reach, DynamicParameter, DynamicQuantize, QConv,
                 QGemm, QMatMul, QAdd, Unary, Binary, Softmax, RowMean, ArgMax, QMaxPool,
                 QAveragePool, QGlobalAveragePool, Reshape, Transpose, Select, Concat>;

struct Node {
  std::string name;  // the ONNX node it comes from, for reports and messages
  Operator op;
  std::vector<ValueId> inputs;
  ValueId output;
};

struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs;   // run-time inputs, in the model's order; f32, s8 or u8, s32, s64
  std::vector<ValueId> outputs;  // in the model's order, under the model's names

  const Value& value(ValueId id) const { return values[static_cast<size_t>(id)]; }
  const Value& output_of(const Node& node) const { return value(node.output); }
};

// Name of an operator, as reports print it: "QConv".
std::string operator_name(const Operator& op);
// Multiply-accumulates of a node: what its loop nest needs, padding included; 0 if it has none.
int64_t mac_count(const Graph& graph, const Node& node);
// What output (oh, ow) of an average pool divides by: the elements that count, at least 1.
int64_t average_divisor(const Window& window, Counted counted, int64_t height, int64_t width,
                        int64_t oh, int64_t ow);
// One line a node, for people.
std::string describe(const Graph& graph);

using Tensors = std::map<std::string, Tensor>;

// The model inputs that a graph depends on by value: scales, zero points, weights of Conv and Gemm,
// biases, shapes and clip bounds that are graph inputs, and every input with a default. They must
// be among the tensors given to build(), unless the model has a default; the graph no longer has
// them as inputs.
std::vector<std::string> parameter_inputs(const onnx::Model& model);
// The model inputs whose shapes build() must be given: those with a dynamic batch dimension.
std::vector<std::string> dynamic_inputs(const onnx::Model& model);

// Binds a model and brings it to canonical form.
//
// `inputs` gives the values of parameter inputs and the shapes of the others: dynamic dimensions
// are bound to the shapes given here. A model without either may be built with no inputs at all.
// Throws Error naming node, operator, attribute and reason for what can't be built.
Graph build(const onnx::Model& model, const Tensors& inputs = {});

// Throws Error naming the tensor unless `inputs` has each run-time input of the graph with its type
// and shape, and nothing that the model does not know.
void check_inputs(const Graph& graph, const onnx::Model& model, const Tensors& inputs);

}  // namespace systole::graph
