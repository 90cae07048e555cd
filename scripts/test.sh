#!/usr/bin/env bash
# Sets up and runs the tests: style first, then the laws.
#
#   bash scripts/test.sh             the normal suite, several files at once
#   bash scripts/test.sh --slow      the slow suite, one test after the other: most have several processes
#   bash scripts/test.sh -k packing  any other argument goes to pytest
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh --dev

marker="not slow"
if [ "${1:-}" = "--slow" ]; then
  marker="slow"
  shift
else
  export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}" # of each of the workers
  set -- -n auto --maxprocesses 4 --dist loadfile "$@"
fi
"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
exec "$PYTHON" -m pytest -m "$marker" "$@"
