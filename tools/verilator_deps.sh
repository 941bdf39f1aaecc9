#!/usr/bin/env bash
# Rewrites the dependency file that Verilator leaves for make: verilator_deps.sh <V..__ver.d> <target>.
# The target becomes <target>, the tool's own files go, and each source gets an empty rule, so that a
# source that was removed is no error.
set -euo pipefail
sources=$(sed 's/^[^:]*://' "$1" | tr ' ' '\n' | grep -vE '^$|^/usr|__ver|\.f$' | sort -u)
{
  echo "$2:" $sources
  printf '%s:\n' $sources
} >"$1.tmp"
mv "$1.tmp" "$1"
