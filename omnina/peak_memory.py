"""The most memory that this process has held."""

import resource
import sys

import torch

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB on Linux (getrusage(2))


def peak_memory(device: torch.device) -> int:
    """Bytes: of the device's allocator on a GPU, else resident in the machine's memory, code included."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT
