#!/usr/bin/env bash
# Runs a stage on all nodes of a Slurm job, one launcher on each; sourced by the .sbatch files.
#   run_on_nodes MODULE DEFAULT.yaml [CONFIG.yaml] [--key value ...]
#
# A run that ends with status 75 was told to stop (time limit, preemption) and has written its checkpoint: the
# job is queued again, and goes on from there.
set -euo pipefail

PREEMPTED=75
PYTHON="${PYTHON:-.venv/bin/python}"

run_on_nodes() {
  local module="$1" run_config="$2" status=0
  shift 2
  case "${1:-}" in
    "" | -*) ;;
    *) run_config="$1"; shift ;;
  esac
  if ! command -v "$PYTHON" >/dev/null 2>&1; then
    echo "Stopped: there is no $PYTHON. Set up first, where there is a network: bash scripts/setup.sh" >&2
    return 1
  fi
  local gpus="${SLURM_GPUS_ON_NODE:?ask for GPUs: --gpus-per-node}" nodes first_node
  nodes="$(scontrol show hostnames "$SLURM_JOB_NODELIST")"  # no pipe to head: closed early, it kills scontrol
  first_node="${nodes%%$'\n'*}"
  export LOGS="${LOG_DIR:-output/logs}/$SLURM_JOB_NAME-$SLURM_JOB_ID/start-${SLURM_RESTART_COUNT:-0}"
  echo "$SLURM_JOB_NUM_NODES node(s) x $gpus GPU(s), rendezvous on $first_node; each rank's log is in $LOGS."
  local launcher=("$PYTHON" -m omnina.launch
    --config_file "${ACCELERATE_CONFIG:-configs/accelerate/multi_node.yaml}"
    --num_machines "$SLURM_JOB_NUM_NODES" --num_processes "$((SLURM_JOB_NUM_NODES * gpus))"
    --main_process_ip "$first_node" --main_process_port "$((20000 + SLURM_JOB_ID % 20000))" --tee 3)
  local run=(-m "$module" "$run_config" "$@")
  # Each node's rank is known on the node alone. Signals reach this shell as well, which must live on.
  trap ':' TERM USR1
  # The other nodes have two minutes to end after the first one; the highest status counts.
  srun --wait=120 --kill-on-bad-exit=0 bash -c '
    mkdir -p "$LOGS/node-$SLURM_NODEID"
    exec "${@:2:$1}" --machine_rank "$SLURM_NODEID" --log_dir "$LOGS/node-$SLURM_NODEID" "${@:2+$1}"' \
    node "${#launcher[@]}" "${launcher[@]}" "${run[@]}" &
  wait_for "$!" || status=$?
  if [ "$status" -eq "$PREEMPTED" ]; then
    echo "Stopped on Slurm's signal after a checkpoint; the job is queued again."
    scontrol requeue "$SLURM_JOB_ID"
  fi
  return "$status"
}

# Returns a child's status; a trapped signal ends bash's wait, not the child.
wait_for() {
  local status=0
  wait "$1" || status=$?
  while kill -0 "$1" 2>/dev/null; do
    status=0
    wait "$1" || status=$?
  done
  return "$status"
}
