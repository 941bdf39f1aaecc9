#!/usr/bin/env python3
"""Checks that every signal of a saved GTKWave view is in a trace.

    check_view.py TRACE.fst VIEW.gtkw ...

The exit status is 1 when a signal is missing, 2 when the trace can't be read at all.
"""
import shutil
import subprocess
import sys


def names(trace):
    """Full names of all variables, as GTKWave writes them."""
    found, scope = set(), []
    with subprocess.Popen(["fst2vcd", "-f", trace], stdout=subprocess.PIPE, text=True,
                          errors="replace") as vcd:
        for line in vcd.stdout:
            words = line.split()
            if not words:
                continue
            if words[0] == "$scope":
                scope.append(words[2])
            elif words[0] == "$upscope":
                scope.pop()
            elif words[0] == "$var":
                found.add(".".join(scope + ["".join(words[4:-1])]))
            elif words[0] == "$enddefinitions":
                vcd.terminate()
                break
    return found


def signals(view):
    """Lines of a view that name a signal."""
    with open(view) as file:
        for line in file:
            line = line.strip()
            if line and line[0] not in "[@-*#^":
                yield line.split()[-1]  # "+{alias} name" too


def main():
    if not shutil.which("fst2vcd"):
        print("check_view: fst2vcd is not installed, which reads traces: apt-get install gtkwave",
              file=sys.stderr)
        return 2
    known = names(sys.argv[1])
    status = 0
    for view in sys.argv[2:]:
        lines = list(signals(view))
        missing = [name for name in lines if name not in known]
        print(f"{view}: {len(lines)} signals, {len(missing)} missing")
        for name in missing:
            print(f"  {name}")
        status |= bool(missing) or not lines
    return status


if __name__ == "__main__":
    sys.exit(main())
