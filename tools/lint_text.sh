#!/usr/bin/env bash
# Checks the text of the files that git tracks or would track: no tabs outside make, no trailing space,
# no notes to self. Prints each offending line.
cd "$(dirname "$0")/.."
mapfile -t files < <(git ls-files -co --exclude-standard -- '*.sv' '*.svh' '*.cpp' '*.hpp' '*.c' '*.h' \
  '*.py' '*.sh' '*.md' '*.rdl' '*.toml' '*.yaml' ':!rtl/spec/gen' ':!docs/reference')
status=0
[ ${#files[@]} -eq 0 ] && exit 0
existing=()
for file in "${files[@]}"; do [ -f "$file" ] && existing+=("$file"); done
if grep -nP '\t' "${existing[@]}"; then echo "lint: tabs"; status=1; fi
if grep -nE '[[:space:]]+$' "${existing[@]}"; then echo "lint: trailing spaces"; status=1; fi
if grep -nE 'TO''DO|FIX''ME|X''XX' "${existing[@]}"; then echo "lint: notes to self"; status=1; fi
exit $status
