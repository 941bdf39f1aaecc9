#!/usr/bin/env python3
"""Turns spec.toml and registers/*.rdl into rtl/spec/gen/ and docs/reference/.

    generate.py             write them (make gen)
    generate.py --check     write nothing; fail and name the files that are stale
"""
import argparse
import pathlib
import sys

from generator import firmware, functions, host, model, pages, rtl

HERE = pathlib.Path(__file__).resolve().parent


def outputs(spec):
    """Path in the repository -> text."""
    gen = pathlib.Path("rtl/spec/gen")
    files = {
        gen / "systole_spec_pkg.sv": rtl.package(spec),
        gen / "systole_spec.h": host.header(spec),
        gen / "systole_commands.hpp": host.commands(spec),
        gen / "systole_checks.h": firmware.checks(spec),
        gen / "systole_memory.ld": host.linker(spec),
        gen / "systole_functions_pkg.sv": functions.package(),
        gen / "systole_functions.hpp": functions.header(),
    }
    for name, text in pages.pages(spec).items():
        files[pathlib.Path("docs/reference") / name] = text
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="fail when a committed file is stale")
    args = parser.parse_args()
    try:
        files = outputs(model.load(HERE))
    except model.SpecError as error:
        sys.exit(f"rtl/spec: {error}")
    root = HERE.parent.parent
    stale = [p for p, text in files.items() if not _same(root / p, text)]
    if args.check and stale:
        sys.exit("stale, run `make gen`: " + ", ".join(map(str, stale)))
    if not args.check:
        for path in stale:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(files[path])
            print(f"wrote {path}")


def _same(path, text):
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    main()
