#!/usr/bin/env python3
"""Runs the command line on the cases of random_graphs.py and compares every element.

    crosscheck.py FOLDER [--device model|chip] [--config small] [--command 'build/systole run']

A case is `exact`, `close` (where the last operator is approximated: within a step of the output's scale),
`wrong` (elements differ, or shape or type does), or `refused` (the command said no or died). Prints a table by operator and the first failures with the command that repeats each; the exit status
is 0 only when all cases are exact or close. ONNX Runtime 1.23.2 itself miscounts some integer products of 17 to 31
columns on CPUs with AMX, and not the same way in each run: look at a wrong case with plain integers first. Cases that the judge itself ran in binary32 may differ and are counted
apart.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess

import numpy as np


def run_case(case, arguments):
    """(verdict, detail, command) of one case."""
    out = case / "got"
    out.mkdir(exist_ok=True)
    command = [*shlex.split(arguments.command), str(case / "model.onnx")]
    for path in sorted(case.glob("input_*.npy")):
        command += ["--input", f"{path.stem.removeprefix('input_')}={path}"]
    expected = {}
    for path in sorted(case.glob("output_*.npy")):
        name = path.stem.removeprefix("output_")
        expected[name] = np.load(path)
        (out / f"{name}.npy").unlink(missing_ok=True)
        command += ["--output", f"{name}={out / name}.npy"]
    command += ["--config", arguments.config, "--device", arguments.device]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=arguments.timeout)
    except subprocess.TimeoutExpired:
        return "refused", f"no end after {arguments.timeout} s", command
    if done.returncode != 0:
        text = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        return "refused", f"exit {done.returncode}: {text}", command
    about = json.loads((case / "about.json").read_text())
    verdict = "exact"
    for name, want in expected.items():
        path = out / f"{name}.npy"
        if not path.exists():
            return "wrong", f"{name}: not written", command
        got = np.load(path)
        if got.shape != want.shape or got.dtype != want.dtype:
            return "wrong", f"{name}: {got.dtype}{got.shape}, expected {want.dtype}{want.shape}", command
        differs = got.view(np.uint8 if got.itemsize == 1 else f"u{got.itemsize}") != want.view(
            np.uint8 if want.itemsize == 1 else f"u{want.itemsize}")
        differs &= ~((got == 0) & (want == 0))
        step = about.get("step", 0)
        if step and want.dtype != np.float32:
            step = 1
        apart = np.abs(got.astype(np.float64) - want.astype(np.float64))
        if differs.any() and step and (apart <= step * (1 + 1e-4)).all():
            verdict = "close"
            continue
        if differs.any():
            at = np.unravel_index(int(np.argmax(differs)), got.shape)
            return "wrong", (f"{name}{list(map(int, at))}: {got[at]}, expected {want[at]}; "
                             f"{int(differs.sum())} of {differs.size} differ"), command
    return verdict, "", command


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--command", default="build/systole run")
    parser.add_argument("--device", default="model")
    parser.add_argument("--config", default="small")
    parser.add_argument("--timeout", type=float, default=300, help="seconds a case")
    parser.add_argument("--show", type=int, default=20, help="failures to print")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()

    cases = sorted(path.parent for path in arguments.folder.glob("*/about.json"))
    if not cases:
        parser.error(f"no cases in {arguments.folder}")
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(lambda case: run_case(case, arguments), cases))

    table = collections.defaultdict(collections.Counter)
    total = collections.Counter()
    shown = 0
    for case, (verdict, detail, command) in zip(cases, results):
        about = json.loads((case / "about.json").read_text())
        if verdict == "wrong" and about["binary32_in_judge"]:
            verdict = "apart"
        total[verdict] += 1
        for row in {*about["operators"], *about["features"], about["format"]}:
            table[row][verdict] += 1
        if verdict in ("wrong", "refused") and shown < arguments.show:
            shown += 1
            print(f"{verdict}: {case.name} ({', '.join(about['operators'])}; "
                  f"{', '.join(about['features'])}; {about['format']})\n  {detail}\n  {shlex.join(command)}")

    verdicts = ("exact", "close", "wrong", "refused", "apart")
    print(f"{'':24}" + "".join(f"{verdict:>9}" for verdict in verdicts))
    for row in sorted(table):
        print(f"{row:24}" + "".join(f"{table[row][verdict]:9}" for verdict in verdicts))
    print(f"{'all':24}" + "".join(f"{total[verdict]:9}" for verdict in verdicts))
    raise SystemExit(bool(total["wrong"] or total["refused"]))


if __name__ == "__main__":
    main()
