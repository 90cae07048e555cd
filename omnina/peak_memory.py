"""The most memory that this process has held, on the device where it computes."""

import torch

from omnina.memory_limit import peak_memory


def peak_device_memory(device: torch.device) -> int:
    """Bytes: of the device's allocator on a GPU, else resident in the machine's memory, code included."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()
