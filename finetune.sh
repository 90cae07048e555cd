#!/usr/bin/env bash
# Sets up if needed, fine-tunes a checkpoint on questions, and evaluates it beside baselines.
#
#   bash finetune.sh                                      the example, on what bash pretrain.sh made
#   bash finetune.sh CONFIG.yaml --learning_rate 3e-4     any key of the YAML, from the command line
#   ACCELERATE_CONFIG=my.yaml bash finetune.sh ...        your own accelerate configuration
#
# The same command again goes on from the last checkpoint.
set -euo pipefail
ROOT="$(cd "$(dirname "$0")" && pwd)"
cd "$ROOT"
source scripts/setup.sh
source scripts/launch.sh

launch omnina.finetune configs/finetune/example.yaml "$@"
