"""ONNX Runtime as this project's judge: how its sessions are made (docs/architecture.md)."""
import functools

import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as errors


def session_options(integers=True, exact=True):
    """All optimizations; `integers`: s8 QDQ is kept in integers; `exact`: sums of u8 by s8 products do not saturate at
    16 bits on processors with AVX2 and no VNNI."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.qdqisint8allowed", "1" if integers else "0")
    options.add_session_config_entry("session.x64quantprecision", "1" if exact else "0")
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return options


def make_session(model, integers=True, written=None):
    """A CPU session on `model` (path or bytes); the optimized model goes to the path `written`."""
    if not isinstance(model, bytes):
        model = str(model)

    def session(exact):
        options = session_options(integers, exact)
        if written:
            options.optimized_model_filepath = str(written)
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    try:
        return session(True)
    except errors.NotImplemented:  # exact, it has no Gemm of s8 by u8
        return session(False)


@functools.lru_cache
def saturates_at_run_time():
    """Whether sums of u8 by s8 products saturate where the weights come at run time: then no option helps."""
    model = helper.make_model(
        helper.make_graph([helper.make_node("MatMulInteger", ["a", "b"], ["y"])], "probe",
                          [helper.make_tensor_value_info("a", TensorProto.UINT8, [1, 32]),
                           helper.make_tensor_value_info("b", TensorProto.INT8, [32, 16])],
                          [helper.make_tensor_value_info("y", TensorProto.INT32, [1, 16])]),
        opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    feeds = {"a": np.full((1, 32), 255, np.uint8), "b": np.full((32, 16), 127, np.int8)}
    sums, = make_session(model.SerializeToString()).run(None, feeds)
    return bool((sums != 32 * 255 * 127).any())
