#!/usr/bin/env bash
# Starts a stage under accelerate (omnina/launch.py, which passes signals and the exit status through) with the
# configuration for this machine; sourced by pretrain.sh and finetune.sh after
# setup.sh.  launch MODULE DEFAULT.yaml [CONFIG.yaml] [--key value ...]
set -euo pipefail

# Prints the number of GPUs that torch can use. Stops where the driver shows GPUs and torch sees none:
# training on the CPU there would be a silent mistake of weeks.
usable_gpus() {
  local visible torch_sees
  visible=0
  if command -v nvidia-smi >/dev/null 2>&1; then
    visible="$(nvidia-smi --list-gpus 2>/dev/null | grep -c '^GPU' || true)"
  fi
  torch_sees="$("$PYTHON" -c 'import torch; print(torch.cuda.device_count() if torch.cuda.is_available() else 0)')"
  if [ "$visible" -gt 0 ] && [ "$torch_sees" -eq 0 ] && [ "${CUDA_VISIBLE_DEVICES-unset}" != "" ]; then
    {
      echo
      echo "Stopped: nvidia-smi shows $visible GPU(s), but torch cannot use them."
      "$PYTHON" -c 'import torch; print(f"  torch {torch.__version__} is built for CUDA {torch.version.cuda}.")'
      echo "  driver: $(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)"
      echo "  The driver is most likely older than that CUDA needs, or this torch has no CUDA at all. Either"
      echo "   -> update the NVIDIA driver,"
      echo "   -> or install a torch built for your driver into this environment (pytorch.org, 'Get started'),"
      echo "   -> or train on the CPU on purpose: CUDA_VISIBLE_DEVICES= bash pretrain.sh ..."
    } >&2
    return 1
  fi
  echo "$torch_sees"
}

# Prints the accelerate configuration for so many GPUs: ACCELERATE_CONFIG, or the shipped one that fits.
accelerate_config() {
  if [ -n "${ACCELERATE_CONFIG:-}" ]; then
    if [ ! -f "$ACCELERATE_CONFIG" ]; then
      echo "Stopped: ACCELERATE_CONFIG=$ACCELERATE_CONFIG is not a file." >&2
      return 1
    fi
    echo "$ACCELERATE_CONFIG"
  else
    case "$1" in
      0) echo "configs/accelerate/cpu.yaml" ;;
      1) echo "configs/accelerate/single_gpu.yaml" ;;
      *) echo "configs/accelerate/ddp.yaml" ;;
    esac
  fi
}

launch() {
  local module="$1" gpus config processes run_config="$2"
  shift 2
  case "${1:-}" in
    "" | -*) ;;
    *) run_config="$1"; shift ;;
  esac
  gpus="$(usable_gpus)"
  config="$(accelerate_config "$gpus")"
  if [ -n "${ACCELERATE_CONFIG:-}" ]; then
    echo "Launching with $config."
    exec "$PYTHON" -m omnina.launch --config_file "$config" -m "$module" "$run_config" "$@"
  fi
  processes=$((gpus > 1 ? gpus : 1))
  echo "Launching on $gpus GPU(s) with $config ($processes process(es))."
  exec "$PYTHON" -m omnina.launch --config_file "$config" \
    --num_processes "$processes" --num_cpu_threads_per_process "$(cpu_threads "$processes")" -m "$module" "$run_config" "$@"
}

cpu_threads() {
  "$PYTHON" -c "from omnina.cores import usable_cores; print(max(1, usable_cores() // $1))"
}
