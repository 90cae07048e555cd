"""Groups of checks, each in a process of its own: what ends one of them hides none of the others.

A torch that was built for another machine may end its process in the middle of an import, and a driver may
hang it. So a group is a module with ``checks()``, which ``python -m omnina.doctor.groups NAME ARGUMENTS``
prints as JSON; whatever else comes of it is a check that failed.
"""

import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from omnina.doctor.check import FAILED, Check, from_json, to_json

ROOT = Path(__file__).parents[2]
TIME_LIMIT = 180  # seconds; torch and transformers take some ten to import from a slow disk


def run_group(name: str, arguments: Sequence[str] = (), time_limit: float = TIME_LIMIT) -> list[Check]:
    """The checks of ``omnina.doctor.NAME``, or one that says how their process ended."""
    command = [sys.executable, "-m", __name__, name, *arguments]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=time_limit
        )
    except subprocess.TimeoutExpired:
        return [_broken(name, f"no answer within {time_limit:.0f} s")]
    lines = done.stdout.splitlines()
    if done.returncode == 0 and lines:
        return from_json(lines[-1])
    reason = (done.stderr.strip().splitlines() or ["without a word"])[-1]
    return [_broken(name, f"the check ended with status {done.returncode}: {reason}")]


def _broken(name: str, found: str) -> Check:
    remedy = f"see it whole: {Path(sys.executable).name} -m omnina.doctor.groups {name}"
    return Check(
        name, FAILED, found, f"{remedy}; remove .venv and run 'bash scripts/setup.sh' if packages fail"
    )


if __name__ == "__main__":
    module = import_module(f"omnina.doctor.{sys.argv[1]}")
    print(to_json(module.checks(*sys.argv[2:])))
