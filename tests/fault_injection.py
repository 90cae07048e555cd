"""Faults that a run suffers: each is called in the run's process before it begins, and waits."""

import functools
import importlib
import itertools
import math
import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save as safetensors_bytes

CHUNK = 4096


def kill() -> None:
    """As the kernel does when memory is short, or a node goes down."""
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(act: Callable[[], None], module: str, name: str, call: int = 1, *, after: bool = False) -> None:
    """Act before (or after) the call of this number, from 1, of ``module.name`` or ``module.Class.name``."""
    *classes, attribute = name.split(".")
    owner = functools.reduce(getattr, classes, importlib.import_module(module))
    original, calls = getattr(owner, attribute), []

    def acting(*args, **kwargs):
        calls.append(1)
        if len(calls) == call and not after:
            act()
        result = original(*args, **kwargs)
        if len(calls) == call and after:
            act()
        return result

    setattr(owner, attribute, acting)


def send(number: int) -> None:
    """The signal of a scheduler."""
    os.kill(os.getpid(), number)


def limit_file_size(size: int) -> None:
    """Writing more than so many bytes into a file fails (EFBIG), as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def fail_with(number: int) -> None:
    """What a system call says of a full disk (ENOSPC) or a quota (EDQUOT)."""
    raise OSError(number, os.strerror(number))


def fork_loaders() -> None:
    """As on Linux by default: the loading processes have the run's faults too."""
    multiprocessing.set_start_method("fork", force=True)


def hang() -> None:
    """As a process does whose network or file system does not answer."""
    time.sleep(3600)


def spoil_loss(spoil: Callable[[torch.Tensor], torch.Tensor], calls: range) -> None:
    """Change the loss of the forward passes of these numbers, from 1, in training."""
    from omnina.trainer import OmniNATrainer

    original, count = OmniNATrainer.compute_loss, itertools.count(1)

    def spoilt(self, *args, **kwargs) -> torch.Tensor:
        loss = original(self, *args, **kwargs)
        return spoil(loss) if next(count) in calls else loss

    OmniNATrainer.compute_loss = spoilt


def not_a_number(loss: torch.Tensor) -> torch.Tensor:
    return loss * math.nan


def huge(loss: torch.Tensor) -> torch.Tensor:
    return loss * 1000


def infinite_slope(loss: torch.Tensor) -> torch.Tensor:
    """The same loss, with a gradient that is not finite."""
    return loss + torch.sqrt(loss - loss.detach())


def kill_after_bytes(wanted: int, step: int) -> None:
    """Kill when so many bytes of the checkpoint of this step are on disk.

    The writers in C++ and Rust are replaced by ones that write the same bytes in small pieces.
    """
    import transformers.modeling_utils

    def check() -> None:
        for folder in Path.cwd().glob(f"*/.checkpoint-{step}.partial"):
            if sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) >= wanted:
                kill()

    def write(path: str, content: bytes) -> None:
        with Path(path).open("wb", buffering=0) as stream:
            for start in range(0, len(content), CHUNK):
                stream.write(content[start : start + CHUNK])
                check()

    def save_tensors(tensors: dict[str, torch.Tensor], path: str, metadata: dict | None = None) -> None:
        write(path, safetensors_bytes(tensors, metadata))

    def save_object(value: object, path: str) -> None:
        import io

        content = io.BytesIO()
        original(value, content)
        write(path, content.getvalue())

    original, torch.save = torch.save, save_object
    transformers.modeling_utils.safe_save_file = save_tensors
    sys.addaudithook(lambda event, args: check() if event == "open" and ".partial" in str(args[0]) else None)
