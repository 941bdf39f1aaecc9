#!/usr/bin/env python3
"""Lets a simulation note what may have changed, for waves, only where it writes waves.

usage: note_activity.py FOLDER PREFIX

In the C++ that Verilator has made, each part of a cycle leaves a note that it has run, 170 of them in a
chip of four tiles, for the writer of waves to look at what it may have changed. Here the notes of
eval_nba, by far the most, are left behind its last part, by the same conditions, and only where the
simulation's context expects waves (traceEverOn).
"""
import pathlib
import re
import sys

FUNCTION = re.compile(r"^void \w+___024root___eval_nba\(.*\) \{\n.*?^\}\n", re.M | re.S)
PART = re.compile(r"^    if (\(.*?\)) \{\n(.*?)^    \}\n", re.M | re.S)
NOTE = re.compile(r"^        (vlSelf->__Vm_traceActivity\[\w+\] = 1U;)\n", re.M)
NOTES = """    if (VL_UNLIKELY(vlSymsp->_vm_contextp__->calcUnusedSigs())) {{
{}    }}
"""


def rewritten(function):
    """The function with its notes at its end, and how many there are."""
    notes = []

    def without(part):
        condition, body = part[1], part[2]
        notes.extend(f"        if {condition} {note}\n" for note in NOTE.findall(body))
        return f"    if {condition} {{\n{NOTE.sub('', body)}    }}\n"

    text = PART.sub(without, function)
    if notes:
        text = text[:text.rindex("}")] + NOTES.format("".join(notes)) + "}\n"
    return text, len(notes)


def main():
    folder, prefix = pathlib.Path(sys.argv[1]), sys.argv[2]
    for path in sorted(folder.glob(f"{prefix}___024root*.cpp")):
        text = path.read_text()
        match = FUNCTION.search(text)
        if not match:
            continue
        function, count = rewritten(match[0])
        path.write_text(text[:match.start()] + function + text[match.end():])
        print(f"{count} notes of activity left for waves alone")


if __name__ == "__main__":
    main()
