"""ONNX Runtime as this project's judge: how its sessions are made (docs/architecture.md)."""
import onnxruntime


def make_session(model, integers=True):
    """A CPU session on `model` (path or bytes): all optimizations; `integers`: s8 QDQ is kept in integers."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.qdqisint8allowed", "1" if integers else "0")
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not isinstance(model, bytes):
        model = str(model)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
