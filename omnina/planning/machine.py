"""Where a run is planned for: GPUs named or here, or this machine's processor."""

from dataclasses import dataclass

import psutil
import torch

from omnina.errors import UserError
from omnina.planning.gpus import Gpu, gpu_of_device, named_gpu
from omnina.scaling import Engine, Hardware

RESERVED_SHARE = 0.1  # of a GPU's memory, for CUDA, NCCL and the allocator's gaps: an assumption
GPUS_PER_NODE = 8


@dataclass(frozen=True)
class Machine:
    """Devices that train together.

    Args:
        name: for the reader.
        kind: ``cuda`` or ``cpu``.
        devices: processes, one for each.
        memory: bytes of each; of a processor, those that are free now.
        engine: ``ddp`` or ``fsdp``; one process is ``ddp``.
        gpu: its data sheet, if that is known.
    """

    name: str
    kind: str
    devices: int
    memory: int
    engine: Engine
    gpu: Gpu | None = None

    @property
    def usable(self) -> int:
        """Bytes of a device that a run may fill."""
        return round(self.memory * (1 - RESERVED_SHARE)) if self.kind == "cuda" else self.memory

    @property
    def link(self) -> str:
        """How the processes work together."""
        if self.devices == 1:
            return "one process"
        return {"ddp": "DDP", "fsdp": "FSDP2"}[self.engine]

    def hardware(self, reached: float) -> Hardware:
        """For the formulas of ``scaling.py``, each device reaching this share of its data sheet."""
        assert self.gpu, "a speed by data sheet needs one"
        return Hardware(self.gpu.tflops * 1e12, reached, self.gpu.inside, gpus_per_node=GPUS_PER_NODE)


def named_machine(gpu: str, devices: int, engine: Engine) -> Machine:
    """So many GPUs of a name; UserError for one that is not known."""
    found = named_gpu(gpu)
    return Machine(found.name, "cuda", devices, round(found.memory_gb * 1e9), engine, found)


def machine_here(device: torch.device, devices: int | None, engine: Engine) -> Machine:
    """All GPUs that torch sees here, or so many; the processor where it trains.

    Raises UserError for more GPUs than there are.
    """
    if device.type == "cpu":
        if devices:
            raise UserError("--gpus: torch trains on the processor here; name the GPUs by --gpu, as in H100.")
        return Machine("the processor here", "cpu", 1, psutil.virtual_memory().available, "ddp")
    there = torch.cuda.device_count()
    if (devices or 1) > there:
        raise UserError(f"--gpus {devices}: {there} are here; name a kind by --gpu to plan for more of it.")
    properties = torch.cuda.get_device_properties(0)
    name, memory = properties.name, properties.total_memory
    return Machine(name, "cuda", devices or there, memory, engine, gpu_of_device(name))
