#!/usr/bin/env python3
"""Makes tests/models/digits: two INT8 networks on scikit-learn's handwritten digits.

    train_digits.py train   trains in binary32     (Debian's python3-torch, python3-sklearn)
    train_digits.py export  quantizes and writes   (.venv-crosscheck: onnx, onnxruntime)

`make digits` runs both; needed only to retrain. `train` leaves weights and images in build/digits,
`export` writes ONNX (QDQ, opset 13, IR 8), the held-out images and labels, and what ONNX Runtime answers.
"""
import pathlib
import sys

import numpy as np

WORK = pathlib.Path("build/digits")
OUT = pathlib.Path("tests/models/digits")
SEED = 20
NUM_TEST = 360
NUM_CALIBRATION = 256
CHANNELS = 32
STEM = 16

# Layers by name: torch's weights become ONNX initializers <name>.weight and <name>.bias.
CNN_CONVS = {
    "stem": dict(shape=(STEM, 1, 3, 3), group=1),
    "depthwise": dict(shape=(STEM, 1, 3, 3), group=STEM),
    "pointwise": dict(shape=(CHANNELS, STEM, 1, 1), group=1),
    "residual": dict(shape=(CHANNELS, CHANNELS, 3, 3), group=1),
}
MLP_GEMMS = {"fc1": (64, 64), "fc2": (32, 64), "fc3": (10, 32)}


# ---- train ----------------------------------------------------------------------------------------
def train():
    import torch
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split
    from torch import nn
    from torch.nn import functional

    class Cnn(nn.Module):
        def __init__(self):
            super().__init__()
            for name, conv in CNN_CONVS.items():
                out_channels, in_channels, kernel, _ = conv["shape"]
                setattr(self, name, nn.Conv2d(in_channels * conv["group"], out_channels, kernel,
                                              padding=kernel // 2, groups=conv["group"]))
            self.classifier = nn.Linear(4 * CHANNELS, 10)

        def forward(self, x):
            x = functional.relu(self.stem(x))
            x = functional.relu(self.depthwise(x))
            x = functional.relu(self.pointwise(x))
            x = functional.max_pool2d(x, 2)
            x = functional.relu(self.residual(x) + x)
            return self.classifier(torch.flatten(functional.avg_pool2d(x, 2), 1))

    class Mlp(nn.Module):
        def __init__(self):
            super().__init__()
            for name, (out_features, in_features) in MLP_GEMMS.items():
                setattr(self, name, nn.Linear(in_features, out_features))

        def forward(self, x):
            x = torch.flatten(x, 1)
            return self.fc3(functional.relu(self.fc2(functional.relu(self.fc1(x)))))

    def fit(network, x, y, epochs):
        optimizer = torch.optim.AdamW(network.parameters(), lr=4e-3, weight_decay=1e-2)
        batches = (len(x) + 63) // 64
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 8e-3, epochs * batches)
        network.train()
        for _ in range(epochs):
            for chosen in torch.randperm(len(x)).split(64):
                noisy = x[chosen] + 0.1 * torch.randn_like(x[chosen])
                loss = functional.cross_entropy(network(noisy), y[chosen], label_smoothing=0.05)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        network.eval()

    torch.set_num_threads(2)
    torch.manual_seed(SEED)
    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)[:, None]
    x_train, x_test, y_train, y_test = train_test_split(
        images, digits.target, test_size=NUM_TEST, random_state=SEED, stratify=digits.target)
    WORK.mkdir(parents=True, exist_ok=True)
    np.savez(WORK / "data.npz", x_train=x_train, x_test=x_test, y_test=y_test.astype(np.uint8))
    for name, network, epochs in (("cnn", Cnn(), 40), ("mlp", Mlp(), 80)):
        fit(network, torch.from_numpy(x_train), torch.from_numpy(y_train), epochs)
        with torch.no_grad():
            right = (network(torch.from_numpy(x_test)).argmax(1).numpy() == y_test).mean()
        print(f"{name}: binary32 accuracy {right:.4f}")
        np.savez(WORK / f"{name}.npz",
                 **{key: value.numpy() for key, value in network.state_dict().items()})


# ---- export ---------------------------------------------------------------------------------------
def float_model(name, weights):
    """The trained network as a binary32 ONNX model of batch 1."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = []

    def node(operator, inputs, output, **attributes):
        nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def gemm(layer, x, output):
        return node("Gemm", [x, f"{layer}.weight", f"{layer}.bias"], output, transB=1)

    if name == "cnn":
        shape = [1, 1, 8, 8]
        x = "image"
        for layer in ("stem", "depthwise", "pointwise"):
            kernel = CNN_CONVS[layer]["shape"][2]
            x = node("Conv", [x, f"{layer}.weight", f"{layer}.bias"], layer,
                     group=CNN_CONVS[layer]["group"], kernel_shape=[kernel] * 2,
                     pads=[kernel // 2] * 4)
            x = node("Relu", [x], f"{layer}_relu")
        x = node("MaxPool", [x], "pool", kernel_shape=[2, 2], strides=[2, 2])
        y = node("Conv", [x, "residual.weight", "residual.bias"], "residual",
                 kernel_shape=[3, 3], pads=[1] * 4)
        x = node("Relu", [node("Add", [y, x], "add")], "add_relu")
        x = node("AveragePool", [x], "average", kernel_shape=[2, 2], strides=[2, 2])
        x = node("Flatten", [x], "flatten")
        gemm("classifier", x, "scores")
    else:
        shape = [1, 64]
        x = "image"
        for layer in ("fc1", "fc2"):
            x = node("Relu", [gemm(layer, x, layer)], f"{layer}_relu")
        gemm("fc3", x, "scores")
    graph = helper.make_graph(
        nodes, f"digits_{name}",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 10])],
        [numpy_helper.from_array(value, key) for key, value in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8,
                              producer_name="systole train_digits")
    onnx.checker.check_model(model)
    return model


def run(session, images):
    """The model's output for every image, one inference each."""
    return np.concatenate([session.run(None, {"image": image[None]})[0] for image in images])


def export():
    import onnx
    from onnxruntime import quantization
    from ort_session import make_session

    class Images(quantization.CalibrationDataReader):
        def __init__(self, images):
            self.left = iter(images)

        def get_next(self):
            image = next(self.left, None)
            return None if image is None else {"image": image[None]}

    data = np.load(WORK / "data.npz")
    labels = data["y_test"]
    OUT.mkdir(parents=True, exist_ok=True)
    np.save(OUT / "labels.npy", labels)
    # Both ways to hold activations: u8 with ReLU folded into the range, s8.
    types = {"cnn": quantization.QuantType.QUInt8, "mlp": quantization.QuantType.QInt8}
    for name, activation_type in types.items():
        shape = (-1, 1, 8, 8) if name == "cnn" else (-1, 64)
        images = data["x_test"].reshape(shape)
        calibration = data["x_train"][:NUM_CALIBRATION].reshape(shape)
        original = float_model(name, dict(np.load(WORK / f"{name}.npz")))
        exact = run(make_session(original.SerializeToString()), images)
        quantization.quantize_static(
            original, OUT / f"{name}.onnx", Images(calibration),
            quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            activation_type=activation_type, weight_type=quantization.QuantType.QInt8)
        model = onnx.load(OUT / f"{name}.onnx")
        model.ir_version = min(model.ir_version, 8)
        onnx.save(model, OUT / f"{name}.onnx")
        scores = run(make_session(OUT / f"{name}.onnx"), images)
        np.save(OUT / f"{name}_images.npy", images)
        np.save(OUT / f"{name}_scores.npy", scores)
        print(f"{name}: accuracy {(exact.argmax(1) == labels).mean():.4f} in binary32, "
              f"{(scores.argmax(1) == labels).mean():.4f} in INT8, {len(labels)} images")


if __name__ == "__main__":
    {"train": train, "export": export}[sys.argv[1] if len(sys.argv) > 1 else "train"]()
