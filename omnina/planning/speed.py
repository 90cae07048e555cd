"""Tokens a second: expected of a device from committed measurements, or assumed; or measured here.

Expected is a share of what large matrix products reach: on a processor of their speed here, measured in a
moment, on a GPU of its data sheet. The shares are in docs/benchmarks/rates.yaml, each with where it was
measured; a GPU without one is assumed to reach ``H100.reached`` of ``scaling.py``.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig

from omnina.files.yaml_file import read_yaml
from omnina.flops import matrix_ceiling, training_flops
from omnina.planning.machine import Machine
from omnina.planning.steps import Steps
from omnina.scaling import H100, compute_seconds, efficiency, parameter_count, repeated_work
from omnina.throughput import CEILING_SIZE
from omnina.trainer_settings import multiplies_bf16

RATES = Path(__file__).parents[2] / "docs" / "benchmarks" / "rates.yaml"
FROZEN_SHARE = 2 / 3  # of the work where weights get no gradients of their own (LoRA)


@dataclass(frozen=True)
class Speed:
    """Tokens a second over all devices, and how it is known, for the reader."""

    tokens_per_second: float
    basis: str


@dataclass(frozen=True)
class Work:
    """What a token costs.

    Args:
        config: the architecture.
        recomputed: share of the layers whose activations are computed again.
        half: products in bf16.
        frozen: only adapters train.
    """

    config: LlamaConfig
    recomputed: float
    half: bool
    frozen: bool

    @property
    def dtype(self) -> str:
        """As rates.yaml names it."""
        return "bf16" if self.half else "fp32"

    def token_flops(self, document: float) -> float:
        """Model FLOPs of a token in documents of so many, nothing computed twice."""
        return training_flops(self.config, document) / document


@dataclass(frozen=True)
class Rate:
    """A measured share of the ceiling; an entry of rates.yaml."""

    device: str
    dtype: str
    model: str
    parameters: int
    share: float
    where: str


def measured_rates(path: Path = RATES) -> list[Rate]:
    """All of a file."""
    return [Rate(**entry) for entry in read_yaml(path)["rates"]]


def nearest_rate(rates: list[Rate], device: str, dtype: str, parameters: int) -> Rate | None:
    """Of a device and dtype, that of the model nearest in size, by ratio; None without one."""
    fitting = [rate for rate in rates if (rate.device, rate.dtype) == (device, dtype)]
    return min(fitting, key=lambda rate: abs(math.log(rate.parameters / parameters)), default=None)


def expected_speed(work: Work, steps: Steps, machine: Machine) -> Speed | None:
    """Without calibration; None where no data sheet or measurement tells."""
    name = machine.gpu.name if machine.gpu else machine.kind
    rate = nearest_rate(measured_rates(), name, work.dtype, parameter_count(work.config))
    if machine.kind == "cpu":
        multiplies = not work.half or multiplies_bf16(on_gpu=False)
        return _of_processor(work, steps, rate) if rate and multiplies else None
    if machine.gpu is None or not work.half:
        return None
    reached = rate.share if rate else H100.reached
    basis = f"{reached:.0%} of {machine.gpu.tflops:g} TFLOP/s by data sheet, "
    basis += f"measured with {rate.model}, {rate.where}" if rate else "ASSUMED: no GPU has been measured"
    return Speed(_of_gpus(work, steps, machine, reached), basis)


def measured_speed(one: float, work: Work, steps: Steps, machine: Machine) -> Speed | None:
    """Of all devices, from tokens a second measured on one; None for several of an unknown kind."""
    if machine.devices == 1:
        return Speed(one, "measured now")
    if machine.gpu is None:
        return None
    reached = one * work.token_flops(steps.document) / (machine.gpu.tflops * 1e12)
    share = _efficiency(work, steps, machine, reached)
    return Speed(one * machine.devices * share, f"measured now on one; {share:.0%} of it on each, predicted")


def _of_processor(work: Work, steps: Steps, rate: Rate) -> Speed:
    dtype = torch.bfloat16 if work.half else torch.float32
    ceiling = matrix_ceiling(torch.device("cpu"), dtype, CEILING_SIZE["cpu"])
    share = rate.share / _repeated_work(work)
    basis = f"{rate.share:.0%} of {ceiling / 1e9:.0f} GFLOP/s, a matrix product here; the share as of "
    basis += f"{rate.model}, {rate.dtype}, {rate.where}"
    return Speed(share * ceiling / work.token_flops(steps.document), basis)


def _of_gpus(work: Work, steps: Steps, machine: Machine, reached: float) -> float:
    frozen = FROZEN_SHARE if work.frozen else 1.0
    seconds = compute_seconds(
        work.config, steps.tokens, steps.document, work.recomputed, machine.hardware(reached)
    )
    one = steps.tokens / (seconds * frozen)
    return one * machine.devices * _efficiency(work, steps, machine, reached)


def _repeated_work(work: Work) -> float:
    """What is computed, as a multiple of the model's FLOPs."""
    return repeated_work(work.config, work.recomputed) * (FROZEN_SHARE if work.frozen else 1.0)


def _efficiency(work: Work, steps: Steps, machine: Machine, reached: float) -> float:
    return efficiency(
        work.config,
        machine.engine,
        machine.devices,
        tokens_per_step=steps.tokens,
        tokens_per_device=steps.pass_tokens,
        document=steps.document,
        recomputed=work.recomputed,
        hardware=machine.hardware(reached),
    )
