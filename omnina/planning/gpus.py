"""GPUs by name: memory and speed as their data sheets say; nothing here is measured."""

import difflib
from dataclasses import dataclass

from omnina.errors import UserError

NVLINK, NVLINK_3, PCIE_4 = 300e9, 200e9, 20e9  # bytes/s that a GPU sends to others of its machine: assumed


@dataclass(frozen=True)
class Gpu:
    """One kind of GPU.

    Args:
        name: as ``--gpu`` takes it.
        memory_gb: 10^9 bytes.
        tflops: dense bf16 products summed in float32, 10^12 FLOP/s.
        inside: bytes/s that it sends to others of its machine.
    """

    name: str
    memory_gb: float
    tflops: float
    inside: float


_ALL = (
    Gpu("B200", 180, 2250, 2 * NVLINK),
    Gpu("H200", 141, 989, NVLINK),
    Gpu("H100", 80, 989, NVLINK),
    Gpu("H100-PCIe", 80, 756, PCIE_4),
    Gpu("A100-80GB", 80, 312, NVLINK_3),
    Gpu("A100-40GB", 40, 312, NVLINK_3),
    Gpu("L40S", 48, 362, PCIE_4),
    Gpu("L4", 24, 121, PCIE_4),
    Gpu("A10", 24, 125, PCIE_4),
    Gpu("RTX6000Ada", 48, 364, PCIE_4),
    Gpu("RTX5090", 32, 209, PCIE_4),
    Gpu("RTX4090", 24, 165, PCIE_4),
    Gpu("RTX3090", 24, 71, PCIE_4),
)
GPUS = {gpu.name: gpu for gpu in _ALL}


def named_gpu(name: str) -> Gpu:
    """The GPU of this name, in any case; UserError that lists the known ones."""
    known = {each.lower(): each for each in GPUS}
    if name.lower() in known:
        return GPUS[known[name.lower()]]
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f" Did you mean {known[near[0]]}?" if near else ""
    raise UserError(f"--gpu {name}: not in the table of known GPUs ({', '.join(GPUS)}).{hint}")


def gpu_of_device(device_name: str) -> Gpu | None:
    """The one whose data sheet this device has, as 'NVIDIA H100 80GB HBM3' has H100's; None if not known."""
    plain = device_name.replace(" ", "").lower()
    fitting = [gpu for gpu in _ALL if all(part in plain for part in gpu.name.lower().split("-"))]
    return max(fitting, key=lambda gpu: len(gpu.name), default=None)
