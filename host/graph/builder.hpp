// Turns an ONNX model into a canonical graph, node by node (build() in graph.hpp is the interface).
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "host/graph/expression.hpp"
#include "host/graph/graph.hpp"

namespace systole::graph {

class Builder {
 public:
  Builder(const onnx::Model& model, const Tensors& inputs);
  Graph build();

  using Handler = void (Builder::*)(const onnx::Node&);

 private:
  // An integer operand and its parameters. `direct`: the judge sees it as the output of a
  // DequantizeLinear, so that its fused kernels apply.
  struct Operand {
    ValueId value;
    QuantParams params;
    bool direct = true;
    std::optional<ValueId> given_zero = std::nullopt;  // as in Dequantized
  };
  // Constant weights in their own shape; parameters are one or one per index of `axis`.
  using Weights = Dequantized;
  // What is added to accumulators. `as_is`: the integers of an s32 bias, whatever its scale.
  struct Biases {
    std::vector<int32_t> values;
    bool as_is = true;
    std::optional<OffScaleBias> off_scale;
  };
  // Who reads a tensor, through Identity.
  struct Readers {
    std::vector<const onnx::Node*> nodes;
    bool is_output = false;
    const onnx::Node* only() const { return nodes.size() == 1 && !is_output ? nodes[0] : nullptr; }
  };
  struct OutputParams {
    QuantParams y;
    DataType type;
    float lo, hi;        // what Relu and Clip leave
    bool direct = true;  // no step that keeps the judge from fusing
  };

  // ---- bind.cpp: model inputs
  void bind_initializers();
  void bind_inputs(const Tensors& inputs);
  void bind_input(const onnx::Port& port, const Tensor* given, bool is_parameter);
  std::set<size_t> live_nodes() const;
  void finish_outputs();
  ValueId finish_output(const onnx::Port& port);
  void prune();

  // ---- operators.cpp: one handler an ONNX operator
  static const std::map<std::string, Handler>& handlers();
  void quantize_linear(const onnx::Node& node);
  void dequantize_linear(const onnx::Node& node);
  void conv(const onnx::Node& node);
  void gemm(const onnx::Node& node);
  void matmul(const onnx::Node& node);
  void add(const onnx::Node& node);
  void relu(const onnx::Node& node);
  void clip(const onnx::Node& node);
  void qlinear_conv(const onnx::Node& node);
  void qlinear_matmul(const onnx::Node& node);
  void qlinear_add(const onnx::Node& node);

  // What the QDQ and the QOperator form share: the pending operator of given operands.
  Expression make_conv(const onnx::Node& node, Operand x, const Weights& w,
                       const std::vector<int32_t>& bias);
  Expression make_matmul(const onnx::Node& node, Operand a, const Dequantized& b);
  Expression make_add(const onnx::Node& node, Operand a, Operand b);
  void clamp(const onnx::Node& node, float lo, float hi);
  // Add of a constant to a Conv, Gemm or MatMul that is not quantized in between: its bias.
  bool fold_bias(const onnx::Node& node, size_t product, size_t constant);
  Pending start_pending(const onnx::Node& node, Operator op, std::vector<ValueId> inputs,
                        Shape shape) const;
  void finish_qlinear(const onnx::Node& node, Expression expression, const Dequantized& y);

  // ---- dynamic.cpp: parameters of quantization that are computed at run time
  void dynamic_quantize_linear(const onnx::Node& node);
  // Whether scale or zero point, inputs 1 and 2, are computed at run time.
  bool has_run_time_parameters(const onnx::Node& node) const;
  void quantize_at_run_time(const onnx::Node& node);
  void dequantize_at_run_time(const onnx::Node& node);
  // The same with parameters by block of an axis, constants.
  void quantize_blocks(const onnx::Node& node);
  void dequantize_blocks(const onnx::Node& node);
  // Constant input i, given by block, as a binary32 number for each element of `shape`.
  ValueId by_element(const onnx::Node& node, size_t i, const char* role, const Shape& shape);
  // Input i, float32, as a value.
  ValueId float_value(const onnx::Node& node, size_t i);
  ValueId emit_binary(const onnx::Node& node, BinaryFunction function, ValueId a, ValueId b,
                      const std::string& name);
  ValueId float_constant(float value, const std::string& name);
  // What output_dtype says of QuantizeLinear's result.
  DataType output_type(const onnx::Node& node, DataType of_zero_point) const;
  // DequantizeLinear of s32 that are computed at run time.
  void dequantize_sums(const onnx::Node& node, const Dequantized& source);
  // Input i as a value with one element.
  ValueId single_value(const onnx::Node& node, size_t i, const char* role);
  // Integers as binary32 numbers.
  ValueId number_value(const onnx::Node& node, ValueId value, const std::string& name);
  // An image with its zero point, a value, around it.
  ValueId padded_value(const onnx::Node& node, ValueId x, ValueId zero, const Window& window,
                       int64_t height, int64_t width);

  // ---- elementwise.cpp
  void sub(const onnx::Node& node);
  void mul(const onnx::Node& node);
  void div(const onnx::Node& node);
  void leaky_relu(const onnx::Node& node);
  void hard_sigmoid(const onnx::Node& node);
  void hard_swish(const onnx::Node& node);
  void sigmoid(const onnx::Node& node);
  void tanh(const onnx::Node& node);
  void qlinear_mul(const onnx::Node& node);
  void qlinear_leaky_relu(const onnx::Node& node);
  void qlinear_sigmoid(const onnx::Node& node);
  void binary(const onnx::Node& node, BinaryFunction function);
  void refuse_old_broadcast(const onnx::Node& node) const;
  Expression make_binary(const onnx::Node& node, BinaryFunction function, Operand a, Operand b);
  // An operator on two tensors of integers that are no codes; false where they are none.
  bool wrapping_binary(const onnx::Node& node, BinaryFunction function);
  Expression make_unary(const onnx::Node& node, Operand x, Unary op);
  void qlinear_unary(const onnx::Node& node, const Unary& op);

  // ---- rows.cpp
  void softmax(const onnx::Node& node);
  void reduce_mean(const onnx::Node& node);
  void arg_max(const onnx::Node& node);
  void qlinear_softmax(const onnx::Node& node);
  void qlinear_reduce_mean(const onnx::Node& node);
  Expression make_softmax(const onnx::Node& node, Operand x, int64_t opset);
  Expression make_reduce_mean(const onnx::Node& node, Operand x, std::vector<int64_t> axes);
  // The tensor with the axes, ascending, moved to the end, as [R, N].
  ValueId rows_of(const onnx::Node& node, ValueId x, const std::vector<int64_t>& axes);

  // ---- pools.cpp
  void max_pool(const onnx::Node& node);
  void global_max_pool(const onnx::Node& node);
  void average_pool(const onnx::Node& node);
  void global_average_pool(const onnx::Node& node);
  void qlinear_average_pool(const onnx::Node& node);
  void qlinear_global_average_pool(const onnx::Node& node);
  void pool_maximum(const onnx::Node& node, const std::vector<Step>& steps, const Shape& result);
  Expression make_average_pool(const onnx::Node& node, Operand x);
  Expression make_volume_average_pool(const onnx::Node& node, const Operand& x);
  Expression make_image_average_pool(const onnx::Node& node, Operand x, const PlacedWindow& placed);
  Expression make_global_average_pool(const onnx::Node& node, Operand x);

  // ---- real.cpp: float tensors as values of the graph
  bool is_quantized(const Operand& operand) const;
  // Input i for operators that take binary32 numbers too: integers where a DequantizeLinear and
  // movement are all that is before it, else an f32 value.
  Operand real_operand(const onnx::Node& node, size_t i);
  // An expression as an f32 value, emitted once for each tensor.
  ValueId real_value(const Expression& expression, const std::string& tensor,
                     const std::string& where);
  ValueId real_dequantized(const Expression& expression, const std::string& tensor);
  ValueId real_joined(const Expression& expression, const std::string& tensor,
                      const std::string& where);
  // The result of a pending operator that is not quantized.
  ValueId real_pending(const Pending& pending, const std::string& where);
  ValueId real_steps(ValueId value, const std::vector<Step>& steps, const std::string& tensor);
  // ---- movement.cpp: constants, and what only moves elements
  void constant(const onnx::Node& node);
  void identity(const onnx::Node& node);
  void shape(const onnx::Node& node);
  void reshape(const onnx::Node& node);
  void flatten(const onnx::Node& node);
  void squeeze(const onnx::Node& node);
  void unsqueeze(const onnx::Node& node);
  void transpose_node(const onnx::Node& node);
  void slice(const onnx::Node& node);
  void split(const onnx::Node& node);
  void pad(const onnx::Node& node);
  void gather(const onnx::Node& node);
  void resize(const onnx::Node& node);
  void concat(const onnx::Node& node);
  void qlinear_concat(const onnx::Node& node);
  // Output `output` of a node that does `steps` to its input 0, which gives `shape`.
  void move_data(const onnx::Node& node, const std::vector<Step>& steps, const Shape& shape,
                 size_t output = 0);
  // The same of a selection, seen in another shape where `shape` is not its own.
  void select_data(const onnx::Node& node, const SelectStep& step, const Shape& shape,
                   size_t output = 0);
  std::vector<IndexMap> identity_maps(const onnx::Node& node) const;
  // The integers of input i where the node has one, else of the attribute.
  std::vector<int64_t> integers_of(const onnx::Node& node, size_t i, const char* name) const;
  // Which axes the entries of a list are for: those of `axes`, or all in order.
  std::vector<size_t> axes_of(const onnx::Node& node, std::vector<int64_t> axes, size_t entries,
                              const char* list) const;
  std::vector<ResizeAxis> resize_axes(const onnx::Node& node) const;
  bool concat_values(const onnx::Node& node, int64_t axis, const Shape& shape);
  void concat_expressions(const onnx::Node& node, int64_t axis, const Shape& shape);

  // ---- integer.cpp: products whose integers are the result, and Cast
  void conv_integer(const onnx::Node& node);
  void matmul_integer(const onnx::Node& node);
  void cast(const onnx::Node& node);
  // Input i, s8 or u8, with its zero points in input `zero`, one or one an index of `axis`.
  Dequantized integer_input(const onnx::Node& node, size_t i, size_t zero, int64_t axis);
  Operand integer_operand(const onnx::Node& node, size_t i, size_t zero);
  void define_sums(const onnx::Node& node, const Expression& expression);

  // ---- builder.cpp: access to symbols, emission
  std::string where(const onnx::Node& node) const;
  std::string where_of(const Pending& pending) const;
  bool has_input(const onnx::Node& node, size_t i) const;
  const Symbol& symbol(const onnx::Node& node, size_t i) const;
  const Shape& shape_of(const onnx::Node& node, size_t i) const;
  // Of what is computed with. Movement alone takes tensors that have none.
  void require_elements(const onnx::Node& node, size_t i) const;
  const Tensor& constant_input(const onnx::Node& node, size_t i, const char* role) const;
  std::vector<int64_t> integers_input(const onnx::Node& node, size_t i, const char* role) const;
  float scalar_input(const onnx::Node& node, size_t i, float otherwise) const;
  // Scale and zero point, as inputs i and i + 1; the type is that of the zero point, else u8.
  Dequantized parameters(const onnx::Node& node, size_t i, const Shape& shape, int64_t axis,
                         std::optional<DataType> type) const;
  // Whether operand() can give this expression.
  bool has_integers(const Expression& expression) const;
  // Input i as integers; data movement and activations on the way to it are emitted.
  Operand operand(const onnx::Node& node, size_t i);
  // Input i of a QOperator node, whose parameters are its inputs i + 1 and i + 2.
  Operand qlinear_operand(const onnx::Node& node, size_t i);
  Weights weights(const onnx::Node& node, size_t i) const;
  // Constant input i as biases in units of the accumulator, x_scale * w_scale[c] (x_scale holds
  // Gemm's alpha). One element serves all channels. `joins`: the judge's fused operators have it.
  Biases bias(const onnx::Node& node, size_t i, float x_scale, const std::vector<float>& w_scale,
              float beta, bool joins) const;
  // The same of an s32 bias through DequantizeLinear.
  Biases integer_bias(const onnx::Node& node, const std::string& name, const Dequantized& source,
                      float x_scale, const std::vector<float>& w_scale, float beta,
                      bool joins) const;
  // A copy of input i's expression, `shared` brought up to date.
  Expression take(const onnx::Node& node, size_t i) const;
  void define(const onnx::Node& node, Symbol result);
  void define_output(const onnx::Node& node, size_t output, Symbol result);
  DataType type_of(const onnx::Node& node, size_t i) const;

  ValueId emit(const std::string& node, Operator op, std::vector<ValueId> inputs, DataType type,
               Shape shape, const std::string& name);
  ValueId add_value(const std::string& name, DataType type, Shape shape);
  ValueId constant_value(const std::shared_ptr<const Tensor>& tensor, const std::string& name);
  ValueId reshape_value(ValueId value, const Shape& shape, const std::string& node,
                        const std::string& name);
  ValueId transpose_value(ValueId value, const std::vector<int64_t>& perm, const std::string& node,
                          const std::string& name);
  // Emits the movement steps on an integer (or float) value; `params` are those of the value, where
  // a step fills in real numbers.
  ValueId emit_steps(ValueId value, const std::vector<Step>& steps, const std::string& node,
                     const std::string& name, std::optional<QuantParams> params = std::nullopt);
  // The operand that a Concat of equally quantized parts is.
  std::optional<Operand> joined_operand(const onnx::Node& node, const Expression& expression);
  ValueId quantize_joined(const onnx::Node& node, const Expression& expression,
                          const Dequantized& y);
  // Whether the judge computes this operator in integers, given what quantizes it.
  bool is_fused(const Pending& pending, const OutputParams& out) const;
  // Emits a pending operator, now that its output is known.
  ValueId emit_pending(const Pending& pending, const OutputParams& out, const std::string& name);
  ValueId quantize_expression(const onnx::Node& node, const Expression& expression,
                              const Dequantized& y) {
    return quantize_expression(node, expression, y, node.inputs[0]);
  }
  // `tensor`: the name of what is quantized.
  ValueId quantize_expression(const onnx::Node& node, const Expression& expression,
                              const Dequantized& y, const std::string& tensor);
  // Quantizes the float value that an expression starts from, then does its steps on integers.
  ValueId quantize_value(const onnx::Node& node, ValueId value, const Expression& expression,
                         const Dequantized& y);

  // ---- product.cpp: products whose result is f32
  Readers readers_of(const std::string& tensor) const;
  bool is_quantized_by(const onnx::Node& reader) const;
  bool is_transposed_and_quantized(const std::string& tensor) const;
  // What makes the judge sum a product in binary32, if no QuantizeLinear joins it; else empty.
  std::string binary32_for(const Product& product) const;
  // Whether the judge computes this product's f32 values and quantizes those.
  bool is_float_product(const Expression& expression) const;
  // Emits a product with an f32 output, once for each clamp.
  ValueId emit_float_product(const Pending& pending, FloatClamp clamp);
  // Throws unless the judge computes this product's f32 values as they are here.
  void check_float_product(const Pending& pending, const std::vector<Step>& steps,
                           const std::string& tensor, const std::string& where) const;

  onnx::Model model_;
  Graph graph_;
  std::map<std::string, Symbol> symbols_;
  std::map<std::string, int> consumers_;
  std::map<std::string, Operand> operands_;  // by tensor, so that each is emitted once
  std::map<std::tuple<std::string, float, float>, ValueId> float_products_;  // tensor, clamp
  std::map<std::string, ValueId> reals_;                                     // by tensor
  std::map<std::string, ValueId> real_pending_;  // by the tensor that the operator writes
  std::set<std::string> value_names_;
};

// The range of an integer type.
Clamp type_range(DataType type);
// All Relu and Clip of the steps as one.
FloatClamp combined_clamp(const std::vector<Step>& steps);
// Whether the judge moves a QuantizeLinear behind these steps to before them, and so fuses.
bool moves_only(const std::vector<Step>& steps);
// Relu or Clip behind an expression.
void append_clamp(Expression& expression, FloatClamp limits);
// Whether a step puts in elements of its own.
bool has_fill(const std::vector<Step>& steps);
// What accumulators are multiplied with, by channel: (x_scale * w_scale[c]) / y_scale.
std::vector<float> multipliers(float x_scale, const std::vector<float>& w_scale, float y_scale);

}  // namespace systole::graph
