"""Memory of one device by part, whether it is enough, and the largest pass that is.

By formula (``omnina/scaling.py``), or measured; from a measured pass to a larger one by formula again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from transformers import LlamaConfig

from omnina.planning.calibration import Measured
from omnina.planning.machine import Machine
from omnina.planning.parameters import Parameters
from omnina.scaling import activation_bytes, copy_bytes, layer_bytes

PROGRAM_BYTES = {"cpu": 500_000_000, "cuda": 0}  # Python and libraries; a GPU's lie in its reserve
# tests/test_scaling.py: inside layers a CPU keeps copies that the formula, made for GPUs, leaves out.
COPIES = {"cpu": 1.3, "cuda": 1.0}
TILE = 128  # a pass is told in multiples of so many tokens
MOST_TOKENS = 2**24
SHARES = (0.25, 0.5, 0.75, 1.0)  # of the layers that a plan advises to compute again
NEAR = 0.1  # a measured pass is the run's own if it lacks no more than this share of its tokens


@dataclass(frozen=True)
class DeviceMemory:
    """Bytes of one device at its peak.

    Args:
        parts: by name; all but the last do not depend on the tokens of a pass.
        of_pass: the last part for so many tokens.
        tokens: of the pass.
        usable: bytes that a run may fill.
        basis: how it is known, for the reader.
    """

    parts: dict[str, int]
    of_pass: Callable[[int], int]
    tokens: int
    usable: int
    basis: str

    @property
    def total(self) -> int:
        """At the peak."""
        return sum(self.parts.values()) + self.of_pass(self.tokens)

    @property
    def fits(self) -> bool:
        """Whether the device has that much to give."""
        return self.total <= self.usable

    @property
    def most_tokens(self) -> int:
        """Of the largest pass that fits, in whole tiles; 0 if none does."""
        room = self.usable - sum(self.parts.values())
        low, high = 0, MOST_TOKENS // TILE
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.of_pass(middle * TILE) <= room else (low, middle - 1)
        return low * TILE


@dataclass(frozen=True)
class Shape:
    """What decides a device's memory.

    Args:
        config: the architecture.
        parameters: of the run.
        tokens: of a pass, at most.
        accumulation: passes of a step, on each device.
        recomputed: share of the layers whose activations are computed again.
        half: products in bf16.
    """

    config: LlamaConfig
    parameters: Parameters
    tokens: int
    accumulation: int
    recomputed: float
    half: bool


def state_parts(shape: Shape, machine: Machine) -> dict[str, int]:
    """Bytes of weights, gradients, optimizer and the engine's copies on one device."""
    shares = machine.devices if machine.engine == "fsdp" else 1
    known = shape.parameters
    parts = {
        "weights": known.weight_bytes // shares,
        "gradients": known.gradient_bytes // shares,
        "optimizer": known.optimizer_bytes // shares,
    }
    engine = (machine.engine, machine.devices, shape.accumulation)
    return parts | {"copies": copy_bytes(shape.config, *engine, half=shape.half, trained=known.trained)}


def expected_memory(shape: Shape, machine: Machine) -> DeviceMemory:
    """By formula."""

    def of_pass(tokens: int) -> int:
        return pass_bytes(shape, machine, tokens)

    parts = {"programs": PROGRAM_BYTES[machine.kind], **state_parts(shape, machine)}
    parts["average"] = shape.parameters.average_bytes
    return DeviceMemory(parts, of_pass, shape.tokens, machine.usable, "by formula (docs/scaling.md)")


def measured_memory(shape: Shape, machine: Machine, measured: Measured) -> DeviceMemory:
    """From a calibration on one device; what several devices share or copy is added by formula."""
    alone = replace(machine, devices=1, engine="ddp")
    known = state_parts(shape, alone)
    parts = {"programs": measured.program_bytes, **state_parts(shape, machine)}
    parts["average"] = shape.parameters.average_bytes  # a calibration keeps none
    at_pass = measured.peak - measured.program_bytes - sum(known.values())
    at_formula, basis = pass_bytes(shape, machine, measured.pass_tokens), "measured now"
    if measured.pass_tokens < shape.tokens * (1 - NEAR):
        basis += f" in passes of {measured.pass_tokens:,} tokens; for more, by formula"

    def of_pass(tokens: int) -> int:
        return at_pass + pass_bytes(shape, machine, tokens) - at_formula

    return DeviceMemory(parts, of_pass, shape.tokens, machine.usable, basis)


def fitting_share(shape: Shape, machine: Machine, memory: DeviceMemory) -> float | None:
    """The least share of layers to compute again with which a pass of this size fits; None if none is enough.

    What a share saves is by formula, of a measured plan too.
    """
    excess, now = memory.total - memory.usable, pass_bytes(shape, machine, shape.tokens)
    for share in SHARES:
        saved = now - pass_bytes(replace(shape, recomputed=share), machine, shape.tokens)
        if share > shape.recomputed and saved >= excess:
            return share
    return None


def pass_bytes(shape: Shape, machine: Machine, tokens: int) -> int:
    """What a pass over so many tokens holds, by formula.

    Going back through a layer, gradients inside it are as large as what it has kept.
    """
    kept = activation_bytes(shape.config, tokens, shape.recomputed, half=shape.half)
    return round(COPIES[machine.kind] * (kept + tokens * layer_bytes(shape.config, shape.half)))
