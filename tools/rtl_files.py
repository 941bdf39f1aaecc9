#!/usr/bin/env python3
"""Prints the source files that a module needs, packages first, each in order of dependency.

    rtl_files.py TOP [FOLDER ...]

A file holds one module or package of the same name. It needs another file when its text, comments
removed, names that file's module or package. FOLDER defaults to rtl and tests/rtl; where a name is in
two of them, the earlier one wins.
"""
import pathlib
import re
import sys

COMMENT_OR_STRING = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.S)
WORD = re.compile(r"[A-Za-z_]\w*")


def index(folders):
    """File of each module and package, by name."""
    files = {}
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*.sv")):
            files.setdefault(path.stem, path)
    return files


def order(top, files):
    """Files that `top` needs, each after all that it needs itself."""
    done = []
    seen = set()

    def visit(name):
        if name in seen:
            return
        seen.add(name)
        text = COMMENT_OR_STRING.sub(" ", files[name].read_text())
        for word in sorted(set(WORD.findall(text)) & files.keys()):
            visit(word)
        done.append(name)

    visit(top)
    return done


def main():
    top = sys.argv[1]
    files = index(sys.argv[2:] or ["rtl", "tests/rtl"])
    if top not in files:
        sys.exit(f"rtl_files: no file {top}.sv under {' '.join(sys.argv[2:] or ['rtl', 'tests/rtl'])}")
    names = order(top, files)
    packages = [name for name in names if name.endswith("_pkg")]
    modules = [name for name in names if not name.endswith("_pkg")]
    for name in packages + modules:
        print(files[name])


if __name__ == "__main__":
    main()
