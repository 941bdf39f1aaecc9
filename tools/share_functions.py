#!/usr/bin/env python3
"""Gives the instances of a module one copy of each function, in the C++ that Verilator has made.

usage: share_functions.py FOLDER PREFIX

Verilator makes the functions of a module that is not inlined once an instance. They differ only in
the numbers of their temporaries and labels, and in the instance's name in the messages of assertions;
the object that they work on is an argument. Tiles with functions of their own do not fit the
instruction caches, and take long to compile. So: of functions that are equal but for that, the first
stays and the others' callers call it; the messages take the instance's name from the object.

What is not shared, though there is a lot of it, is told: a signal of the module has been replaced by one of
its parent (sim/public.vlt), or something in it is sampled ($past).
"""
import collections
import pathlib
import re
import sys

FUNCTION = re.compile(r"^(?:VL_INLINE_OPT |VL_ATTR_COLD )?void (\w+)\((\w+)\* vlSelf\) \{\n.*?^\}\n",
                      re.M | re.S)
# A temporary of a function that was inlined: its number is another one in every instance.
# An index of a generate loop in its name is not that number.
TEMPORARY = re.compile(r"\b(__V(?:func|task)_\w+?__)(?<!__BRA__)(\d+)((?:__\w+)?)\b")
LABEL = re.compile(r"\b(__Vlabel)(\d+)()\b")
MEMBER = re.compile(r"^ +[\w<>, :]+(?:/\*[\d:]+\*/)? (__V(?:func|task)_\w+);\n", re.M)


def canonical(body, name, scope):
    """The function's text without what tells instances apart, and the numbers of its temporaries."""
    dotted = scope.replace("__BRA__", "[").replace("__KET__", "]").replace("__DOT__", ".")
    text = body.replace(name, "NAME").replace(f"%N{dotted}.", "%N.")

    def renumber(pattern, text):
        seen = {}
        text = pattern.sub(
            lambda m: f"{m[1]}#{seen.setdefault(m[2], len(seen))}{m[3]}", text)
        return text, list(seen)

    text, _ = renumber(LABEL, text)
    text, numbers = renumber(TEMPORARY, text)
    return re.sub(r"\s+", "", text), numbers


def with_name_of_object(body, scope):
    """The messages' instance name, taken from the object."""
    dotted = scope.replace("__BRA__", "[").replace("__KET__", "]").replace("__DOT__", ".")
    return re.sub(rf"%N{re.escape(dotted)}\.((?:[^;])*?)vlSymsp->name\(\)", r"%N\1vlSelf->name()", body)


def report_copies(found, renamed, limit=0.01):
    """Warns of modules of whose code more than a hundredth is there once an instance; set-up, which runs once, aside."""
    all_of, copies = collections.Counter(), collections.defaultdict(list)
    for scope, path, match in found:
        if "__Slow" in path.name:
            continue
        all_of[match[2]] += len(match[0])
        if match[1] not in renamed and scope != min(s for s, _, m in found if m[2] == match[2]):
            copies[match[2]].append((len(match[0]), match[1]))
    for module, functions in copies.items():
        share = sum(size for size, _ in functions) / all_of[module]
        if share > limit:
            print(f"share_functions.py: {share:.0%} of the code of {module} is there once an instance, first of all "
                  f"{max(functions)[1]}", file=sys.stderr)


def main():
    folder, prefix = pathlib.Path(sys.argv[1]), sys.argv[2]
    sources = {path: path.read_text() for path in sorted(folder.glob(f"{prefix}*.cpp"))}
    headers = {path: path.read_text() for path in sorted(folder.glob(f"{prefix}*.h"))}
    found = []
    for path, text in sources.items():
        for match in FUNCTION.finditer(text):
            scope = re.match(rf"{match[2]}___\w+?__TOP__(\w+)__\d+$", match[1])
            if scope and "__DOT__" in scope[1]:
                found.append((scope[1], path, match))

    # In the order of instances, so that all numbers become those of the first one.
    kept, renamed, renumbered, stay = {}, {}, {}, set()
    dropped = collections.defaultdict(list)
    for scope, path, match in sorted(found, key=lambda f: (f[0], f[1], f[2].start())):
        name, module = match[1], match[2]
        shape, numbers = canonical(match[0], name, scope)
        first, first_numbers = kept.setdefault((module, shape), (name, numbers))
        pairs = [(old, new) for old, new in zip(numbers, first_numbers) if old != new]
        clash = any(renumbered.get(old, new) != new or new in renumbered or old in stay
                    for old, new in pairs)
        if first == name or clash:
            continue
        renamed[name] = first
        renumbered.update(pairs)
        stay.update(new for _, new in pairs)
        dropped[path].append(match.span())

    def rewritten(text):
        text = re.sub(r"\b\w+__TOP__\w+\b", lambda m: renamed.get(m[0], m[0]), text)
        return TEMPORARY.sub(lambda m: m[1] + renumbered.get(m[2], m[2]) + m[3], text)

    for path, text in sources.items():
        for start, end in sorted(dropped[path], reverse=True):
            text = text[:start] + text[end:]
        if f"{prefix}___024root" not in path.name:
            text = FUNCTION.sub(
                lambda m: with_name_of_object(
                    m[0], (re.match(r"\w+__TOP__(\w+)__\d+$", m[1]) or [None, "none"])[1]), text)
        text = rewritten(text)
        if text != sources[path]:
            path.write_text(text)
    for path, text in headers.items():
        text = rewritten(text)
        members = set()
        text = MEMBER.sub(lambda m: "" if m[1] in members else members.add(m[1]) or m[0], text)
        if text != headers[path]:
            path.write_text(text)
    print(f"{len(renamed)} of {len(found)} functions shared")
    report_copies(found, renamed)


if __name__ == "__main__":
    main()
