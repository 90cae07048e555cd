"""What NVIDIA's driver knows of this machine, asked without torch."""

import csv
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

PROGRAM = "nvidia-smi"
FIELDS = ("name", "memory.total", "compute_cap", "driver_version")
DRIVER_FILE = Path("/proc/driver/nvidia/version")
TIME_LIMIT = 30  # seconds; it hangs where a GPU has fallen off the bus


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name, memory with unit, compute capability, and the driver's version."""

    name: str
    memory: str
    capability: str
    driver: str


def driver_gpus() -> list[Gpu]:
    """The GPUs that the driver shows; none without nvidia-smi.

    Raises subprocess.SubprocessError if nvidia-smi fails or does not answer.
    """
    if shutil.which(PROGRAM) is None:
        return []
    command = [PROGRAM, f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIME_LIMIT)
    return [Gpu(*row) for row in csv.reader(done.stdout.splitlines(), skipinitialspace=True)]


def has_driver() -> bool:
    """Whether NVIDIA's driver is loaded here, with nvidia-smi or (in a container) without."""
    return shutil.which(PROGRAM) is not None or DRIVER_FILE.exists()
