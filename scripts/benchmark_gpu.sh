#!/usr/bin/env bash
# Trains the published sizes for seconds each on one GPU and prints what was reached: nine minutes and a half,
# the set-up not counted. After each way the figures are in output/benchmark_gpu.json and .md.
#   bash scripts/benchmark_gpu.sh [--limit_seconds 540] [--only 1.7b loss] [--json output/benchmark_gpu.json]
# pip install -r requirements-gpu.txt (into the environment in use) adds float8 and Liger's kernels; without
# them the table has rows that say so.
# Losses in float8 (--only loss) are two models' curves: give them --limit_seconds 1500.
# --tiny: a small model for a moment, on a CPU too, to see that all parts run.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
exec "$PYTHON" scripts/benchmark.py gpu --json output/benchmark_gpu.json "$@"
