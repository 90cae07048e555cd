"""Stages as processes of their own under the launcher, on CPUs with gloo, and what they leave."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / "configs" / "accelerate"
HUNG = 600  # seconds: processes that wait for each other would do so for half an hour
SCRIPT = str(ROOT / "tests" / "launched_run.py")


def command(config: str, *options: str) -> list[str]:
    """The launcher with one of the shipped configurations."""
    return [sys.executable, "-m", "omnina.launch", "--config_file", str(CONFIGS / config), *options]


def environment(**changes: str) -> dict[str, str]:
    """Of this process, without what an accelerator in it has set."""
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("ACCELERATE", "FSDP"))
    }
    return inherited | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | changes


def launched(config: str, processes: int, report: Path, stage: str, arguments: list[str]) -> list[dict]:
    """Run a stage in so many processes; the report of each."""
    options = ("--num_processes", str(processes), "--main_process_port", "0")
    run = [*command(config, *options), SCRIPT, str(report), stage, *arguments]
    done = subprocess.run(
        run, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=HUNG
    )
    assert done.returncode == 0, done.stderr[-10000:]
    return reports(report)


def reports(folder: Path) -> list[dict]:
    """What the processes wrote, by rank."""
    paths = sorted(folder.glob("*.json"), key=lambda path: int(path.stem))
    return [json.loads(path.read_text()) for path in paths]


def rows_by_step(processes: list[dict]) -> dict[int, list[int]]:
    """Row ids of each step, those of all processes together, in ascending order."""
    found: dict[int, list[int]] = {}
    for process in processes:
        for step, batches in process["rows"].items():
            found.setdefault(int(step), []).extend(row for batch in batches for row in batch)
    return {step: sorted(rows) for step, rows in found.items()}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def losses(folder: Path) -> list[float]:
    steps = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
    history = json.loads((steps[-1] / "trainer_state.json").read_text())["log_history"]
    return [entry["loss"] for entry in history if "loss" in entry]
