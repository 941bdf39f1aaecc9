#include "host/compile/operators.hpp"

#include <algorithm>

#include "host/compile/dynamic.hpp"
#include "host/compile/map.hpp"
#include "host/golden/arith.hpp"

namespace systole::compile {

using graph::Node;
using graph::ValueId;

/// The value as element-wise operators with parameters by channel take it: channels along one axis.
Stored Operators::by_channel(const Stored& from, std::size_t parameters, int64_t axis) {
  const bool apart = parameters > 1 && from.view.dims()[static_cast<std::size_t>(axis)].size() > 1;
  return apart ? values_.with_view(from, View::row_major(from.shape)) : from;
}

void Operators::operator()(const Node& node, const graph::Quantize& op) {
  const Stored from = by_channel(values_.stored(node.inputs[0]), op.scale.size(), op.axis);
  const graph::Value& value = graph_.output_of(node);
  Stored to = values_.make_output(
      node, value.shape.size() == 4 ? View::channels_last(value.shape) : from.view);
  MapOperator map;
  map.first = &from;
  map.output = &to;
  MapPass pass;
  pass.command = division(op.scale[0]);
  set_codes(pass.command, op.zero_point[0], op.clamp);
  map.passes = {pass};
  if (op.scale.size() > 1) {
    // Round first, then add the channel's zero point: whole numbers, exact in binary32 as far as
    // they are not clamped.
    map.channel_axis = op.axis;
    pass.s = op.scale;
    for (const float scale : op.scale) pass.t.push_back(golden::quotient(1.0f, scale));
    map.temporary = spec::Vtype::S32;
    pass.to = Slot::T0;
    set_codes(pass.command, 0, {0, 0});
    MapPass offset;
    offset.a = Slot::T0;
    offset.command.op = spec::Vop::Fma;
    offset.command.s = float_bits(1.0f);
    for (const int32_t zp : op.zero_point) offset.c.push_back(static_cast<float>(zp));
    set_codes(offset.command, 0, op.clamp);
    map.passes = {pass, offset};
  }
  emit_map(context_, map);
  values_.define(node, to);
}

void Operators::operator()(const Node& node, const graph::Dequantize& op) {
  const Stored from = by_channel(values_.stored(node.inputs[0]), op.scale.size(), op.axis);
  const graph::Value& value = graph_.output_of(node);
  const bool is_output = std::count(graph_.outputs.begin(), graph_.outputs.end(), node.output) > 0;
  Stored to = values_.make_output(node, is_output ? View::row_major(value.shape) : from.view);
  MapOperator map;
  map.first = &from;
  map.output = &to;
  MapPass pass;
  pass.command.op = spec::Vop::Mul;
  pass.command.s = float_bits(op.scale[0]);
  set_clip(pass.command, op.clamp);
  if (op.scale.size() == 1) {
    pass.command.a_zp = static_cast<int16_t>(op.zero_point[0]);
    map.passes = {pass};
  } else {
    // q - zp of the channel first: exact in binary32.
    map.channel_axis = op.axis;
    MapPass offset;
    offset.to = Slot::T0;
    offset.command.op = spec::Vop::Fma;
    offset.command.s = float_bits(1.0f);
    for (const int32_t zp : op.zero_point) offset.c.push_back(static_cast<float>(-zp));
    pass.a = Slot::T0;
    pass.s = op.scale;
    map.passes = {offset, pass};
  }
  emit_map(context_, map);
  values_.define(node, to);
}

void Operators::operator()(const Node& node, const graph::Requantize& op) {
  const Stored& from = values_.stored(node.inputs[0]);
  Stored to = values_.make_output(node, from.view);
  MapOperator map;
  map.first = &from;
  map.output = &to;
  if (op.x == op.y) {
    MapPass pass = copy_pass(from.type);
    set_codes(pass.command, 0, op.clamp);
    map.passes = {pass};
  } else {
    MapPass real;
    real.to = Slot::T0;
    real.command.op = spec::Vop::Mul;
    real.command.a_zp = static_cast<int16_t>(op.x.zero_point);
    real.command.s = float_bits(op.x.scale);
    MapPass codes;
    codes.a = Slot::T0;
    codes.command = division(op.y.scale);
    set_codes(codes.command, op.y.zero_point, op.clamp);
    map.passes = {real, codes};
  }
  emit_map(context_, map);
  values_.define(node, to);
}

void Operators::operator()(const Node& node, const graph::Reach&) {
  Stored to = values_.make_output(node, View::row_major({2}));
  emit_reach(context_, values_.stored(node.inputs[0]), to);
  values_.define(node, to);
}

void Operators::operator()(const Node& node, const graph::DynamicParameter& op) {
  Stored to = values_.make_output(node, View::row_major({}));
  emit_dynamic_parameter(context_, values_.stored(node.inputs[0]), op.is_zero_point, to);
  values_.define(node, to);
}

/// golden::quantize_dynamically().
void Operators::operator()(const Node& node, const graph::DynamicQuantize&) {
  const Stored& from = values_.stored(node.inputs[0]);
  const Stored& scale = values_.stored(node.inputs[1]);
  const Stored& zero = values_.stored(node.inputs[2]);
  const graph::Value& value = graph_.output_of(node);
  Stored to = values_.make_output(
      node, value.shape.size() == 4 ? View::channels_last(value.shape) : from.view);
  MapOperator map;
  map.first = &from;
  map.output = &to;
  map.singles = {{&scale, 1.0f, spec::Vact::None},
                 {&scale, 1.0f, spec::Vact::Recip},
                 {&zero, 1.0f, spec::Vact::None}};
  map.temporary = spec::Vtype::S32;
  MapPass whole;
  whole.to = Slot::T0;
  whole.command.op = spec::Vop::Div;
  whole.s_single = 0;
  whole.t_single = 1;
  MapPass offset;
  offset.a = Slot::T0;
  offset.command.op = spec::Vop::Fma;
  offset.command.s = float_bits(1.0f);
  offset.c_single = 2;
  const int32_t lowest = value.type == DataType::S8 ? -128 : 0;
  set_codes(offset.command, 0, {lowest, lowest + 255});
  map.passes = {whole, offset};
  emit_map(context_, map);
  values_.define(node, to);
}

void Operators::operator()(const Node& node, const graph::QAdd& op) {
  Stored a = values_.stored(node.inputs[0]);
  Stored b = values_.stored(node.inputs[1]);
  const graph::Value& value = graph_.output_of(node);
  // The output lies as an operand of its shape does.
  const Stored& like = a.shape == value.shape ? a : b;
  View view = like.shape == value.shape ? like.view : View::row_major(value.shape);
  a = values_.with_view(a, a.shape == value.shape ? view : View::row_major(a.shape));
  b = values_.with_view(b, b.shape == value.shape ? view : View::row_major(b.shape));
  Stored to = values_.make_output(node, view);
  MapOperator map;
  map.first = &a;
  map.second = &b;
  map.output = &to;
  if (op.rounding == graph::Rounding::AfterOffset) {
    const golden::AddCoefficients k = golden::add_coefficients(op.a, op.b, op.y);
    MapPass pass;
    pass.b = Slot::Second;
    pass.command.op = spec::Vop::Fma;
    pass.command.s = float_bits(k.ra);
    pass.command.t = float_bits(k.rb);
    pass.command.c = float_bits(k.offset);
    set_codes(pass.command, 0, op.clamp);
    map.passes = {pass};
  } else {
    MapPass first;
    first.to = Slot::T0;
    first.command.op = spec::Vop::Mul;
    first.command.a_zp = static_cast<int16_t>(op.a.zero_point);
    first.command.s = float_bits(op.a.scale);
    MapPass sum;  // fma(a, 1, fma(b, sb, -0)): b's product rounded, then the sum
    sum.a = Slot::T0;
    sum.b = Slot::Second;
    sum.to = Slot::T0;
    sum.command.op = spec::Vop::Fma;
    sum.command.b_zp = static_cast<int16_t>(op.b.zero_point);
    sum.command.s = float_bits(1.0f);
    sum.command.t = float_bits(op.b.scale);
    sum.command.c = float_bits(-0.0f);
    MapPass codes;
    codes.a = Slot::T0;
    codes.command = division(op.y.scale);
    set_codes(codes.command, op.y.zero_point, op.clamp);
    map.passes = {first, sum, codes};
  }
  emit_map(context_, map);
  values_.define(node, to);
}

void Operators::operator()(const Node& node, const graph::Unary& op) {
  const Stored& from = values_.stored(node.inputs[0]);
  Stored to = values_.make_output(node, from.view);
  MapOperator map;
  map.first = &from;
  map.output = &to;
  map.passes = passes_of(op, from.type, to.type);
  emit_map(context_, map);
  values_.define(node, to);
}

/// A sum or product takes one number from its command, a constant, or as a single of the map.
BinaryOperand Operators::operand_of(const graph::Binary& op, ValueId id,
                                    graph::QuantParams params) const {
  const graph::Value& value = graph_.value(id);
  BinaryOperand operand;
  operand.type = value.type;
  const bool takes = op.function != graph::BinaryFunction::Div && !op.wraps &&
                     op.rounding == graph::Rounding::BeforeOffset;
  if (!takes || element_count(value.shape) != 1) return operand;
  if (!value.constant) {
    operand.is_single = value.type == DataType::F32;
  } else if (value.type == DataType::F32) {
    operand.value = *value.constant->data<float>();
  } else {
    operand.value = golden::dequantize(static_cast<int32_t>(value.constant->integer(0)),
                                       params.scale, params.zero_point);
  }
  return operand;
}

void Operators::operator()(const Node& node, const graph::Binary& op) {
  const graph::Value& value = graph_.output_of(node);
  BinaryOperand kind_a = operand_of(op, node.inputs[0], op.a);
  BinaryOperand kind_b = operand_of(op, node.inputs[1], op.b);
  // One number among many, or one of two such: then a constant rather than the other.
  if (graph_.value(node.inputs[0]).shape != value.shape || kind_a.value) kind_b.is_single = false;
  if (kind_b.is_one()) kind_a = {kind_a.type, std::nullopt, false};
  if (graph_.value(node.inputs[1]).shape != value.shape) kind_a.is_single = false;
  Stored a = values_.stored(node.inputs[0]);
  Stored b = values_.stored(node.inputs[1]);
  // The output lies as an operand of its shape does.
  const Stored& like = a.shape == value.shape && !kind_a.is_one() ? a : b;
  const View view = like.shape == value.shape ? like.view : View::row_major(value.shape);
  a = values_.with_view(a, a.shape == value.shape ? view : View::row_major(a.shape));
  b = values_.with_view(b, b.shape == value.shape ? view : View::row_major(b.shape));
  Stored to = values_.make_output(node, view);
  MapOperator map;
  map.first = kind_a.is_one() ? &b : &a;
  map.second = kind_a.is_one() || kind_b.is_one() ? nullptr : &b;
  map.output = &to;
  if (kind_b.is_single) map.singles = {{&b, single_factor(op.function, true), spec::Vact::None}};
  if (kind_a.is_single) map.singles = {{&a, single_factor(op.function, false), spec::Vact::None}};
  map.passes = passes_of(op, kind_a, kind_b, to.type);
  emit_map(context_, map);
  values_.define(node, to);
}

}  // namespace systole::compile
