"""How ``bash pretrain.sh`` would start here: asked of ``scripts/launch.sh`` itself."""

import os
import subprocess
import sys
from collections.abc import Mapping

from omnina.doctor.check import FAILED, OK, Check
from omnina.doctor.groups import ROOT

QUESTION = """
source scripts/launch.sh
gpus="$(usable_gpus)"
config="$(accelerate_config "$gpus")"
echo "$gpus $(cpu_threads $((gpus > 1 ? gpus : 1))) $config"
"""
OVERRIDE = "ACCELERATE_CONFIG"


def checks() -> list[Check]:
    """The configuration that would be taken."""
    return [check_launch(os.environ)]


def check_launch(environment: Mapping[str, str]) -> Check:
    """The accelerate configuration that would be taken with these variables, and why."""
    done = subprocess.run(
        ["bash", "-c", QUESTION], cwd=ROOT, env={**environment, "PYTHON": sys.executable},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = [line.strip() for line in done.stderr.strip().splitlines()]
        remedy = (
            "; ".join(line.removeprefix("-> ") for line in lines[1:]) or f"unset {OVERRIDE}, or name a file"
        )
        return Check("launch", FAILED, lines[0], remedy)
    gpus, threads, config = done.stdout.strip().split(maxsplit=2)
    if environment.get(OVERRIDE):
        return Check("launch", OK, f"{config}, as {OVERRIDE} says ({gpus} GPUs)")
    processes = max(1, int(gpus))
    return Check("launch", OK, f"{config}, as torch can use {gpus} GPUs: {processes} x {threads} threads")
