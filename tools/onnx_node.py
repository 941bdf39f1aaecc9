#!/usr/bin/env python3
"""Runs ONNX's own node tests through the command line and compares every output.

    onnx_node.py [FOLDER] [--device chip|model] [--config tiny] [--only PATTERN]

FOLDER holds a folder for each test, as ONNX keeps them: model.onnx, test_data_set_<n>/input_<i>.pb and
output_<i>.pb. Without it: $SYSTOLE_DATA/onnx_node, by default ../shared/data/onnx_node; where that is not
there, a line says so and nothing fails. A test is

    pass         every element is the same, to the bit
    tolerance    floats within what ONNX's runner allows: |difference| <= 1e-7 + 1e-3 |expected|
    unsupported  refused with a reason, before anything ran
    data         differs, and ONNX's expected values are wrong: those of BAD_DATA
    WRONG        an element, type or shape differs
    CRASH        it ended in any other way

The exit status is 0 unless a test is WRONG or a CRASH. Needs no package beside Python's own.
"""
import argparse
import array
import ast
import collections
import concurrent.futures
import fnmatch
import math
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

RTOL, ATOL = 1e-3, 1e-7  # of onnx.backend.test
REFUSED = 2              # the command's exit status for what it cannot do

# Where ONNX's generator wrapped numbers around that do not fit in int8; its text says saturate, and ONNX
# Runtime does.
BAD_DATA = {"test_qlinearmatmul_2D_int8_float32", "test_qlinearmatmul_3D_int8_float32"}

# ONNX's element types that the command can write: numpy's name, the array module's, the field of a
# TensorProto that holds them where raw_data does not.
FLOAT, UINT8, INT8, INT32, INT64 = 1, 2, 3, 6, 7
TYPES = {FLOAT: ("<f4", "f", 4), UINT8: ("|u1", "B", 5), INT8: ("|i1", "b", 5), INT32: ("<i4", "i", 5),
         INT64: ("<i8", "q", 7)}
CODES = {name: code for name, code, _ in TYPES.values()}
DIMS, DATA_TYPE, FLOAT_DATA, RAW_DATA = 1, 2, 4, 9


class Unreadable(Exception):
    """A tensor of a type that the command has no use for."""


# ---- files
def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of every field of a protocol buffer; packed values stay bytes."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = {1: 8, 5: 4}[kind]
            value, at = data[at:at + size], at + size
        yield key >> 3, value


def integers(values):
    """Signed numbers of a repeated integer field, packed or not."""
    result = []
    for value in values:
        if isinstance(value, bytes):
            at = 0
            while at < len(value):
                number, at = varint(value, at)
                result.append(number)
        else:
            result.append(value)
    return [number - (1 << 64) if number >> 63 else number for number in result]


def load_pb(path):
    """(numpy type, shape, elements) of an onnx.TensorProto."""
    found = collections.defaultdict(list)
    for number, value in fields(path.read_bytes()):
        found[number].append(value)
    kind = found[DATA_TYPE][-1] if found[DATA_TYPE] else 0
    if kind not in TYPES:
        raise Unreadable(f"{path.name} has ONNX type {kind}")
    name, code, field = TYPES[kind]
    if found[RAW_DATA]:
        elements = array.array(code, found[RAW_DATA][-1])
    elif kind == FLOAT:
        elements = array.array(code, b"".join(found[FLOAT_DATA]))
    else:
        elements = array.array(code, integers(found[field]))
    return name, tuple(integers(found[DIMS])), elements


def load_npy(path):
    """The same of a .npy file, version 1, C order."""
    data = path.read_bytes()
    end = 10 + int.from_bytes(data[8:10], "little")
    header = ast.literal_eval(data[10:end].decode())
    return header["descr"], header["shape"], array.array(CODES[header["descr"]], data[end:])


# ---- one test
def same_number(got, want):
    return got == want or (math.isnan(got) and math.isnan(want))


def compare(name, got, want):
    """(verdict, detail) of one output."""
    if got[:2] != want[:2]:
        return "WRONG", f"{name}: {got[0]}{list(got[1])}, expected {want[0]}{list(want[1])}"
    if got[2] == want[2]:
        return "pass", ""
    verdict = "pass"
    for i, (a, b) in enumerate(zip(got[2], want[2])):
        if same_number(a, b):
            continue
        if got[0] != "<f4" or not abs(a - b) <= ATOL + RTOL * abs(b):
            return "WRONG", f"{name}: element {i} is {a}, expected {b}"
        verdict = "tolerance"
    return verdict, ""


def numbered(folder, stem):
    return sorted(folder.glob(f"{stem}_*.pb"), key=lambda path: int(path.stem.rsplit("_", 1)[1]))


def run_set(test, data, arguments):
    """(verdict, detail, command) of a test on one of its data sets."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = numbered(data, "output")
        files = [pathlib.Path(folder) / f"{path.stem}.npy" for path in wanted]
        command = [*shlex.split(arguments.command), str(test / "model.onnx"), "--config", arguments.config,
                   "--device", arguments.device]
        for path in numbered(data, "input"):
            command += ["--input", str(path)]
        for path in files:
            command += ["--output", str(path)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=arguments.timeout)
        except subprocess.TimeoutExpired:
            return "CRASH", f"no end after {arguments.timeout} s", command
        text = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        if done.returncode == REFUSED:
            return "unsupported", text.removeprefix("systole: "), command
        if done.returncode != 0:
            return ("WRONG" if done.returncode == 1 else "CRASH"), f"exit {done.returncode}: {text}", command
        worst, detail = "pass", ""
        for path, file in zip(wanted, files):
            try:
                verdict, text = compare(path.stem, load_npy(file), load_pb(path))
            except Unreadable as error:
                verdict, text = "WRONG", str(error)
            if ORDER.index(verdict) > ORDER.index(worst):
                worst, detail = verdict, text
        return worst, detail, command


ORDER = ("pass", "tolerance", "unsupported", "data", "WRONG", "CRASH")


def run_test(test, arguments):
    results = [run_set(test, data, arguments) for data in sorted(test.glob("test_data_set_*"))]
    verdict, detail, command = max(results or [("pass", "no data", [])],
                                   key=lambda result: ORDER.index(result[0]))
    return "data" if verdict == "WRONG" and test.name in BAD_DATA else verdict, detail, command


def reason(detail, test):
    """What stands in the table: the message without the file's name."""
    return re.sub(re.escape(str(test)) + r"/[^:]*: ", "", detail)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path, nargs="?")
    parser.add_argument("--command", default="build/systole run")
    parser.add_argument("--device", default="chip")
    parser.add_argument("--config", default="tiny")
    parser.add_argument("--only", default="*", help="tests whose names match")
    parser.add_argument("--timeout", type=float, default=300, help="seconds a test")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()

    data = pathlib.Path(os.environ.get("SYSTOLE_DATA", "../shared/data"))
    folder = arguments.folder or data / "onnx_node"
    if not folder.is_dir():
        print(f"skipped: no {folder} (set SYSTOLE_DATA, or name the folder)")
        return
    tests = sorted(path.parent for path in folder.glob("*/model.onnx"))
    tests = [test for test in tests if fnmatch.fnmatch(test.name, arguments.only)]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(lambda test: run_test(test, arguments), tests))

    width = max((len(test.name) for test in tests), default=0)
    for test, (verdict, detail, _) in zip(tests, results):
        print(f"{test.name:{width}}  {verdict:11}  {reason(detail, test)}".rstrip())
    counts = collections.Counter(verdict for verdict, _, _ in results)
    print(f"{len(tests)} tests: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in ORDER))
    bad = [command for verdict, _, command in results if verdict in ("WRONG", "CRASH")]
    for command in bad:
        print("again: " + shlex.join(command))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
