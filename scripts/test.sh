#!/usr/bin/env bash
# Sets up and runs the tests: style first, then the laws.
#
#   bash scripts/test.sh             the normal suite
#   bash scripts/test.sh --slow      the slow suite
#   bash scripts/test.sh -k packing  any other argument goes to pytest
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh --dev

marker="not slow"
if [ "${1:-}" = "--slow" ]; then
  marker="slow"
  shift
fi
"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
exec "$PYTHON" -m pytest -m "$marker" "$@"
