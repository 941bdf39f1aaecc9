#!/usr/bin/env bash
# Installs what the build needs: Debian packages (tools/packages.txt) and a Python environment, .venv
# (requirements.txt). Runs as root or as a user with sudo; does nothing where nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t packages < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' tools/packages.txt)
missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "setup: these packages are missing, and this user is neither root nor has sudo:" >&2
      echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${missing[@]}"
fi

# The environment is tied to its place and to the two files that describe it.
fingerprint=$(cat requirements.txt tools/setup.sh <(pwd) | sha256sum | cut -d' ' -f1)
if [ "$(cat .venv/fingerprint 2>/dev/null || true)" != "$fingerprint" ]; then
  echo "setup: making .venv"
  rm -rf .venv
  /usr/bin/python3 -m venv .venv
  .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
  .venv/bin/python - >.venv/ibex.mk <<'PYTHON'
import pythondata_cpu_ibex
print("# Written by tools/setup.sh: where the RTL of the control core lies.")
print("IBEX_DIR :=", pythondata_cpu_ibex.data_location)
PYTHON
  echo "$fingerprint" >.venv/fingerprint
fi
echo "setup: ready"
