#!/usr/bin/env python3
"""Writes whole networks as cases of crosscheck.py: the model, its inputs, what ONNX Runtime makes of them now.

    model_cases.py --out FOLDER [--digits tests/models/digits] [--zoo $SYSTOLE_DATA/mlperf_tiny]

The digits come with the project. MLPerf Tiny is taken where it lies (SYSTOLE_DATA: ../shared/data by default), all
samples of each network; where it does not, one line says so.
"""
import argparse
import json
import os
import pathlib
import shutil

import numpy as np
import onnx

from ort_session import make_session

APPROXIMATED = {"Softmax", "Sigmoid", "Tanh"}


def write_case(folder, model, inputs):
    """`inputs`: a stream of inferences of the model's one input, along the leading dimension."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copy2(model, folder / "model.onnx")
    operators = {node.op_type for node in onnx.load(model).graph.node}
    # The integer softmax of ONNX Runtime 1.23.2 makes -128 of a probability of 1.
    session = make_session(model, integers="Softmax" not in operators)
    port, = session.get_inputs()
    runs = [session.run(None, {port.name: one[None]}) for one in inputs]
    np.save(folder / f"input_{port.name}.npy", inputs)
    for output, values in zip(session.get_outputs(), zip(*runs)):
        np.save(folder / f"output_{output.name}.npy", np.concatenate(values))
    about = {"operators": [folder.name], "features": ["network"], "format": "QDQ", "binary32_in_judge": False,
             "step": 0 if not operators & APPROXIMATED else 1 if runs[0][0].dtype.kind in "iu" else 1e-6}
    (folder / "about.json").write_text(json.dumps(about, indent=2) + "\n")


def samples_of(folder):
    """All of a network's recorded inputs, one behind the other."""
    paths = sorted(folder.glob("input_*.npy"), key=lambda path: int(path.stem.removeprefix("input_")))
    return np.concatenate([np.load(path) for path in paths])


def main():
    data = pathlib.Path(os.environ.get("SYSTOLE_DATA") or "../shared/data")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--digits", type=pathlib.Path, default="tests/models/digits")
    parser.add_argument("--zoo", type=pathlib.Path, default=data / "mlperf_tiny")
    arguments = parser.parse_args()
    for name in ("mlp", "cnn"):
        write_case(arguments.out / f"digits_{name}", arguments.digits / f"{name}.onnx",
                   np.load(arguments.digits / f"{name}_images.npy"))
    networks = sorted(path.parent for path in arguments.zoo.glob("*/model.onnx"))
    for folder in networks:
        write_case(arguments.out / folder.name, folder / "model.onnx", samples_of(folder))
    if not networks:
        print(f"skipped: no MLPerf Tiny networks in {arguments.zoo} (set SYSTOLE_DATA)")


if __name__ == "__main__":
    main()
