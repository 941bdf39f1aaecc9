// Constants, and operators that only move elements: Reshape and its kin, Transpose, selections
// (Slice, Split, Pad, Gather, Resize) and Concat. They do their work on constants here, on values
// as nodes of the graph, and on what is still float as steps of its expression.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "host/command/error.hpp"
#include "host/graph/attributes.hpp"
#include "host/graph/builder.hpp"
#include "host/graph/constants.hpp"

namespace systole::graph {
namespace {

// The element 0.
Tensor zero_of(DataType type) { return Tensor(type, Shape{}); }

void require_float(const Tensor& tensor, const char* role, const std::string& where) {
  if (tensor.type() == DataType::F32) return;
  throw Error(fmt::format("{} have the wrong type", role), where, to_string(DataType::F32),
              to_string(tensor.type()));
}

void require_selectable(int64_t size, const std::string& where) {
  if (size <= kMaxSelected) return;
  throw Error("an axis is too long for a selection", where,
              fmt::format("at most {} elements", kMaxSelected), fmt::format("{}", size));
}

Tensor moved_constant(const Tensor& tensor, const Step& step) {
  if (const auto* transposed = std::get_if<TransposeStep>(&step)) {
    return transpose(tensor, transposed->perm);
  }
  if (const auto* selected = std::get_if<SelectStep>(&step)) {
    return select(tensor, selected->index, selected->fill);
  }
  return tensor.reshaped(std::get<ReshapeStep>(step).shape);
}

}  // namespace

// ---- constants
// -----------------------------------------------------------------------------------

void Builder::constant(const onnx::Node& node) {
  const auto value = node.attributes.find("value");
  if (value != node.attributes.end()) {
    if (const auto* tensor = std::get_if<Tensor>(&value->second)) {
      define(node, std::make_shared<const Tensor>(*tensor));
      return;
    }
  }
  if (node.attributes.count("value_float")) {
    const std::vector<float> one{attribute<float>(node, "value_float", 0)};
    define(node, std::make_shared<const Tensor>(Shape{}, one));
  } else if (node.attributes.count("value_int")) {
    const std::vector<int64_t> one{integer(node, "value_int", 0)};
    define(node, std::make_shared<const Tensor>(Shape{}, one));
  } else if (node.attributes.count("value_ints")) {
    const auto values = integers(node, "value_ints");
    const Shape shape{static_cast<int64_t>(values.size())};
    define(node, std::make_shared<const Tensor>(shape, values));
  } else if (node.attributes.count("value_floats")) {
    const auto values = attribute<std::vector<float>>(node, "value_floats", {});
    const Shape shape{static_cast<int64_t>(values.size())};
    define(node, std::make_shared<const Tensor>(shape, values));
  } else {
    throw Error("constant has no value of a supported kind", where(node),
                "value, value_float(s) or value_int(s)");
  }
}

void Builder::identity(const onnx::Node& node) {
  if (node.op_type == "Dropout" && has_input(node, 2)) {
    const Tensor& training = constant_input(node, 2, "training_mode");
    if (std::any_of(training.bytes().begin(), training.bytes().end(),
                    [](uint8_t byte) { return byte != 0; })) {
      throw Error("Dropout is in training mode", where(node), "inference");
    }
  }
  if (std::holds_alternative<Expression>(symbol(node, 0))) {
    define(node, take(node, 0));
  } else {
    define(node, symbol(node, 0));
  }
}

void Builder::shape(const onnx::Node& node) {
  const Shape& input = shape_of(node, 0);
  const auto rank = static_cast<int64_t>(input.size());
  const auto bounded = [rank](int64_t axis) {
    return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  const int64_t start = bounded(integer(node, "start", 0));
  const int64_t end = std::max(start, bounded(integer(node, "end", rank)));
  const std::vector<int64_t> part(input.begin() + start, input.begin() + end);
  define(node, std::make_shared<const Tensor>(Shape{end - start}, part));
}

// ---- one input
// -----------------------------------------------------------------------------------

void Builder::move_data(const onnx::Node& node, const std::vector<Step>& steps, const Shape& shape,
                        size_t output) {
  const Symbol& input = symbol(node, 0);
  const std::string& name = node.outputs[output];
  if (element_count(shape, where(node)) == 0) {
    // Nothing is left: known now.
    define_output(node, output, std::make_shared<const Tensor>(type_of(node, 0), shape));
    return;
  }
  if (const auto* tensor = std::get_if<0>(&input)) {
    Tensor moved = **tensor;
    for (const Step& step : steps) moved = moved_constant(moved, step);
    define_output(node, output, std::make_shared<const Tensor>(std::move(moved)));
    return;
  }
  if (const auto* value = std::get_if<ValueId>(&input)) {
    define_output(node, output, emit_steps(*value, steps, node.label(), name));
    return;
  }
  Expression expression = take(node, 0);
  auto* source = std::get_if<Dequantized>(&expression.source);
  expression.shape = shape;
  const bool selects = std::holds_alternative<SelectStep>(steps[0]);
  if (source && source->is_constant() && expression.steps.empty() && !selects) {
    const auto* transposed = std::get_if<TransposeStep>(&steps[0]);
    Dequantized moved = transposed ? transpose_constant(*source, transposed->perm)
                                   : reshape_constant(*source, shape, where(node));
    moved.is_moved = true;
    expression.source = std::move(moved);
  } else {
    expression.steps.insert(expression.steps.end(), steps.begin(), steps.end());
  }
  define_output(node, output, std::move(expression));
}

std::vector<int64_t> Builder::integers_of(const onnx::Node& node, size_t i,
                                          const char* name) const {
  return has_input(node, i) ? integers_input(node, i, name) : integers(node, name);
}

void Builder::reshape(const onnx::Node& node) {
  const std::vector<int64_t> request = integers_of(node, 1, "shape");
  const Shape shape =
      reshape_target(shape_of(node, 0), request, integer(node, "allowzero", 0) != 0, where(node));
  move_data(node, {ReshapeStep{shape}}, shape);
}

void Builder::flatten(const onnx::Node& node) {
  const Shape shape = flatten_target(shape_of(node, 0), integer(node, "axis", 1), where(node));
  move_data(node, {ReshapeStep{shape, true}}, shape);
}

void Builder::squeeze(const onnx::Node& node) {
  const auto axes = integers_of(node, 1, "axes");
  const Shape shape = squeeze_target(shape_of(node, 0), axes, where(node));
  move_data(node, {ReshapeStep{shape}}, shape);
}

void Builder::unsqueeze(const onnx::Node& node) {
  const auto axes = integers_of(node, 1, "axes");
  const Shape shape = unsqueeze_target(shape_of(node, 0), axes, where(node));
  move_data(node, {ReshapeStep{shape}}, shape);
}

void Builder::transpose_node(const onnx::Node& node) {
  const Shape& input = shape_of(node, 0);
  const auto perm = permutation(integers(node, "perm"), input.size(), where(node));
  move_data(node, {TransposeStep{perm}}, transpose_target(input, perm));
}

// ---- selections
// ----------------------------------------------------------------------------------

void Builder::select_data(const onnx::Node& node, const SelectStep& step, const Shape& shape,
                          size_t output) {
  const Shape& input = shape_of(node, 0);
  for (const IndexMap& map : step.index) {
    require_selectable(static_cast<int64_t>(map.size()), where(node));
  }
  std::vector<Step> steps;
  bool moves = false;
  for (size_t d = 0; d < step.index.size(); ++d) moves |= !is_identity(step.index[d], input[d]);
  if (moves) steps.push_back(step);
  if (!moves || shape != step.shape) steps.push_back(ReshapeStep{shape, !step.is_slice});
  move_data(node, steps, shape, output);
}

std::vector<IndexMap> Builder::identity_maps(const onnx::Node& node) const {
  std::vector<IndexMap> maps;
  for (const int64_t size : shape_of(node, 0)) {
    require_selectable(size, where(node));
    maps.push_back(identity_map(size));
  }
  return maps;
}

std::vector<size_t> Builder::axes_of(const onnx::Node& node, std::vector<int64_t> axes,
                                     size_t entries, const char* list) const {
  const auto rank = static_cast<int64_t>(shape_of(node, 0).size());
  if (axes.empty()) {
    axes.resize(static_cast<size_t>(rank));
    std::iota(axes.begin(), axes.end(), int64_t{0});
  }
  if (axes.size() != entries) {
    throw Error(fmt::format("{} do not fit the axes", list), where(node),
                fmt::format("{}", axes.size()), fmt::format("{}", entries));
  }
  std::vector<size_t> result;
  for (const int64_t axis : axes) {
    const auto resolved = static_cast<size_t>(resolve_axis(axis, rank, where(node)));
    if (std::count(result.begin(), result.end(), resolved) > 0) {
      throw Error("axis is there twice", where(node), "", fmt::format("{}", axis));
    }
    result.push_back(resolved);
  }
  return result;
}

void Builder::slice(const onnx::Node& node) {
  const Shape input = shape_of(node, 0);
  const std::vector<int64_t> starts = integers_of(node, 1, "starts");
  const std::vector<int64_t> ends = integers_of(node, 2, "ends");
  std::vector<int64_t> steps = integers_of(node, 4, "steps");
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || steps.size() != starts.size()) {
    throw Error("starts, ends and steps differ in length", where(node),
                fmt::format("{}", starts.size()), fmt::format("{}, {}", ends.size(), steps.size()));
  }
  std::vector<int64_t> given = integers_of(node, 3, "axes");
  if (given.empty()) {
    given.resize(starts.size());
    std::iota(given.begin(), given.end(), int64_t{0});
  }
  const auto axes = axes_of(node, given, starts.size(), "starts");
  std::vector<IndexMap> maps = identity_maps(node);
  for (size_t i = 0; i < axes.size(); ++i) {
    maps[axes[i]] = slice_map(input[axes[i]], starts[i], ends[i], steps[i], where(node));
  }
  const Shape shape = selected_shape(maps);
  select_data(node, {std::move(maps), zero_of(type_of(node, 0)), true, shape}, shape);
}

void Builder::split(const onnx::Node& node) {
  const Shape input = shape_of(node, 0);
  const auto axis = static_cast<size_t>(
      resolve_axis(integer(node, "axis", 0), static_cast<int64_t>(input.size()), where(node)));
  const auto outputs = static_cast<int64_t>(node.outputs.size());
  std::vector<int64_t> sizes = integers_of(node, 1, "split");
  if (sizes.empty()) {
    // Equal parts; a last one that is smaller where `num_outputs` says how many.
    const bool even = input[axis] % outputs == 0;
    if (!even && integer(node, "num_outputs", 0) != outputs) {
      throw Error("dimension is no multiple of the outputs", where(node),
                  fmt::format("a multiple of {}", outputs), fmt::format("{}", input[axis]));
    }
    const int64_t part = (input[axis] + outputs - 1) / outputs;
    for (int64_t i = 0; i < outputs; ++i) {
      sizes.push_back(std::clamp<int64_t>(input[axis] - i * part, 0, part));
    }
  }
  int64_t rest = input[axis];
  bool fits = static_cast<int64_t>(sizes.size()) == outputs;
  for (const int64_t size : sizes) {
    fits = fits && size >= 0 && size <= rest;
    if (fits) rest -= size;
  }
  if (!fits || rest != 0) {
    throw Error("parts do not fit", where(node),
                fmt::format("{} that add up to {}", outputs, input[axis]), to_string(sizes));
  }
  int64_t begin = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    std::vector<IndexMap> maps = identity_maps(node);
    maps[axis].assign(static_cast<size_t>(sizes[i]), 0);
    std::iota(maps[axis].begin(), maps[axis].end(), begin);
    begin += sizes[i];
    if (!node.outputs[i].empty()) {
      const Shape shape = selected_shape(maps);
      select_data(node, {std::move(maps), zero_of(type_of(node, 0)), false, shape}, shape, i);
    }
  }
}

void Builder::pad(const onnx::Node& node) {
  const Shape input = shape_of(node, 0);
  const DataType type = type_of(node, 0);
  // "paddings" before the second operator set.
  const bool is_old = !has_input(node, 1) && node.attributes.count("paddings") > 0;
  const std::vector<int64_t> pads = integers_of(node, 1, is_old ? "paddings" : "pads");
  const auto axes = axes_of(node, has_input(node, 3) ? integers_of(node, 3, "axes") : Shape{},
                            pads.size() / 2, "pads");
  if (pads.size() != 2 * axes.size()) {
    throw Error("pads do not fit the axes", where(node), fmt::format("{}", 2 * axes.size()),
                fmt::format("{}", pads.size()));
  }
  Tensor fill = zero_of(type);
  if (has_input(node, 2)) {
    const Tensor& value = constant_input(node, 2, "constant_value");
    if (value.type() != type || value.size() != 1) {
      throw Error("constant_value has the wrong type or shape", where(node),
                  to_string(type) + ", one element",
                  fmt::format("{} {}", to_string(value.type()), to_string(value.shape())));
    }
    fill = value.reshaped({});
  } else if (type == DataType::F32) {
    *fill.data<float>() = attribute<float>(node, "value", 0.0f);
  }
  const auto mode = attribute<std::string>(node, "mode", "constant");
  std::vector<IndexMap> maps = identity_maps(node);
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t begin = pads[i], end = pads[i + axes.size()];
    if (std::min(begin, end) < -kMaxSelected || std::max(begin, end) > kMaxSelected) {
      throw Error("pads are out of range", where(node),
                  fmt::format("{} to {}", -kMaxSelected, kMaxSelected),
                  fmt::format("{} and {}", begin, end));
    }
    maps[axes[i]] = pad_map(input[axes[i]], begin, end, mode, where(node));
  }
  const Shape shape = selected_shape(maps);
  select_data(node, {std::move(maps), fill, false, shape}, shape);
}

void Builder::gather(const onnx::Node& node) {
  const Shape input = shape_of(node, 0);
  const Tensor& indices = constant_input(node, 1, "indices");
  if (indices.type() != DataType::S32 && indices.type() != DataType::S64) {
    throw Error("indices have the wrong type", where(node), "int32 or int64",
                to_string(indices.type()));
  }
  const auto axis = static_cast<size_t>(
      resolve_axis(integer(node, "axis", 0), static_cast<int64_t>(input.size()), where(node)));
  std::vector<IndexMap> maps = identity_maps(node);
  maps[axis] = gather_map(input[axis], indices, where(node));
  const Shape selected = selected_shape(maps);
  // The indices' own shape comes in the place of the axis.
  Shape shape(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.end(), indices.shape().begin(), indices.shape().end());
  shape.insert(shape.end(), input.begin() + static_cast<std::ptrdiff_t>(axis) + 1, input.end());
  select_data(node, {std::move(maps), zero_of(type_of(node, 0)), false, selected}, shape);
}

std::vector<ResizeAxis> Builder::resize_axes(const onnx::Node& node) const {
  const Shape& input = shape_of(node, 0);
  const bool has_roi = model_.opset > 10 && node.op_type == "Resize";
  const size_t at = has_roi ? 2 : 1;
  std::vector<float> scales = attribute<std::vector<float>>(node, "scales", {});
  if (has_input(node, at)) {
    const Tensor& given = constant_input(node, at, "scales");
    require_float(given, "scales", where(node));
    scales.assign(given.data<float>(), given.data<float>() + given.size());
  }
  std::vector<int64_t> sizes;
  if (has_roi && has_input(node, 3)) sizes = integers_input(node, 3, "sizes");
  const size_t entries = sizes.empty() ? scales.size() : sizes.size();
  if (entries == 0) throw Error("neither scales nor sizes", where(node));
  const auto axes = axes_of(node, integers(node, "axes"), entries, "scales or sizes");
  std::vector<ResizeAxis> result;
  for (const int64_t size : input) result.push_back({size, size, 1.0f, {0.0f, 1.0f}});
  const auto policy = attribute<std::string>(node, "keep_aspect_ratio_policy", "stretch");
  std::optional<float> shared;  // the one scale that keeps the ratio of all sides
  for (size_t i = 0; i < axes.size() && !sizes.empty() && policy != "stretch"; ++i) {
    const float scale = static_cast<float>(sizes[i]) / static_cast<float>(input[axes[i]]);
    const bool takes = !shared || (policy == "not_larger" ? scale < *shared : scale > *shared);
    if (takes) shared = scale;
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    ResizeAxis& axis = result[axes[i]];
    const auto size = static_cast<float>(axis.input);
    axis.scale = sizes.empty() ? scales[i] : shared ? *shared : static_cast<float>(sizes[i]) / size;
    const float scaled = sizes.empty() ? std::floor(size * axis.scale)
                         : shared      ? std::round(size * axis.scale)
                                       : static_cast<float>(sizes[i]);
    if (!(axis.scale > 0.0f) || !std::isfinite(axis.scale) || !(scaled <= kMaxSelected)) {
      throw Error("scales or sizes are out of range", where(node),
                  fmt::format("positive, of at most {} elements along an axis", kMaxSelected),
                  fmt::format("scale {}, size {}", axis.scale, scaled));
    }
    axis.output = sizes.empty() || shared ? static_cast<int64_t>(scaled) : sizes[i];
  }
  if (has_roi && has_input(node, 1)) {
    const Tensor& roi = constant_input(node, 1, "roi");
    require_float(roi, "roi", where(node));
    const size_t count = axes.size();
    for (size_t i = 0; roi.size() == static_cast<int64_t>(2 * count) && i < count; ++i) {
      result[axes[i]].roi = {roi.data<float>()[i], roi.data<float>()[i + count]};
    }
  }
  return result;
}

void Builder::resize(const onnx::Node& node) {
  const auto mode = attribute<std::string>(node, "mode", "nearest");
  if (mode != "nearest") {
    throw Error(fmt::format("attribute 'mode' {} is not supported", mode), where(node), "nearest");
  }
  // Before there were attributes for it.
  const bool is_old = model_.opset < 11 || node.op_type == "Upsample";
  const auto coordinates = attribute<std::string>(node, "coordinate_transformation_mode",
                                                  is_old ? "asymmetric" : "half_pixel");
  const auto nearest =
      attribute<std::string>(node, "nearest_mode", is_old ? "simple" : "round_prefer_floor");
  std::vector<IndexMap> maps;
  const std::vector<ResizeAxis> axes = resize_axes(node);
  // The judge copies where no size changes, whatever the scales are.
  const bool copies = std::all_of(axes.begin(), axes.end(),
                                  [](const ResizeAxis& axis) { return axis.input == axis.output; });
  for (const ResizeAxis& axis : axes) {
    require_selectable(axis.input, where(node));
    maps.push_back(copies ? identity_map(axis.input)
                          : resize_map(axis, coordinates, nearest, where(node)));
  }
  const float outside = attribute<float>(node, "extrapolation_value", 0.0f);
  Tensor fill = zero_of(type_of(node, 0));
  if (has_fill(maps) && outside != 0.0f) {
    if (fill.type() != DataType::F32) {
      throw Error("attribute 'extrapolation_value' is not supported", where(node), "float32 input");
    }
    *fill.data<float>() = outside;
  }
  const Shape shape = selected_shape(maps);
  select_data(node, {std::move(maps), fill, false, shape}, shape);
}

// ---- several inputs
// ------------------------------------------------------------------------------

void Builder::concat(const onnx::Node& node) {
  std::vector<Shape> shapes;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    shapes.push_back(shape_of(node, i));
    if (type_of(node, i) == type_of(node, 0)) continue;
    throw Error("types differ", where(node), to_string(type_of(node, 0)),
                to_string(type_of(node, i)));
  }
  const int64_t axis = resolve_axis(integer(node, "axis", 1),
                                    static_cast<int64_t>(shape_of(node, 0).size()), where(node));
  const Shape shape = concat_target(shapes, axis, where(node));
  if (element_count(shape, where(node)) == 0) {
    define(node, std::make_shared<const Tensor>(type_of(node, 0), shape));
  } else if (!concat_values(node, axis, shape)) {
    concat_expressions(node, axis, shape);
  }
}

bool Builder::concat_values(const onnx::Node& node, int64_t axis, const Shape& shape) {
  std::vector<const Tensor*> constants;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Symbol& input = symbol(node, i);
    if (std::holds_alternative<Expression>(input)) return false;
    if (const auto* tensor = std::get_if<0>(&input)) constants.push_back(tensor->get());
  }
  if (constants.size() == node.inputs.size()) {
    define(node, std::make_shared<const Tensor>(graph::concat(constants, axis)));
    return true;
  }
  std::vector<ValueId> parts;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (element_count(shape_of(node, i)) == 0) continue;
    const Symbol& input = symbol(node, i);
    const auto* tensor = std::get_if<0>(&input);
    parts.push_back(tensor ? constant_value(*tensor, node.inputs[i]) : std::get<ValueId>(input));
  }
  define(node, parts.size() == 1 ? parts[0]
                                 : emit(node.label(), Concat{axis}, parts, type_of(node, 0), shape,
                                        node.outputs[0]));
  return true;
}

void Builder::concat_expressions(const onnx::Node& node, int64_t axis, const Shape& shape) {
  std::vector<Expression> parts;
  Joined joined;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (element_count(shape_of(node, i)) == 0) continue;
    joined.tensors.push_back(node.inputs[i]);
    if (const auto* tensor = std::get_if<0>(&symbol(node, i))) {
      const ValueId value = constant_value(*tensor, node.inputs[i]);
      parts.push_back({FloatInput{value}, {}, (*tensor)->shape(), false});
    } else {
      parts.push_back(take(node, i));
    }
  }
  joined.parts = std::make_shared<const std::vector<Expression>>(std::move(parts));
  joined.axis = axis;
  joined.shape = shape;
  joined.node = node.label();
  define(node, Expression{std::move(joined), {}, shape, false});
}

void Builder::qlinear_concat(const onnx::Node& node) {
  // Scale and zero point of the output, then tensor, scale and zero point of each input.
  std::vector<Expression> parts;
  Joined joined;
  for (size_t i = 2; i + 2 < node.inputs.size(); i += 3) {
    const Operand x = qlinear_operand(node, i);
    const Value& value = graph_.value(x.value);
    Dequantized source;
    source.q = x.value;
    source.type = value.type;
    source.scale = {x.params.scale};
    source.zero_point = {x.params.zero_point};
    parts.push_back({source, {}, value.shape, false});
    joined.tensors.push_back(node.inputs[i]);
  }
  if (parts.empty() || node.inputs.size() % 3 != 2) {
    throw Error("inputs are no triples", where(node),
                "scale and zero point, then tensor, scale and zero point of each part",
                fmt::format("{} inputs", node.inputs.size()));
  }
  joined.axis = resolve_axis(integer(node, "axis", 1), static_cast<int64_t>(parts[0].shape.size()),
                             where(node));
  std::vector<Shape> shapes;
  for (const Expression& part : parts) shapes.push_back(part.shape);
  const Shape shape = concat_target(shapes, joined.axis, where(node));
  joined.shape = shape;
  joined.node = node.label();
  joined.parts = std::make_shared<const std::vector<Expression>>(std::move(parts));
  const Dequantized y = parameters(node, 0, {}, 0, std::nullopt);
  finish_qlinear(node, Expression{std::move(joined), {}, shape, false}, y);
}

}  // namespace systole::graph
