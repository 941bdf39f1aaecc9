#!/usr/bin/env python3
"""Writes small random quantized ONNX models with inputs and what ONNX Runtime answers.

    random_graphs.py --out FOLDER [--count N] [--seed S] [--only OPERATOR]

Each case is a folder: model.onnx, input_<name>.npy and output_<name>.npy for every graph input and output,
about.json (the seed, the operators, features, and whether ONNX Runtime ran all of it in integers: where it
did not, its own answer is binary32 arithmetic in an order of its own, and no judge of single bits; and
`step`, by how much an element may differ where the last operator is approximated, else 0).

Models are QDQ, in the way ONNX Runtime's quantize_static writes them, or QOperator. Scales are random or
powers of two (which hits rounding ties); zero-points lie anywhere. A Gemm or MatMul at the end may stay
binary32, and so may element-wise operators and chains of them. Cases that ONNX Runtime itself rejects are left out, and counted,
and so are products of two run-time operands on processors where its sums of them saturate (AVX2 without VNNI).
"""
import argparse
import json
import pathlib
import shutil
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as ort_state

from ort_session import make_session, saturates_at_run_time

OPSET = 14
IR_VERSION = 8
RANGES = {np.dtype(np.uint8): (0, 255), np.dtype(np.int8): (-128, 127)}
INTEGER_SUM_OPERATORS = {"Conv", "Gemm", "MatMul", "FusedConv", "FusedGemm", "FusedMatMul", "Add",
                         "AveragePool", "GlobalAveragePool"}
APPROXIMATED = ("Sigmoid", "Tanh", "Softmax")
FLOAT_STEP = 1e-6  # of approximated operators whose result is binary32
AT_RUN_TIME = {"run-time weights", "two run-time operands"}
REJECTED = (ort_state.Fail, ort_state.InvalidArgument, ort_state.NotImplemented,
            ort_state.RuntimeException)


class Quantized:
    """Scale, zero-point and type of a tensor; scale and zero-point may be vectors along `axis`."""

    def __init__(self, scale, zero, axis=None):
        self.scale = np.asarray(scale, np.float32)
        self.zero = np.asarray(zero)
        self.axis = axis

    @property
    def dtype(self):
        return self.zero.dtype


class Builder:
    """One random graph, grown operator by operator; `values` holds binary32 values for ranges."""

    def __init__(self, rng, qoperator):
        self.rng = rng
        self.qoperator = qoperator
        self.nodes = []
        self.initializers = []
        self.inputs = []
        self.feeds = {}
        self.values = {}
        self.quantized = {}
        self.operators = []
        self.features = set()
        self.count = 0
        self.types = [np.uint8] if self.chance(0.5) else [np.int8]
        self.may_stay_float = False  # whether the operator being drawn is the last one
        self.float_output = None
        self.exact_in_float = False  # no operator of binary32 numbers adds more than two
        self.step = 0  # by how much an element of the last tensor may differ
        self.final_type = TensorProto.FLOAT  # of float_output

    # ---- dice
    def chance(self, p):
        return self.rng.random() < p

    def pick(self, *options):
        return options[self.rng.integers(len(options))]

    def between(self, low, high):
        return int(self.rng.integers(low, high + 1))

    def scale(self, wanted):
        """Near `wanted`; sometimes a power of two."""
        if self.chance(0.25):
            self.features.add("power-of-two scale")
            return np.float32(2.0 ** np.round(np.log2(wanted)))
        return np.float32(wanted * self.rng.uniform(0.9, 1.1))

    def fit(self, values, dtype=None):
        """Quantization of a tensor with these values, as a calibration would choose it, or a rougher one."""
        dtype = np.dtype(dtype or self.types[0])
        lowest, highest = RANGES[dtype]
        stretch = self.pick(1.0, 1.0, 1.3, 0.7)
        low = min(0.0, float(values.min())) * stretch
        high = max(0.0, float(values.max())) * stretch
        if self.chance(0.2):
            low, high = -max(-low, high), max(-low, high)
        scale = self.scale(max(high - low, 1e-3) / 255)
        zero = np.clip(np.rint(lowest - low / scale), lowest, highest)
        if self.chance(0.1):
            zero = self.between(lowest, highest)
        return Quantized(scale, np.array(zero, dtype))

    # ---- parts of the graph
    def name(self, stem):
        self.count += 1
        return f"{stem}_{self.count}"

    def initializer(self, stem, array):
        name = self.name(stem)
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operator, inputs, output, **attributes):
        self.nodes.append(helper.make_node(operator, inputs, [output], name=self.name("node"),
                                           **attributes))
        return output

    def parameters(self, quantized, stem):
        return [self.initializer(f"{stem}_scale", quantized.scale),
                self.initializer(f"{stem}_zero", quantized.zero)]

    def dequantize(self, name):
        """Name of the binary32 form of the quantized tensor `name`; one node for each use."""
        quantized = self.quantized[name]
        attributes = {} if quantized.axis is None else {"axis": quantized.axis}
        return self.node("DequantizeLinear", [name, *self.parameters(quantized, name)],
                         self.name(f"{name}_float"), **attributes)

    def quantize(self, name, value, quantized, output=None):
        """Quantizes binary32 `name`; the new tensor's values are what was kept of `value`."""
        output = output or self.name("q")
        self.node("QuantizeLinear", [name, *self.parameters(quantized, output)], output)
        return self.define(output, value, quantized)

    def define(self, name, value, quantized):
        self.quantized[name] = quantized
        self.values[name] = value
        return name

    def add_input(self, shape):
        """A graph input, binary32 and quantized on entry, or already quantized."""
        name = self.name("x")
        value = np.asarray(self.rng.standard_normal(shape) * self.rng.uniform(0.2, 4)
                           + self.rng.uniform(-1, 1), np.float32)
        quantized = self.fit(value)
        if self.qoperator and self.chance(0.5):
            self.features.add("quantized input")
            lowest, highest = RANGES[quantized.dtype]
            array = self.rng.integers(lowest, highest + 1, shape).astype(quantized.dtype)
            self.feeds[name] = array
            value = (array.astype(np.float32) - np.float32(quantized.zero)) * quantized.scale
            self.inputs.append(helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), shape))
            return self.define(name, value, quantized)
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        self.feeds[name] = value
        return self.quantize(name, value, quantized)

    def evaluate(self, operator, arrays, **attributes):
        """Binary32 result of one operator; None is an input that is left out."""
        names = ["" if a is None else f"i{i}" for i, a in enumerate(arrays)]
        arrays = [a for a in arrays if a is not None]
        graph = helper.make_graph(
            [helper.make_node(operator, names, ["o"], **attributes)], "one",
            [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
             for n, a in zip(filter(None, names), arrays)],
            [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)],
                                  ir_version=IR_VERSION)
        return make_session(model.SerializeToString()).run(
            None, dict(zip(filter(None, names), arrays)))[0]

    # ---- weights
    def weights(self, shape, channel_axis):
        """Integer weights and their quantization, per tensor or per channel."""
        dtype = np.dtype(self.pick(np.int8, np.int8, np.uint8))
        if self.types[0] == np.int8:
            dtype = np.dtype(np.int8)
        lowest, highest = RANGES[dtype]
        kind = self.pick("normal", "uniform", "extreme")
        if kind == "normal":
            array = np.clip(np.rint(self.rng.standard_normal(shape) * 40), -128, 127) - min(-128, lowest)
            array = np.clip(array + lowest, lowest, highest)
        elif kind == "uniform":
            array = self.rng.integers(lowest, highest + 1, shape)
        else:
            array = self.rng.choice([lowest, lowest + 1, 0, highest], shape)
        array = array.astype(dtype)
        zero = 0 if dtype == np.int8 else 128
        if self.chance(0.3):
            zero = self.between(lowest, highest)
        if zero != 0:
            self.features.add("weight zero-point")
        if self.chance(0.5):
            self.features.add("per channel")
            channels = shape[channel_axis]
            scale = np.array([self.scale(0.02) for _ in range(channels)], np.float32)
            return array, Quantized(scale, np.full(channels, zero, dtype), channel_axis)
        return array, Quantized(self.scale(0.02), np.array(zero, dtype))

    @staticmethod
    def weight_values(array, quantized):
        scale, zero = quantized.scale, quantized.zero.astype(np.float32)
        if quantized.axis is not None:
            shape = [1] * array.ndim
            shape[quantized.axis] = -1
            scale, zero = scale.reshape(shape), zero.reshape(shape)
        return (array.astype(np.float32) - zero) * scale

    def bias(self, channels, x, weight):
        """Integer bias and its quantization, or None; now and then not xs * ws, as ONNX Runtime takes
        the integers as they are where it fuses."""
        if self.chance(0.3):
            return None, None
        array = self.rng.integers(-6000, 6001, channels).astype(np.int32)
        scale = self.quantized[x].scale * weight.scale
        if self.chance(0.2):
            self.features.add("off-scale bias")
            scale = scale * np.float32(self.pick(1.01, 1.2, 3.0, 0.4))
            if scale.ndim and self.chance(0.3):
                scale = scale[0]
        zero = np.zeros(scale.shape, np.int32)
        return array, Quantized(scale, zero, 0 if scale.ndim else None)

    def weighted(self, operator, x, array, weight, bias, bias_quantized, **attributes):
        """A Conv, Gemm or MatMul with constant weights, with an activation now and then."""
        self.operators.append(operator)
        arrays = [self.values[x], self.weight_values(array, weight)]
        if bias is not None:
            arrays.append(bias.astype(np.float32) * bias_quantized.scale)
        value = self.evaluate(operator, arrays, **attributes)
        w = self.initializer("w", array)
        if self.qoperator and operator in ("Conv", "MatMul"):
            out = self.fit(value)
            inputs = [x, *self.parameters(self.quantized[x], x), w,
                      *self.parameters(weight, "w"), *self.parameters(out, "y")]
            if bias is not None:
                inputs.append(self.initializer("b", bias))
            if self.chance(0.15):
                self.bind_at_run_time({w, *([inputs[-1]] if bias is not None else [])})
            output = self.node(f"QLinear{operator}", inputs, self.name("q"), **attributes)
            return self.define(output, value, out)
        self.quantized[w] = weight
        inputs = [self.dequantize(x), self.dequantize(w)]
        if bias is not None:
            b = self.initializer("b", bias)
            self.quantized[b] = bias_quantized
            inputs.append(self.dequantize(b))
        y = self.node(operator, inputs, self.name(operator.lower()), **attributes)
        if operator != "Conv" and self.may_stay_float and self.chance(0.5):
            if operator == "MatMul":
                y, value = self.maybe_bias(y, value, x, weight)
            return self.stay_float(y, value)
        if operator == "MatMul" and self.chance(0.3):
            y, value = self.maybe_bias(y, value, x, weight)
        return self.quantize(*self.maybe_activation(y, value))

    def maybe_bias(self, y, value, x, weight):
        """An Add that ONNX Runtime takes into the MatMul, or none."""
        bias, quantized = self.bias(value.shape[-1], x, weight)
        if bias is None:
            return y, value
        self.operators.append("Add")
        b = self.initializer("b", bias)
        self.quantized[b] = quantized
        return (self.node("Add", [y, self.dequantize(b)], self.name("add")),
                value + bias.astype(np.float32) * quantized.scale)

    def stay_float(self, y, value):
        """Makes a product the graph's binary32 output, or quantizes it where it does not fuse."""
        self.features.add("float product")
        kind = self.pick("plain", "plain", "relu", "clip", "moved", "quantized")
        if kind in ("moved", "quantized"):
            self.operators.append("Flatten")
            y = self.node("Flatten", [y], self.name("flatten"))
            value = value.reshape(value.shape[0], -1)
        if kind == "quantized":
            return self.quantize(y, value, self.fit(value))
        if kind == "relu" or (kind == "moved" and self.chance(0.3)):
            self.operators.append("Relu")
            y, value = self.node("Relu", [y], self.name("relu")), np.maximum(value, 0)
        elif kind == "clip":
            y, value, _ = self.clip_node(y, value)
        self.values[y] = value
        self.float_output = y
        return y

    def bind_at_run_time(self, names):
        """Turns initializers into graph inputs."""
        self.features.add("run-time weights")
        for tensor in [t for t in self.initializers if t.name in names]:
            self.initializers.remove(tensor)
            self.feeds[tensor.name] = numpy_helper.to_array(tensor)
            self.inputs.append(helper.make_tensor_value_info(tensor.name, tensor.data_type,
                                                             list(tensor.dims)))

    def maybe_activation(self, y, value):
        """Arguments of quantize(), perhaps after an activation that the quantization does by itself.

        ONNX Runtime drops an activation when the range of the quantized result lies inside of the
        activation's; quantize_static writes no other kind without Q and DQ between.
        """
        kind = self.rng.random()
        if kind < 0.3:
            self.operators.append("Relu")
            value = np.maximum(value, 0)
            y = self.node("Relu", [y], self.name("relu"))
            quantized = self.fit(value)
            quantized.zero = np.array(RANGES[quantized.dtype][0], quantized.dtype)
            return y, value, quantized
        if kind < 0.45:
            y, value, (low, high) = self.clip_node(y, value)
            dtype = np.dtype(self.types[0])
            lowest, highest = RANGES[dtype]
            scale = np.float32((high - low) / 255 * 0.99)
            zero = np.floor(lowest - low / scale)
            return y, value, Quantized(scale, np.array(np.clip(zero, lowest, highest), dtype))
        return y, value, self.fit(value)

    def clip_node(self, y, value):
        self.operators.append("Clip")
        low, high = (0.0, 6.0)
        if self.chance(0.5):
            low, high = min(0.0, float(value.min())), max(0.1, float(value.max()))
            low, high = low * self.rng.uniform(0, 1), high * self.rng.uniform(0.3, 1)
        low, high = np.float32(low), np.float32(high)
        bounds = [self.initializer("low", low), self.initializer("high", high)]
        y = self.node("Clip", [y, *bounds], self.name("clip"))
        return y, np.clip(value, low, high), (low, high)

    # ---- operators on a quantized tensor, each gives the next one
    def window(self, height, width, dilatable=True, whole=False):
        """Attributes of a window that fits: a small one, or the whole image."""
        kernel = [self.between(1, min(4, height)), self.between(1, min(4, width))]
        if whole:
            self.features.add("whole image")
            kernel = [height, width]
        attributes = {"kernel_shape": kernel}
        if self.chance(0.6):
            attributes["strides"] = [self.between(1, 3), self.between(1, 3)]
        mode = self.rng.random()
        if mode < 0.25:
            attributes["auto_pad"] = self.pick("SAME_UPPER", "SAME_LOWER", "VALID")
            self.features.add(attributes["auto_pad"])
            return attributes
        pads = [0, 0, 0, 0]
        if mode < 0.7:
            self.features.add("pads")
            pads = [self.between(0, k - 1) for k in kernel] + [self.between(0, k - 1) for k in kernel]
            attributes["pads"] = pads
        if dilatable and self.chance(0.2):
            dilations = [self.between(1, 3), self.between(1, 3)]
            spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations)]
            if spans[0] <= height + pads[0] + pads[2] and spans[1] <= width + pads[1] + pads[3]:
                attributes["dilations"] = dilations
                self.features.add("dilations")
        return attributes

    def conv(self, x):
        _, channels, height, width = self.values[x].shape
        attributes = self.window(height, width)
        kind = self.pick("plain", "plain", "depthwise", "grouped")
        groups = 1
        filters = self.pick(1, 2, 3, 5, 8, 16, 17, 24, 32, 33, 40)
        if kind == "depthwise":
            groups, filters = channels, channels * self.pick(1, 1, 1, 2)
            self.features.add("depthwise")
        elif kind == "grouped":
            groups = self.pick(*[g for g in range(1, channels + 1) if channels % g == 0])
            filters = groups * self.between(1, 8)
            self.features.add("group")
        if groups > 1 or self.chance(0.3):
            attributes["group"] = groups
        shape = (filters, channels // groups, *attributes["kernel_shape"])
        array, weight = self.weights(shape, 0)
        bias, bias_quantized = self.bias(filters, x, weight)
        return self.weighted("Conv", x, array, weight, bias, bias_quantized, **attributes)

    def gemm(self, x):
        depth, columns = self.values[x].shape[1], self.pick(1, 2, 7, 10, 16, 17, 32, 33, 64)
        transposed = self.chance(0.5)
        shape = (columns, depth) if transposed else (depth, columns)
        array, weight = self.weights(shape, 0 if transposed else 1)
        bias, bias_quantized = self.bias(columns, x, weight)
        attributes = {"transB": 1} if transposed else {}
        if bias is None and self.chance(0.3):
            self.features.add("alpha")
            attributes["alpha"] = self.rng.uniform(0.2, 2)
        return self.weighted("Gemm", x, array, weight, bias, bias_quantized, **attributes)

    def matmul(self, x):
        depth, columns = self.values[x].shape[-1], self.pick(1, 2, 7, 10, 16, 17, 32, 33, 64)
        array, weight = self.weights((depth, columns), 1)
        return self.weighted("MatMul", x, array, weight, None, None)

    def matmul_two(self, x):
        """Both operands made at run time."""
        shape = self.values[x].shape
        other = self.add_input([*shape[:-2], shape[-1], self.between(1, 20)])
        self.features.add("two run-time operands")
        self.operators.append("MatMul")
        value = np.matmul(self.values[x], self.values[other])
        out = self.fit(value)
        if self.qoperator:
            inputs = []
            for name in (x, other):
                inputs += [name, *self.parameters(self.quantized[name], name)]
            output = self.node("QLinearMatMul", [*inputs, *self.parameters(out, "y")], self.name("q"))
            return self.define(output, value, out)
        y = self.node("MatMul", [self.dequantize(x), self.dequantize(other)], self.name("matmul"))
        if self.may_stay_float and self.chance(0.4):
            return self.stay_float(y, value)
        return self.quantize(y, value, out)

    def integer_product(self, x, operator, array, weight, **attributes):
        """MatMulInteger or ConvInteger at the end of the graph, its sums as they are or as binary32."""
        self.operators.append(operator)
        zero = self.quantized[x].zero
        value = self.evaluate(operator.removesuffix("Integer"),
                              [self.values[x], array.astype(np.float32)], **attributes)
        inputs = [x, self.initializer("w", array), self.initializer("x_zero", zero),
                  self.initializer("w_zero", weight.zero)]
        if self.chance(0.3):
            self.bind_at_run_time(set(inputs[1:]))
        y = self.node(operator, inputs, self.name("sums"), **attributes)
        self.final_type = TensorProto.INT32
        if self.chance(0.3):
            self.operators.append("Cast")
            y = self.node("Cast", [y], self.name("real"), to=TensorProto.FLOAT)
            self.final_type = TensorProto.FLOAT
        self.values[y] = value
        self.float_output = y
        return y

    # ---- what quantize_dynamic writes
    def float_input(self, shape):
        name = self.name("x")
        kind = self.pick("both", "both", "both", "positive", "negative", "zero")
        value = self.rng.standard_normal(shape) * 10.0 ** self.rng.uniform(-3, 3)
        value = {"both": value, "positive": abs(value), "negative": -abs(value), "zero": 0 * value}[kind]
        if kind == "both" and self.chance(0.3):
            value = self.rng.integers(-100, 101, shape) / 8  # ties
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        self.feeds[name] = np.asarray(value, np.float32)
        self.values[name] = self.feeds[name]
        return name

    def quantize_dynamically(self, x):
        self.operators.append("DynamicQuantizeLinear")
        names = [self.name(stem) for stem in ("codes", "scale", "zero")]
        self.nodes.append(helper.make_node("DynamicQuantizeLinear", [x], names, name=self.name("node")))
        return names

    def rescale(self, sums, scale, weight_scale):
        """The binary32 numbers that sums of codes stand for; weight_scale broadcasts to them."""
        self.operators += ["Cast", "Mul"]
        both = [scale, self.initializer("w_scale", weight_scale)]
        if self.chance(0.3):
            both.reverse()
        factor = self.node("Mul", both, self.name("scales"))
        real = self.node("Cast", [sums], self.name("real"), to=TensorProto.FLOAT)
        return self.node("Mul", [real, factor], self.name("scaled"))

    def dynamic_layer(self, x):
        """A product of codes whose parameters are computed from x, its bias and activation.

        Not of 32 rows or more by 17 to 31 columns: ONNX Runtime 1.23 gets some of those sums wrong on
        processors with AMX. The rows of its convolution are filters, the columns pixels.
        """
        value = self.values[x]
        codes, scale, zero = self.quantize_dynamically(x)
        attributes = {}
        if value.ndim == 4:
            operator, attributes = "ConvInteger", self.window(*value.shape[2:])
            columns = self.pick(1, 2, 5, 16, 17, 31)
            groups = self.pick(1, 1, 1, value.shape[1])
            columns *= groups
            attributes["group"] = groups
            shape = (columns, value.shape[1] // groups, *attributes["kernel_shape"])
            array = self.rng.integers(0, 256, shape, np.uint8)
            weight = Quantized(self.scale(0.02), np.array(self.between(0, 255), np.uint8))
            row = (1, columns, 1, 1)
        else:
            operator, columns = "MatMulInteger", self.pick(1, 2, 7, 16, 33, 64)
            array, weight = self.weights((value.shape[-1], columns), 1)
            row = (columns,)
        self.operators.append(operator)
        inputs = [codes, self.initializer("w", array), zero, self.initializer("w_zero", weight.zero)]
        sums = self.node(operator, inputs, self.name("sums"), **attributes)
        real = self.evaluate("Conv" if value.ndim == 4 else "MatMul",
                             [value, self.weight_values(array, weight)], **attributes)
        y = self.rescale(sums, scale, weight.scale)
        if self.chance(0.7):
            self.operators.append("Add")
            bias = np.asarray(self.rng.standard_normal(row) * real.std(), np.float32)
            y, real = self.node("Add", [y, self.initializer("b", bias)], self.name("add")), real + bias
        if self.chance(0.5):
            self.operators.append("Relu")
            y, real = self.node("Relu", [y], self.name("relu")), np.maximum(real, 0)
        self.values[y] = real
        return y

    def dynamic_two(self, x):
        """A product of two tensors whose parameters are both computed."""
        self.features.add("two run-time operands")
        value = self.values[x]
        other = self.float_input([*value.shape[:-2], value.shape[-1], self.between(1, 20)])
        a, a_scale, a_zero = self.quantize_dynamically(x)
        b, b_scale, b_zero = self.quantize_dynamically(other)
        self.operators += ["MatMulInteger", "Cast", "Mul"]
        sums = self.node("MatMulInteger", [a, b, a_zero, b_zero], self.name("sums"))
        factor = self.node("Mul", [a_scale, b_scale], self.name("scales"))
        real = self.node("Cast", [sums], self.name("real"), to=TensorProto.FLOAT)
        y = self.node("Mul", [real, factor], self.name("scaled"))
        self.values[y] = np.matmul(value, self.values[other])
        return y

    def dynamic(self, x):
        """One to three such layers; or the codes themselves, or what they stand for."""
        self.exact_in_float = True
        kind = self.pick("layers", "layers", "layers", "codes", "reals",
                         "two" if self.values[x].ndim < 4 else "layers")
        if kind == "two":
            x = self.dynamic_two(x)
        for _ in range(self.between(1, 3) if kind == "layers" else 0):
            x = self.dynamic_layer(x)
        if kind in ("codes", "reals"):
            codes, scale, zero = self.quantize_dynamically(x)
            self.values[codes] = self.values[x]
            x, self.final_type = codes, TensorProto.UINT8
            if kind == "reals":
                self.operators.append("DequantizeLinear")
                x, self.final_type = self.name("reals"), TensorProto.FLOAT
                self.node("DequantizeLinear", [codes, scale, zero], x)
                self.values[x] = self.values[codes]
        self.float_output = x
        return x

    def arg_max(self, x):
        """Where the largest numbers are; of codes that are alike the first or the last."""
        self.operators.append("ArgMax")
        axis = self.between(-self.values[x].ndim, self.values[x].ndim - 1)
        attributes = {"axis": axis, "keepdims": self.between(0, 1)}
        if self.chance(0.5):
            self.features.add("last of equals")
            attributes["select_last_index"] = 1
        y = self.node("ArgMax", [x if self.chance(0.5) else self.dequantize(x)], self.name("index"),
                      **attributes)
        self.values[y] = np.argmax(self.values[x], axis, keepdims=bool(attributes["keepdims"]))
        self.final_type = TensorProto.INT64
        self.float_output = y
        return y

    def matmul_integer(self, x):
        depth, columns = self.values[x].shape[-1], self.pick(1, 2, 7, 16, 17, 32, 33, 64)
        array, weight = self.weights((depth, columns), 1)
        return self.integer_product(x, "MatMulInteger", array, weight)

    def conv_integer(self, x):
        """Of uint8 by uint8, one zero point: what ONNX Runtime has."""
        _, channels, height, width = self.values[x].shape
        attributes = self.window(height, width)
        filters = self.pick(1, 2, 5, 16, 17, 32)
        array = self.rng.integers(0, 256, (filters, channels, *attributes["kernel_shape"]), np.uint8)
        weight = Quantized(1.0, np.array(self.between(0, 255), np.uint8))
        return self.integer_product(x, "ConvInteger", array, weight, **attributes)

    def add(self, x):
        return self.two_operands("Add", x)

    def sub(self, x):
        return self.two_operands("Sub", x)

    def mul(self, x):
        return self.two_operands("Mul", x)

    def two_operands(self, operator, x):
        """With an earlier tensor, another input, or a constant."""
        self.operators.append(operator)
        shape = self.values[x].shape
        same = [n for n, v in self.values.items() if v.shape == shape and n in self.quantized]
        kind = self.pick("earlier", "earlier", "input", "constant")
        if kind == "earlier":
            other = self.pick(*same)
        elif kind == "input":
            other = self.add_input(self.broadcastable(shape) if operator != "Add" else list(shape))
        else:
            self.features.add("constant operand")
            if self.chance(0.5) and len(shape) == 4:
                shape = (1, shape[1], 1, 1)
                self.features.add("broadcast")
            value = self.rng.standard_normal(shape).astype(np.float32)
            quantized = self.fit(value)
            lowest, highest = RANGES[quantized.dtype]
            array = np.clip(np.rint(value / quantized.scale) + quantized.zero, lowest, highest)
            other = self.initializer("c", array.astype(quantized.dtype))
            self.define(other, value, quantized)
        function = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[operator]
        names = [x, other]
        if self.chance(0.3):
            names.reverse()
        value = function(self.values[names[0]], self.values[names[1]])
        pair = [self.dequantize(name) for name in names]
        y = self.node(operator, pair, self.name(operator.lower()))
        if kind == "constant":
            del self.values[other]
        if operator != "Add" and self.may_stay_float and self.chance(0.3):
            return self.keep(y, value)
        return self.quantize(*self.maybe_activation(y, value))

    def broadcastable(self, shape):
        """A shape that broadcasts to this one."""
        if not self.chance(0.4):
            return list(shape)
        self.features.add("broadcast")
        other = [1 if self.chance(0.4) else d for d in shape]
        return other[self.between(0, len(other)):]

    def keep(self, y, value):
        """Makes a binary32 tensor the graph's output."""
        self.features.add("float output")
        self.values[y] = value
        self.float_output = y
        return y

    def approximate(self, y, value, quantized):
        """The end of a graph whose last operator is approximated: one step of the scale."""
        if self.chance(0.3):
            self.step = FLOAT_STEP
            return self.keep(y, value)
        self.step = float(quantized.scale)
        return self.quantize(y, value, quantized)

    def unary(self, operator, x, function, **attributes):
        self.operators.append(operator)
        value = function(self.values[x]).astype(np.float32)
        y = self.node(operator, [self.dequantize(x)], self.name(operator.lower()), **attributes)
        if operator in APPROXIMATED:
            return self.approximate(y, value, self.fit(value))
        if self.may_stay_float and self.chance(0.3):
            return self.keep(y, value)
        return self.quantize(y, value, self.pick(self.quantized[x], self.fit(value)))

    def leaky_relu(self, x):
        alpha = float(np.float32(self.pick(0.01, 0.1, 0.25, -0.3, 1.5)))
        return self.unary("LeakyRelu", x, lambda v: np.where(v >= 0, v, alpha * v), alpha=alpha)

    def hard_swish(self, x):
        return self.unary("HardSwish", x, lambda v: v * np.clip(v / 6 + 0.5, 0, 1))

    def hard_sigmoid(self, x):
        alpha, beta = (float(np.float32(v)) for v in self.pick((0.2, 0.5), (1 / 6, 0.5), (0.5, 0.1)))
        return self.unary("HardSigmoid", x, lambda v: np.clip(alpha * v + beta, 0, 1), alpha=alpha,
                          beta=beta)

    def sigmoid(self, x):
        return self.unary("Sigmoid", x, lambda v: (np.tanh(v / 2) + 1) / 2)

    def tanh(self, x):
        return self.unary("Tanh", x, np.tanh)

    def softmax(self, x):
        # Of several elements: the judge's quantized softmax of one is not 1.
        shape = self.values[x].shape
        axes = [a for a in range(-len(shape), len(shape)) if shape[a] > 1]
        if not axes:
            return self.relu(x)
        axis = self.pick(*axes)
        self.operators.append("Softmax")
        power = np.exp(self.values[x] - self.values[x].max(axis, keepdims=True))
        value = (power / power.sum(axis, keepdims=True)).astype(np.float32)
        y = self.node("Softmax", [self.dequantize(x)], self.name("softmax"), axis=axis)
        # Room for 1: the judge's s8 softmax wraps around above 127.
        dtype = np.dtype(self.types[0])
        return self.approximate(y, value, Quantized(np.float32(1 / 255), np.array(RANGES[dtype][0], dtype)))

    def reduce_mean(self, x):
        self.operators.append("ReduceMean")
        rank = self.values[x].ndim
        axes = [a for a in range(rank) if self.chance(0.5)] or [rank - 1]
        if rank == 4 and self.chance(0.4):
            axes = [2, 3]
        value = self.values[x].mean(axis=tuple(axes), keepdims=True)
        y = self.node("ReduceMean", [self.dequantize(x)], self.name("mean"),
                      axes=[a - rank if self.chance(0.3) else a for a in axes])
        return self.quantize(y, value, self.pick(self.quantized[x], self.fit(value)))

    def global_max_pool(self, x):
        self.operators.append("GlobalMaxPool")
        value = self.values[x].max(axis=(2, 3), keepdims=True)
        y = self.node("GlobalMaxPool", [self.dequantize(x)], self.name("maximum"))
        return self.quantize(y, value, self.quantized[x])

    def float_chain(self, x):
        """Binary32 operators one after another, from a DequantizeLinear to the output."""
        self.features.add("float chain")
        y, value = self.dequantize(x), self.values[x]
        for _ in range(self.between(2, 5)):
            operator = self.pick("Relu", "LeakyRelu", "HardSwish", "Add", "Sub", "Mul", "MaxPool")
            if operator == "MaxPool" and value.ndim != 4:
                operator = "Add"
            self.operators.append(operator)
            inputs, attributes, arrays = [y], {}, [value]
            if operator in ("Add", "Sub", "Mul"):
                other = np.asarray(self.rng.standard_normal(self.broadcastable(value.shape)), np.float32)
                inputs.append(self.initializer("c", other))
                arrays.append(other)
                if self.chance(0.3):
                    inputs.reverse()
                    arrays.reverse()
            if operator == "MaxPool":
                attributes = self.window(*value.shape[2:])
            value = self.evaluate(operator, arrays, **attributes)
            y = self.node(operator, inputs, self.name(operator.lower()), **attributes)
        return self.keep(y, value) if self.may_stay_float else self.quantize(y, value, self.fit(value))

    def relu(self, x):
        self.operators.append("Relu")
        value = np.maximum(self.values[x], 0)
        y = self.node("Relu", [self.dequantize(x)], self.name("relu"))
        return self.quantize(y, value, self.pick(self.quantized[x], self.fit(value)))

    def clip(self, x):
        y, value, _ = self.clip_node(self.dequantize(x), self.values[x])
        return self.quantize(y, value, self.pick(self.quantized[x], self.fit(value)))

    def moved(self, operator, x, value, extra=(), quantized=None, **attributes):
        """An operator that only moves or selects elements: same quantization on both sides, unless
        another is given."""
        self.operators.append(operator)
        quantized = quantized or self.quantized[x]
        if self.qoperator:
            y = self.node(operator, [x, *extra], self.name("q"), **attributes)
            return self.define(y, value, quantized)
        y = self.node(operator, [self.dequantize(x), *extra], self.name(operator.lower()),
                      **attributes)
        return self.quantize(y, value, quantized)

    def max_pool(self, x):
        attributes = self.window(*self.values[x].shape[2:])
        value = self.evaluate("MaxPool", [self.values[x]], **attributes)
        return self.moved("MaxPool", x, value, **attributes)

    def average_pool(self, x):
        self.operators.append("AveragePool")
        size = self.values[x].shape[2:]
        attributes = self.window(*size, dilatable=False, whole=self.chance(0.25))
        if self.chance(0.4):
            attributes["count_include_pad"] = self.between(0, 1)
        value = self.evaluate("AveragePool", [self.values[x]], **attributes)
        y = self.node("AveragePool", [self.dequantize(x)], self.name("average"), **attributes)
        return self.quantize(y, value, self.pick(self.quantized[x], self.fit(value)))

    def global_average_pool(self, x):
        self.operators.append("GlobalAveragePool")
        value = self.values[x].mean(axis=(2, 3), keepdims=True)
        y = self.node("GlobalAveragePool", [self.dequantize(x)], self.name("global"))
        return self.quantize(y, value, self.pick(self.quantized[x], self.fit(value)))

    def flatten(self, x):
        return self.moved("Flatten", x, self.values[x].reshape(self.values[x].shape[0], -1))

    def reshape(self, x):
        shape = self.pick([0, -1], [self.values[x].shape[0], -1])
        value = self.values[x].reshape(self.values[x].shape[0], -1)
        name = self.initializer("shape", np.array(shape, np.int64))
        return self.moved("Reshape", x, value, [name])

    def transpose(self, x):
        axes = [0, 2, 3, 1] if self.values[x].ndim == 4 else [1, 0]
        return self.moved("Transpose", x, self.values[x].transpose(axes), perm=axes)

    # ---- operators that select elements
    def requantized(self, x, value):
        """The quantization behind a selection: most of the time the one before it."""
        if not self.qoperator and self.chance(0.3):
            self.features.add("other scale behind")
            return self.fit(value)
        return self.quantized[x]

    def constant(self, stem, values, dtype=np.int64):
        return self.initializer(stem, np.array(values, dtype))

    def slice(self, x):
        shape = self.values[x].shape
        axes = sorted(self.rng.choice(len(shape), self.between(1, len(shape)), replace=False))
        starts, ends, steps, index = [], [], [], [slice(None)] * len(shape)
        for axis in axes:
            start, end = sorted((self.between(0, shape[axis] - 1), self.between(1, shape[axis])))
            end = max(end, start + 1)
            step = self.pick(1, 1, 1, 2, 3)
            index[axis] = slice(start, end, step)
            if self.chance(0.25):
                self.features.add("backwards")
                index[axis] = slice(end - 1, start - 1 if start else None, -step)
                start, end, step = end - 1, (start or -shape[axis]) - 1, -step
            elif self.chance(0.3):
                start, end = start - shape[axis], end if end < shape[axis] else 2**31
            starts.append(start), ends.append(end), steps.append(step)
        axes = [int(axis) - (len(shape) if self.chance(0.3) else 0) for axis in axes]
        value = self.values[x][tuple(index)]
        extra = [self.constant("slice", numbers) for numbers in (starts, ends, axes, steps)]
        return self.moved("Slice", x, value, extra, self.requantized(x, value))

    def split(self, x):
        """Goes on with one part, or with both in the other order."""
        self.operators.append("Split")
        value = self.values[x]
        axes = [axis for axis, size in enumerate(value.shape) if size > 1]
        if not axes:
            return x
        axis = self.pick(*axes)
        first = self.between(1, value.shape[axis] - 1)
        source = x if self.qoperator else self.dequantize(x)
        names = [self.name("part"), self.name("part")]
        sizes = self.constant("split", [first, value.shape[axis] - first])
        self.nodes.append(helper.make_node("Split", [source, sizes], names, name=self.name("node"),
                                           axis=axis))
        parts = np.split(value, [first], axis)
        outputs = [self.define(name, part, self.quantized[x]) if self.qoperator
                   else self.quantize(name, part, self.requantized(x, part))
                   for name, part in zip(names, parts)]
        return outputs[self.between(0, 1)] if self.chance(0.6) else self.join(outputs[::-1], axis)

    def pad(self, x):
        value = self.values[x]
        mode = self.pick("constant", "constant", "edge", "reflect")
        most = [3 if mode != "reflect" else min(3, size - 1) for size in value.shape]
        pads = [[self.between(0, m) if self.chance(0.6) else 0 for m in most] for _ in range(2)]
        extra = [self.constant("pads", pads[0] + pads[1])]
        attributes = {} if mode == "constant" else {"mode": mode}
        options = {}
        if mode == "constant" and self.qoperator:
            zero = self.quantized[x].zero
            extra.append(self.initializer("fill", zero))
        elif mode == "constant" and self.chance(0.5):
            self.features.add("fill value")
            options = {"constant_values": np.float32(self.rng.uniform(-2, 2))}
            extra.append(self.initializer("fill", options["constant_values"]))
        padded = np.pad(value, list(zip(*pads)), mode, **options)
        return self.moved("Pad", x, padded, extra, self.requantized(x, padded), **attributes)

    def gather(self, x):
        value = self.values[x]
        axis = self.between(0, value.ndim - 1)
        size = value.shape[axis]
        indices = self.rng.integers(-size, size, self.between(1, 9))
        taken = np.take(value, indices, axis)
        dtype = self.pick(np.int64, np.int32)
        return self.moved("Gather", x, taken, [self.constant("indices", indices, dtype)],
                          self.requantized(x, taken), axis=axis)

    def resize(self, x):
        value = self.values[x]
        modes = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric",
                 "tf_half_pixel_for_nn" if OPSET < 13 else "half_pixel")
        attributes = {"mode": "nearest", "coordinate_transformation_mode": self.pick(*modes),
                      "nearest_mode": self.pick("round_prefer_floor", "round_prefer_ceil", "floor",
                                                "ceil")}
        factor = 2 if max(value.shape[2:]) < 16 else 1
        if self.chance(0.5):
            self.features.add("scales")
            scales = [1.0, 1.0] + [self.pick(1.0, float(factor), 0.5, self.rng.uniform(0.3, factor))
                                   for _ in range(2)]
            scales = [max(s, 1.01 / size) for s, size in zip(scales, value.shape)]
            given = np.array(scales, np.float32)
            arrays, extra = [value, None, given], ["", self.initializer("scales", given)]
        else:
            sizes = np.array([*value.shape[:2], *(self.between(1, factor * size)
                                                  for size in value.shape[2:])], np.int64)
            arrays, extra = [value, None, None, sizes], ["", "", self.initializer("sizes", sizes)]
        resized = self.evaluate("Resize", arrays, **attributes)
        return self.moved("Resize", x, resized, extra, self.requantized(x, resized), **attributes)

    def concat(self, x):
        """Joined with an earlier tensor, or with an input of another size along the axis."""
        shape = list(self.values[x].shape)
        axis = self.between(0, len(shape) - 1)
        fits = [n for n, v in self.values.items() if n in self.quantized and v.ndim == len(shape)
                and [*v.shape[:axis], *v.shape[axis + 1:]] == shape[:axis] + shape[axis + 1:]]
        parts = [x]
        for _ in range(self.between(1, 2)):
            other = list(shape)
            other[axis] = self.between(1, 5)
            parts.append(self.pick(*fits) if self.chance(0.5) else self.add_input(other))
        return self.join(parts, axis)

    def join(self, parts, axis):
        self.operators.append("Concat")
        value = np.concatenate([self.values[part] for part in parts], axis)
        out = self.pick(self.quantized[parts[0]], self.fit(value))
        if self.qoperator:
            inputs = self.parameters(out, "y")
            for part in parts:
                inputs += [part, *self.parameters(self.quantized[part], part)]
            y = self.node("QLinearConcat", inputs, self.name("q"), axis=axis, domain="com.microsoft")
            return self.define(y, value, out)
        y = self.node("Concat", [self.dequantize(part) for part in parts], self.name("concat"),
                      axis=axis)
        return self.quantize(y, value, out)

    def finish(self, last):
        """Makes `last` the graph's output and gives the model."""
        if self.float_output:
            output, element = last, self.final_type
        elif self.qoperator and self.chance(0.5):
            self.features.add("quantized output")
            output, element = last, self.quantized[last].dtype
            element = helper.np_dtype_to_tensor_dtype(element)
        else:
            output, element = self.dequantize(last), TensorProto.FLOAT
        for node in self.nodes:
            node.output[:] = ["y" if name == output else name for name in node.output]
            node.input[:] = ["y" if name == output else name for name in node.input]
        graph = helper.make_graph(
            self.nodes, "random", self.inputs,
            [helper.make_tensor_value_info("y", element, list(self.values[last].shape))],
            self.initializers)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET),
                                                        helper.make_opsetid("com.microsoft", 1)],
                                  ir_version=IR_VERSION, producer_name="systole random_graphs")
        onnx.checker.check_model(model, full_check=True)
        return model


MOVES = ("slice", "split", "pad", "gather", "concat")
ANY = ("sub", "mul", "leaky_relu", "hard_swish", "hard_sigmoid", "reduce_mean", "float_chain", *MOVES)
LAST = ("sigmoid", "tanh", "softmax")  # approximated: nothing is drawn behind them
FOUR = ("conv", "conv", "conv", "add", "relu", "clip", "max_pool", "average_pool",
        "global_average_pool", "global_max_pool", "flatten", "reshape", "resize", *ANY)
TWO = ("gemm", "gemm", "matmul", "matmul_two", "relu", "clip", "add", *ANY)
THREE = ("matmul", "matmul_two", "add", "relu", *ANY)


INTEGER = {"matmul_integer": (2, 3), "conv_integer": (4,), "arg_max": (2, 3, 4)}  # their ranks; nothing is drawn behind them


def random_graph(rng, only):
    """A Builder that holds a chain of one to six operators, and the chain's last tensor."""
    builder = Builder(rng, qoperator=rng.random() < 0.4)
    if only == "dynamic" or (only is None and builder.chance(0.04)):
        rank = builder.pick(2, 2, 3, 4, 4)
        shape = [builder.between(1, 3), *(builder.between(1, 20) for _ in range(rank - 1))]
        return builder, builder.dynamic(builder.float_input(shape))
    if only in INTEGER:
        rank = builder.pick(*INTEGER[only])
        builder.types = [np.uint8] if only == "conv_integer" else builder.types
        x = builder.add_input([builder.between(1, 3), *(builder.between(1, 20) for _ in range(rank - 1))])
        x = builder.relu(x) if builder.chance(0.5) else x
        return builder, getattr(builder, only)(x)
    wanted = only or ("conv" if builder.chance(0.25) else builder.pick(*FOUR, *TWO, *THREE, *LAST))
    rank = 4 if wanted in FOUR else 2
    if wanted in ("matmul", "matmul_two") and builder.chance(0.4):
        rank = 3
    if wanted in ("add", "relu", "clip", *ANY, *LAST) and builder.chance(0.3):
        rank = builder.pick(2, 3)
    if wanted in MOVES:
        rank = builder.pick(4, 4, 2, 3)
    if wanted in LAST and builder.chance(0.5):
        rank = 4
    if rank == 4:
        shape = [builder.pick(1, 1, 1, 2, 3), builder.pick(1, 2, 3, 4, 8, 13, 16, 17, 32, 35),
                 builder.between(1, 12), builder.between(1, 12)]
    elif rank == 3:
        shape = [builder.between(1, 3), builder.between(1, 9), builder.between(1, 70)]
    else:
        shape = [builder.pick(1, 1, 2, 5, 17), builder.pick(1, 2, 5, 16, 31, 32, 33, 64, 100, 130)]
    x = builder.add_input(shape)
    if rank == 4 and builder.chance(0.06):
        x = builder.transpose(x)
    more = builder.pick(0, 0, 0, 1, 2, 3, 5)
    builder.may_stay_float = more == 0
    chain = [] if wanted in LAST else [wanted]
    for name in chain:
        x = getattr(builder, name)(x)
    for left in reversed(range(more)):
        builder.may_stay_float = left == 0
        menu = {4: FOUR, 3: THREE, 2: TWO}[builder.values[x].ndim]
        x = getattr(builder, builder.pick(*menu))(x)
    if wanted in LAST or (not builder.float_output and builder.chance(0.08)):
        builder.may_stay_float = True
        if not builder.float_output:
            x = getattr(builder, wanted if wanted in LAST else builder.pick(*LAST))(x)
    if builder.values[x].ndim == 4 and not builder.float_output and builder.chance(0.06):
        x = builder.transpose(x)
    return builder, x


def judge(model, feeds):
    """ONNX Runtime's answer, and the operators that it ran in binary32 though integers were possible."""
    with tempfile.TemporaryDirectory() as folder:
        optimized = pathlib.Path(folder) / "optimized.onnx"
        session = make_session(model.SerializeToString(), written=optimized)
        ran = {node.op_type for node in onnx.load(optimized).graph.node}
    return session.run(None, feeds), sorted(ran & INTEGER_SUM_OPERATORS)


def write_case(folder, seed, only):
    """What about.json says of the case, or None where ONNX Runtime is no judge of it."""
    try:
        builder, last = random_graph(np.random.default_rng(seed), only)
        model = builder.finish(last)
        outputs, in_float = judge(model, builder.feeds)
    except REJECTED as error:
        print(f"seed {seed} left out, ONNX Runtime: {str(error).splitlines()[0]}")
        return None
    if builder.features & AT_RUN_TIME and saturates_at_run_time():
        print(f"seed {seed} left out, ONNX Runtime's sums of run-time products saturate on this processor")
        return None
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    for name, array in builder.feeds.items():
        np.save(folder / f"input_{name}.npy", array)
    for info, array in zip(model.graph.output, outputs):
        np.save(folder / f"output_{info.name}.npy", array)
    about = {"seed": seed, "operators": builder.operators, "features": sorted(builder.features),
             "format": "QOperator" if builder.qoperator else "QDQ", "binary32_in_judge": [] if builder.exact_in_float else in_float,
             "step": builder.step}
    (folder / "about.json").write_text(json.dumps(about, indent=2) + "\n")
    return about


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder, emptied first")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the first case; the next one's is +1")
    parser.add_argument("--only", choices=sorted({*FOUR, *TWO, *THREE, *LAST, *INTEGER, "dynamic"}), help="first operator")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.out, ignore_errors=True)
    written, seed = [], arguments.seed
    while len(written) < arguments.count and seed < arguments.seed + 3 * arguments.count:
        about = write_case(arguments.out / f"case_{seed:06}", seed, arguments.only)
        written += [about] if about else []
        seed += 1
    left_out = seed - arguments.seed - len(written)
    floating = sum(bool(about["binary32_in_judge"]) for about in written)
    print(f"{len(written)} graphs in {arguments.out}, seeds {arguments.seed} to {seed - 1}, "
          f"{left_out} left out; {floating} of them not all in integers in the judge")


if __name__ == "__main__":
    main()
