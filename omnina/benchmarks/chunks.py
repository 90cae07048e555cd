"""The loss in chunks of logits of several sizes: seconds, in turn in one run, and memory.

Measured is the forward and backward pass of the cross-entropy alone, of one pass's tokens. Where a chunk
holds all the logits, a larger one is the same. The baseline is the size in use (``omnina/loss.py``).
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from transformers import LlamaConfig

from omnina.benchmarks.child import in_child
from omnina.benchmarks.figures import compared, spread
from omnina.benchmarks.memory import MIB, peak_bytes
from omnina.benchmarks.training import timed
from omnina.benchmarks.ways import Choices
from omnina.benchmarks.work import first_device, precision
from omnina.loss import CHUNK_BYTES, fused_cross_entropy
from omnina.model_config import read_architecture

SIZES = tuple(2**power for power in range(22, 29))  # bytes; 4 to 256 MiB
WARM = LlamaConfig(vocab_size=64, hidden_size=64)


@dataclass(frozen=True)
class LossWork:
    """One pass's loss, as given on the command line.

    Args:
        model_config: YAML with the architecture.
        dtype: ``bf16`` (autocast) or ``fp32``.
        tokens: that have a label.
    """

    model_config: str
    dtype: str
    tokens: int

    @property
    def choices(self) -> Choices:
        """The architecture, device and precision."""
        return Choices(read_architecture(self.model_config), first_device(), self.dtype == "bf16")

    @property
    def name(self) -> str:
        """For the tables."""
        work = f"{Path(self.model_config).stem}, {self.dtype}, {self.tokens:,} labels, {first_device().type}"
        return f"{work}; baseline: chunks of {_mib(CHUNK_BYTES)}, as in training"


@dataclass(frozen=True)
class LossInputs:
    """States (S, H), output embedding (V, H), targets (S,), on the device."""

    states: torch.Tensor
    weight: torch.Tensor
    targets: torch.Tensor

    @classmethod
    def random(cls, choices: Choices, tokens: int) -> "LossInputs":
        """Such as the model's last norm gives them: float32, whatever the products' dtype."""
        torch.manual_seed(0)
        hidden, vocabulary = choices.config.hidden_size, choices.config.vocab_size
        with choices.device:
            states, weight = (torch.randn(n, hidden, requires_grad=True) for n in (tokens, vocabulary))
            return cls(states, weight, torch.randint(vocabulary, (tokens,)))

    def run(self, choices: Choices, chunk_bytes: int) -> None:
        """Forward and backward."""
        self.states.grad = self.weight.grad = None
        with precision(choices):
            loss = fused_cross_entropy(*vars(self).values(), chunk_bytes=chunk_bytes)
        loss.backward()


def measure_chunks(
    model_configs: Iterable[str], dtype: str, tokens: int, turns: int, sizes: Sequence[int] = SIZES
) -> list[list[dict]]:
    """A table of ``{work, metric, ours, baseline, ratio}`` for each architecture.

    ``sizes`` of chunks are in bytes.
    """
    works = [LossWork(each, dtype, tokens) for each in model_configs]
    for work in works:
        read_architecture(work.model_config)  # a mistake in the last is told before the first is measured
    return [_table(work, turns, sizes) for work in works]


def _table(work: LossWork, turns: int, sizes: Sequence[int]) -> list[dict]:
    sizes = sorted({*sizes, CHUNK_BYTES})
    seconds = seconds_of_chunks(work, turns, sizes)
    growth = {size: in_child(__name__, "memory_of_chunks", vars(work), size) / MIB for size in sizes}
    rows = []
    for size in sizes:
        ratios = [ours / usual for ours, usual in zip(seconds[size], seconds[CHUNK_BYTES], strict=True)]
        medians = (statistics.median(seconds[each]) * 1e3 for each in (size, CHUNK_BYTES))
        rows.append(compared(work.name, f"chunks of {_mib(size)}: ms, median", *medians))
        rows.append(spread(work.name, f"chunks of {_mib(size)}: time over the baseline's", ratios, "turn"))
    for size in sizes:
        memory = (max(growth[each], 1 / MIB) for each in (size, CHUNK_BYTES))
        rows.append(compared(work.name, f"chunks of {_mib(size)}: peak memory, MiB", *memory))
    return rows


def seconds_of_chunks(work: LossWork, turns: int, sizes: Sequence[int]) -> dict[int, list[float]]:
    """Seconds of every turn but the first, which warms up; all sizes in each, on the same tensors."""
    choices = work.choices
    inputs = LossInputs.random(choices, work.tokens)
    measured = [
        {size: timed(choices.device, partial(inputs.run, choices, size)) for size in sizes}
        for _ in range(turns + 1)
    ][1:]
    return {size: [turn[size] for turn in measured] for size in sizes}


def memory_of_chunks(settings: dict, chunk_bytes: int) -> int:
    """Bytes above states, embedding and the gradients of both at the peak; for a child process."""
    work = LossWork(**settings)
    choices = work.choices
    LossInputs.random(Choices(WARM, choices.device, choices.half), 8).run(choices, chunk_bytes)
    inputs = LossInputs.random(choices, work.tokens)
    before = peak_bytes(choices.device)
    inputs.run(choices, chunk_bytes)
    gradients = inputs.states.grad.nbytes + inputs.weight.grad.nbytes
    return max(0, peak_bytes(choices.device) - before - gradients)


def _mib(size: int) -> str:
    return f"{size / MIB:g} MiB"
