#!/usr/bin/env python3
"""Runs every benchmark and writes build/bench.json: one object a figure with name, value, unit, command.

Figures that depend on the machine are ratios or medians of runs made side by side. Run by `make bench`, which has
built what is measured; FIGURES limits the run to the named groups."""

import json
import os
import random
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time

BUILD = "build"
REACH = {
    "sim_vs_native_gemm": ("at most", 20),
    "gemm256_tile_utilization": ("at least", 0.97),
    "gemm_chip_bound_fraction": ("at least", 0.85),
    "gemm1024_utilization": ("at least", 0.95),
    "noc_cycles_per_hop": ("at most", 1),
    "noc_stream_flits_per_cycle": ("at least", 0.99),
    "edit_to_unit_verdict_s": ("at most", 15),
    "edit_to_sim_verdict_s": ("at most", 60),
    "firmware_awake_fraction": ("at most", 0.10),
    "observability_overhead": ("at most", 1.15),
    "observability_off_overhead": ("at most", 1.05),
    "explain_seconds": ("at most", 10),
    "explain_wave_mib": ("at most", 20),
    "bugs_injected": ("at least", 12),
    "unaccounted_cycles": ("at most", 0),
    "ic_resnet8_cycles": ("at most", 9500),
    "vww_mobilenet_cycles": ("at most", 14000),
    "kws_dscnn_cycles": ("at most", 5000),
    "ad_autoencoder_cycles": ("at most", 1400),
    "ad_autoencoder_latency": ("at most", 1700),
    "prediction_error_max": ("at most", 0.02),
    "compile_seconds_max": ("at most", 2),
    "resnet8_wall_seconds": ("at most", 1),
}
figures = []


def add(name, value, unit, command):
    figures.append({"name": name, "value": value, "unit": unit, "command": command})
    print(f"  {name:34} {value:<12.6g} {unit:14} {verdict(name, value)}", flush=True)


def verdict(name, value):
    if name not in REACH:
        return ""
    word, bound = REACH[name]
    good = value <= bound if word == "at most" else value >= bound
    return f"{word} {bound}: {'reached' if good else 'MISSED'}"


def output_of(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def add_printed(command):
    """Figures that a benchmark program prints as JSON lines."""
    for line in output_of(command).splitlines():
        if line.startswith("{"):
            figure = json.loads(line)
            add(figure["name"], figure["value"], figure["unit"], " ".join(command))


def gemm():
    add_printed([f"{BUILD}/bench/gemm_chip", "small"])
    add_printed([f"{BUILD}/bench/gemm_tile", "tiny"])


def noc():
    """The mesh's test prints what it measures."""
    command = ["make", "-s", "test-noc_mesh"]
    units = {"noc_cycles_per_hop": "cycles", "noc_zero_load_constant": "cycles", "noc_stream_flits_per_cycle": "flits/cycle"}
    text = output_of(command)
    for name, unit in units.items():
        found = re.search(rf"^{name} ([0-9.]+)", text, re.MULTILINE)
        if not found:
            sys.exit(f"bench: {' '.join(command)} did not print {name}")
        add(name, float(found.group(1)), unit, " ".join(command))


def firmware():
    """A steady stream of digits, requests of 32 inputs."""
    models = "tests/models/digits"
    report = f"{BUILD}/bench/digits.json"
    command = [f"{BUILD}/systole", "run", f"{models}/cnn.onnx", "--input", f"{models}/cnn_images.npy", "--quiet",
               "--no-check", "--lockstep", "off", "--json", report]
    output_of(command)
    with open(report) as file:
        run = json.load(file)
    shown = " ".join(command)
    add("firmware_awake_fraction", run["core_awake_cycles"] / run["chip_cycles"], "fraction", shown)
    requests = (run["inputs"] + 31) // 32
    add("firmware_awake_cycles_per_request", run["core_awake_cycles"] / requests, "cycles", shown)


# ---- networks that others know -----------------------------------------------------------------------------------
ZOO = {"ic_resnet8": "ic_resnet8_cycles", "vww_mobilenet": "vww_mobilenet_cycles", "kws_dscnn": "kws_dscnn_cycles",
       "ad_autoencoder": "ad_autoencoder_cycles"}


def run_network(folder, words):
    """The report of a run of the network's samples, judged, and the command."""
    report = f"{BUILD}/bench/zoo.json"
    command = [f"{BUILD}/systole", "run", f"{folder}/model.onnx", "--samples", folder, "--quiet", "--json", report, *words]
    output_of(command)
    with open(report) as file:
        return json.load(file), " ".join(command)


def prediction_errors(run):
    """Of the request, and of the layers that are off by more than 16 cycles."""
    yield abs(run["prediction_error"])
    if run["input_spacing_prediction_error"] is not None:
        yield abs(run["input_spacing_prediction_error"])
    for layer in run["layers"]:
        if layer["prediction_error"] is not None and abs(layer["cycles"] - layer["predicted_cycles"]) > 16:
            yield abs(layer["prediction_error"])


def zoo():
    """MLPerf Tiny: each input its own inference, 32 of them; then one alone."""
    data = os.environ.get("SYSTOLE_DATA", "../shared/data") + "/mlperf_tiny"
    if not os.path.isdir(data):
        print(f"  skipped: no {data}; {BUILD}/systole zoo says how to get it")
        return
    errors, compile_seconds = [], []
    for network, figure in ZOO.items():
        folder = f"{data}/{network}"
        stream, shown = run_network(folder, ["--stream", "32"])
        add(figure, stream["input_spacing"], "cycles", shown)
        single, shown = run_network(folder, ["--optimize", "latency"])
        add(figure.replace("_cycles", "_latency"), single["input_latency"], "cycles", shown)
        add(figure.replace("_cycles", "_cold_latency"), single["cold_latency"], "cycles", shown)
        errors += [*prediction_errors(stream), *prediction_errors(single)]
        compile_seconds += [stream["compile_s"], single["compile_s"]]
    shown = "the slowest, the worst of the above"
    add("prediction_error_max", max(errors), "fraction", shown)
    add("compile_seconds_max", max(compile_seconds), "s", shown)
    command = [f"{BUILD}/systole", "run", f"{data}/ic_resnet8/model.onnx", "--input", f"{data}/ic_resnet8/input_0.npy"]
    walls = []
    for _ in range(5):
        start = time.monotonic()
        output_of(command)
        walls.append(time.monotonic() - start)
    add("resnet8_wall_seconds", statistics.median(walls), "s", " ".join(command))


def cpu_seconds(command):
    """Of the process, which has one thread: wall time would measure the machine's other users, too."""
    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    output_of(command)
    return used() - before


def overhead(command, bare, pairs=11):
    """Median over pairs run side by side, either first in turn."""
    ratios = []
    for i in range(pairs):
        both = [command, bare] if i % 2 == 0 else [bare, command]
        seconds = [cpu_seconds(c) for c in both]
        ratios.append(seconds[i % 2] / seconds[1 - i % 2])
    return statistics.median(ratios)


def observability():
    """The digits network with all that observes: judged in lockstep, every command followed, checkpoints held for an
    explanation. Over the same with none of it: the counters are registers, and count in both. And that over a build
    that has no counters, no trace, no waves and no checkpoints."""
    models, report = "tests/models/digits", f"{BUILD}/bench/digits.json"
    command = [f"{BUILD}/systole", "run", f"{models}/cnn.onnx", "--input", f"{models}/cnn_images.npy", "--quiet",
               "--no-check", "--json", report]
    off = command + ["--lockstep", "off", "--events", "off", "--explain", "off"]
    without = off + ["--build", "small-unobserved"]
    for name, one, other in (("observability_overhead", command, off), ("observability_off_overhead", off, without)):
        add(name, overhead(one, other), "ratio", f"{' '.join(one)} over {' '.join(other)}")


# ---- from a failure to its explanation ---------------------------------------------------------------------------
def explain():
    """The digits network with a wrong product; then the gallery of faults."""
    models, folder = "tests/models/digits", f"{BUILD}/bench/explain"
    command = [f"{BUILD}/systole", "run", f"{models}/cnn.onnx", "--input", f"{models}/cnn_images.npy", "--config", "tiny",
               "--build", "tiny-faults", "--plusarg", "+fault=product", "--plusarg", "+fault_at=20000", "--explain-folder",
               folder]
    seconds, sizes = [], []
    for _ in range(3):
        shutil.rmtree(folder, ignore_errors=True)
        done = subprocess.run(command, capture_output=True, text=True)
        found = re.search(r"explained in ([0-9.]+) s", done.stderr)
        if done.returncode != 1 or not found:
            sys.exit(f"bench: {' '.join(command)} explained nothing:\n{done.stdout}{done.stderr}")
        seconds.append(float(found.group(1)))
        bundle, = os.listdir(folder)
        sizes.append(os.path.getsize(os.path.join(folder, bundle, "waves.fst")) / 2**20)
    add("explain_seconds", statistics.median(seconds), "s", " ".join(command))
    add("explain_wave_mib", max(sizes), "MiB", " ".join(command))
    command = [f"{BUILD}/test/must_fail_gallery/test"]
    text = output_of(command)
    for name in ("bugs_injected", "bugs_explained"):
        found = re.search(rf"^{name} ([0-9]+)", text, re.MULTILINE)
        if not found:
            sys.exit(f"bench: {command[0]} did not print {name}")
        if name == "bugs_injected":
            REACH["bugs_explained"] = ("at least", int(found.group(1)))
        add(name, int(found.group(1)), "faults", " ".join(command))


# ---- from an edit to its verdict ---------------------------------------------------------------------------------
EDIT_FILE = "rtl/matrix/matrix_array.sv"
EDIT_FROM = "lane_q[k] * weight_q[k][c];"


def copy_of_tree(folder):
    """The files that git tracks, so that an edit does not touch the tree; builds fill the same compiler cache."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in output_of(["git", "ls-files"]).splitlines():
        if os.path.exists(name):
            os.makedirs(os.path.join(folder, os.path.dirname(name)), exist_ok=True)
            shutil.copy2(name, os.path.join(folder, name))
    os.symlink(os.path.abspath(".venv"), os.path.join(folder, ".venv"))


def edit(folder):
    """One line that no build has seen: the verdict must be red."""
    path = os.path.join(folder, EDIT_FILE)
    with open(os.path.join(EDIT_FILE)) as file:
        text = file.read()
    if EDIT_FROM not in text:
        sys.exit(f"bench: {EDIT_FILE} has no line to edit")
    flip = f"(k == 5 && c == 3 ? 32'sd{random.randrange(1, 128)} : 32'sd0)"
    wrong = f"lane_q[k] * (weight_q[k][c] ^ {flip});"
    with open(path, "w") as file:
        file.write(text.replace(EDIT_FROM, wrong))


def seconds_to_verdict(folder, goal):
    edit(folder)
    start = time.monotonic()
    done = subprocess.run(["make", "-s", "-j2", goal], cwd=folder, capture_output=True, text=True)
    elapsed = time.monotonic() - start
    if done.returncode == 0:
        sys.exit(f"bench: make {goal} passed with a wrong product")
    return elapsed


def edits():
    folder = f"{BUILD}/bench/edit"
    copy_of_tree(folder)
    for goal, name in (("test-matrix_array", "edit_to_unit_verdict_s"), ("sim", "edit_to_sim_verdict_s")):
        shutil.copy2(EDIT_FILE, os.path.join(folder, EDIT_FILE))
        output_of(["make", "-s", "-j2", goal], cwd=folder)
        times = [seconds_to_verdict(folder, goal) for _ in range(3)]
        add(name, statistics.median(times), "s", f"make bench FIGURES=edits ({goal} after an edit of {EDIT_FILE})")
    shutil.rmtree(folder)


GROUPS = {"gemm": gemm, "noc": noc, "firmware": firmware, "zoo": zoo, "observability": observability,
          "explain": explain, "edits": edits}


def main():
    wanted = sys.argv[1:] or list(GROUPS)
    for name in wanted:
        if name not in GROUPS:
            sys.exit(f"bench: unknown group {name}: expected {', '.join(GROUPS)}")
    os.makedirs(f"{BUILD}/bench", exist_ok=True)
    for name in wanted:
        GROUPS[name]()
    path = f"{BUILD}/bench.json"
    old = []
    if os.path.exists(path) and len(wanted) < len(GROUPS):
        with open(path) as file:
            old = [f for f in json.load(file) if f["name"] not in {g["name"] for g in figures}]
    with open(path, "w") as file:
        json.dump(old + figures, file, indent=1)
    print(f"written to {path}")


if __name__ == "__main__":
    main()
