"""The machine around torch: cores, memory, disks, locks, the network."""

import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from omnina.cores import usable_cores
from omnina.doctor.check import FAILED, OK, WARNING, Check
from omnina.files.lock import locked_if_free
from omnina.offline import HUB_SWITCH, OURS, stay_offline

CGROUPS = Path("/sys/fs/cgroup")
MEMORY_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")  # of cgroups 2 and 1
SHARED_MEMORY = Path("/dev/shm")
LEAST_SHARED = 0.25e9  # bytes; docker gives 0.064e9 unless told otherwise
LEAST_MEMORY = 2e9  # bytes; the example's runs take about 1e9
LEAST_DISK, LITTLE_DISK = 1e9, 20e9  # bytes; a run of the example writes 0.1e9, a checkpoint of 1.7B 21e9


def checks(output: str, cache: str) -> list[Check]:
    """Everything about the machine; ``output`` and ``cache`` are the folders that runs write to."""
    folders = {"output": Path(output), "cache": Path(cache)}
    found = [check_threads(usable_cores(), cpu_quota(), os.environ.get("OMP_NUM_THREADS")), check_memory()]
    for name, folder in folders.items():
        found += [check_writing(name, folder), check_disk(name, folder)]
    if sys.platform == "linux":
        found.append(check_shared_memory(shutil.disk_usage(SHARED_MEMORY).total))
    return [*found, check_compiler(shutil.which("cc") or shutil.which("gcc")), check_network()]


def check_threads(cores: int, quota: float | None, wanted: str | None) -> Check:
    """Threads of torch on the CPU.

    Args:
        cores: that this process may use.
        quota: of processor time, in cores; None: no limit.
        wanted: ``OMP_NUM_THREADS``.
    """
    found = f"{cores} cores; pretrain.sh starts as many threads"
    if quota is not None and quota < cores:
        remedy = (
            f"taskset -c 0-{max(1, int(quota)) - 1} bash pretrain.sh: more threads than the quota only wait"
        )
        return Check("threads", WARNING, f"{found}, but the container has {quota:g} cores' time", remedy)
    if wanted and wanted != str(cores):
        found += f"; OMP_NUM_THREADS={wanted} holds for the other scripts alone"
    return Check("threads", OK, found)


def cpu_quota(cgroups: Path = CGROUPS) -> float | None:
    """Cores' time that a container gets; None without a limit, or where it cannot be asked."""
    path = cgroups / "cpu.max"
    if not path.is_file():
        return None
    share, period = path.read_text(encoding="ascii").split()
    return None if share == "max" else int(share) / int(period)


def memory_limit(cgroups: Path = CGROUPS) -> int | None:
    """Bytes that a container may take; None without a limit, or where it cannot be asked."""
    for name in MEMORY_LIMITS:
        path = cgroups / name
        if path.is_file():
            text = path.read_text(encoding="ascii").strip()
            return None if text == "max" else int(text)
    return None


def check_memory() -> Check:
    """What is available, and what a container may take."""
    memory, limit = psutil.virtual_memory(), memory_limit()
    found = f"{memory.available / 1e9:.1f} of {memory.total / 1e9:.1f} GB available"
    least = memory.available
    if limit is not None and limit < memory.total:
        found += f", {limit / 1e9:.1f} GB allowed to this container"
        least = min(least, limit)
    if least < LEAST_MEMORY:
        return Check(
            "memory", WARNING, found, f"the example needs {LEAST_MEMORY / 1e9:.0f} GB: end something else"
        )
    return Check("memory", OK, found)


def check_writing(name: str, folder: Path) -> Check:
    """Whether a file can be written, renamed and locked there."""
    place = nearest_folder(folder)
    try:
        with TemporaryDirectory(dir=place, prefix=".doctor-") as aside:
            first = Path(aside, "first")
            with locked_if_free(first):
                first.rename(first.with_name("second"))
    except OSError as error:
        remedy = "name a folder that you can write to, on a disk with file locks: --output_dir, --cache_dir"
        return Check(f"{name} folder", FAILED, f"{folder}: {error.strerror}", remedy)
    return Check(f"{name} folder", OK, f"{folder}: files can be written, renamed and locked")


def check_disk(name: str, folder: Path) -> Check:
    """Free room where a folder lies."""
    usage = shutil.disk_usage(nearest_folder(folder))
    found = f"{usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB free"
    if usage.free < LEAST_DISK:
        remedy = "make room, or name a folder on another disk: --output_dir, --cache_dir"
        return Check(f"{name} disk", FAILED, found, remedy)
    if usage.free < LITTLE_DISK:
        remedy = "enough for the example; a checkpoint of the 1.7B model alone takes 21 GB"
        return Check(f"{name} disk", WARNING, found, remedy)
    return Check(f"{name} disk", OK, found)


def nearest_folder(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder, *folder.resolve().parents) if path.is_dir())


def check_shared_memory(size: int) -> Check:
    """Room, in bytes, where the processes of one run hand data to each other."""
    found = f"{size / 1e9:.2f} GB"
    if size < LEAST_SHARED:
        remedy = "several processes on GPUs need more: docker run --shm-size=8g"
        return Check(str(SHARED_MEMORY), WARNING, found, remedy)
    return Check(str(SHARED_MEMORY), OK, found)


def check_compiler(path: str | None) -> Check:
    """Whether there is a C compiler, which torch.compile calls."""
    if path:
        return Check("C compiler", OK, path)
    remedy = "install one (apt-get install build-essential), or set compile_layers: false"
    return Check("C compiler", WARNING, "none, and compile_layers: true needs one", remedy)


def check_network() -> Check:
    """Whether this environment lets the libraries ask or tell others."""
    stay_offline()
    if HUB_SWITCH not in OURS and os.environ[HUB_SWITCH].lower() in ("0", "false", "no", "off", ""):
        remedy = f"unset {HUB_SWITCH}: peft would ask the hub for a base model while it saves adapters"
        return Check("network", WARNING, f"{HUB_SWITCH}={os.environ[HUB_SWITCH]} is set here", remedy)
    return Check("network", OK, f"none is used: every command sets {HUB_SWITCH}=1, and so did this")
