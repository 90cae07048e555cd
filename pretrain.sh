#!/usr/bin/env bash
# Sets up if needed, and pretrains on whatever this machine has.
#
#   bash pretrain.sh                                      the example: a quarter of an hour on two cores
#   bash pretrain.sh configs/pretrain/omnina-66m.yaml     a published size, on GPUs
#   bash pretrain.sh CONFIG.yaml --learning_rate 3e-4     any key of the YAML, from the command line
#   ACCELERATE_CONFIG=my.yaml bash pretrain.sh ...        your own accelerate configuration
#
# The same command again goes on from the last checkpoint.
set -euo pipefail
ROOT="$(cd "$(dirname "$0")" && pwd)"
cd "$ROOT"
source scripts/setup.sh
source scripts/launch.sh

launch omnina.pretrain configs/pretrain/example.yaml "$@"
