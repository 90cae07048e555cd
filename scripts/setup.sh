#!/usr/bin/env bash
# Makes the Python environment that everything here runs in, once.
#
#   bash scripts/setup.sh          what training needs   (requirements.txt)
#   bash scripts/setup.sh --dev    what the tests need   (requirements-dev.txt)
#
# An active virtual or conda environment that already satisfies the requirements is used as it is;
# otherwise .venv is made in the repository. A second run finds the stamp of the first and stops at once.
# Other scripts source this file and then call "$PYTHON".
set -euo pipefail

OMNINA_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
REQUIREMENTS="$OMNINA_ROOT/requirements.txt"
if [ "${1:-}" = "--dev" ]; then REQUIREMENTS="$OMNINA_ROOT/requirements-dev.txt"; fi

stop() {  # what failed, what to do
  printf '\nSet-up stopped: %s\n  -> %s\n' "$1" "$2" >&2
  exit 1
}

# Exit status 0 if the Python given has every pinned package (a local version such as 2.13.0+cpu
# satisfies the pin 2.13.0) and imports omnina from this checkout.
satisfies() {
  "$1" "$OMNINA_ROOT/scripts/check_environment.py" "$REQUIREMENTS" "$OMNINA_ROOT" >/dev/null 2>&1
}

find_python() {
  local candidate
  for candidate in "${OMNINA_PYTHON:-}" python3 python3.13 python3.12 python3.11 python; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null 2>&1 \
      && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

make_environment() {
  local base
  base="$(find_python)" || stop "no Python 3.11 or newer was found." \
    "install one (e.g. apt-get install python3 python3-venv), or set OMNINA_PYTHON=/path/to/python3."
  if [ ! -x "$OMNINA_ROOT/.venv/bin/python" ]; then
    echo "Making .venv with $("$base" --version) ..."
    "$base" -m venv "$OMNINA_ROOT/.venv" || stop "python -m venv failed." \
      "install the venv module (Debian, Ubuntu: apt-get install python3-venv), remove .venv and run again."
  fi
  echo "Installing $(basename "$REQUIREMENTS") into .venv (a minute or two the first time) ..."
  "$PYTHON" -m pip install --quiet --disable-pip-version-check -r "$REQUIREMENTS" \
    || stop "pip could not install $(basename "$REQUIREMENTS")." \
      "read pip's message above: no network or a proxy (set PIP_INDEX_URL), or a full disk (df -h); then run again."
  "$PYTHON" -m pip install --quiet --disable-pip-version-check --no-deps -e "$OMNINA_ROOT" \
    || stop "pip could not install this checkout (pip install -e .)." "read pip's message above, then run again."
  satisfies "$PYTHON" || stop "the installed packages do not match $(basename "$REQUIREMENTS")." \
    "run '$PYTHON scripts/check_environment.py $REQUIREMENTS $OMNINA_ROOT' to see which; removing .venv and running again mends most."
}

PYTHON="$OMNINA_ROOT/.venv/bin/python"
ACTIVE="${VIRTUAL_ENV:-${CONDA_PREFIX:-}}"
STAMP="$OMNINA_ROOT/.venv/.$(basename "$REQUIREMENTS").installed"

if [ -n "$ACTIVE" ] && [ -x "$ACTIVE/bin/python" ] && [ "$ACTIVE" != "$OMNINA_ROOT/.venv" ] \
  && satisfies "$ACTIVE/bin/python"; then
  PYTHON="$ACTIVE/bin/python"
elif [ ! -f "$STAMP" ] || ! cmp -s "$STAMP" "$REQUIREMENTS"; then
  make_environment
  cp "$REQUIREMENTS" "$STAMP"
fi
export PYTHON OMNINA_ROOT
