"""One way to train on one device, measured; for a process of its own.

Rows are random, with lengths as in the published sample, and come from the training's own loader. A step is
several forward and backward passes and one of AdamW, with clipped gradients. Where memory runs out a pass
holds half as many tokens, and the figures say how many it held.
"""

import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import count, islice

import numpy as np
import torch
import torch._dynamo  # its settings are not there before
from torch._dynamo.utils import counters

from omnina.benchmarks.training import run_batch, timed
from omnina.benchmarks.ways import OURS, PACKED, PADDED, Choices, Way, make_way
from omnina.benchmarks.work import first_device, published_like_rows
from omnina.collation import FixedShape, longest_bound
from omnina.flops import matrix_ceiling, training_flops
from omnina.loading import PREFETCH, RowsAtHand, TimedLoader
from omnina.model_config import read_architecture
from omnina.packing import StepPlan, StepSampler
from omnina.trainer_settings import multiplies_bf16

FP8, FP8_ROWWISE = "ours, fp8", "ours, fp8 rowwise"
FILLED = "padded Llama, as many rows as fit a pass"
SCALING = {FP8: "tensorwise", FP8_ROWWISE: "rowwise"}
PACKED_WAYS = (OURS, FP8, FP8_ROWWISE, PACKED)
ROWS = 20_000
PASSES = 4  # of a step of packed rows
PUBLISHED_ROWS = 8  # of a padded pass, in the published scripts
PADDED_PASSES = 16  # of a step: smaller passes, so that the optimizer's share of it stays small
WARM_UP, FEWEST_STEPS = 2, 3
BF16, FLOAT32 = "bf16", "float32"
WORKERS = 2  # that build batches for a GPU, as training's default


@dataclass(frozen=True)
class Measured:
    """One way.

    Attributes:
        attention: our kernel.
        dtype: of products of matrices: ``bf16``, or ``float32`` on a processor that would only emulate it.
        one_pass: what it held, in words, and that its activations were kept.
        rates, flops: useful tokens and FLOPs per second of each step.
        real: share of the computed tokens that are no filler and no padding.
        waited: share of the steps' time in which the next batch was not there yet.
        graphs: compiled, after warming up and at the end; a difference says that steps compiled.
        peak: bytes of the GPU's memory; 0 on a CPU.
    """

    attention: str
    dtype: str
    one_pass: str
    rates: list[float]
    flops: list[float]
    real: float
    waited: float
    graphs: tuple[int, int]
    peak: int


@dataclass(frozen=True)
class EqualRows:
    """Row ids of passes of so many rows each, in the order of a plan's stream, without end."""

    plan: StepPlan
    rows: int

    def __iter__(self) -> Iterator[list[int]]:
        waiting: list[int] = []
        for step in count():
            waiting += self.plan.rows(step).tolist()
            while len(waiting) >= self.rows:
                yield waiting[: self.rows]
                del waiting[: self.rows]


@dataclass(frozen=True)
class Step:
    """What a step computed: lengths of its rows, tokens with filler and padding."""

    lengths: np.ndarray
    computed: int


@dataclass
class Steps:
    """Training of a way, step by step.

    Args:
        batches: (row ids, what ``collate`` made of them) of each pass, without end.
        passes: of a step.
    """

    way: Way
    choices: Choices
    lengths: np.ndarray
    batches: Iterator[tuple[list[int], dict]]
    passes: int

    def __post_init__(self) -> None:
        self.optimizer = torch.optim.AdamW(self.way.model.parameters(), lr=1e-4, fused=True)

    def make(self) -> Step:
        """One."""
        rows, computed = [], 0
        for row_ids, batch in islice(self.batches, self.passes):
            run_batch(self.way, self.choices, batch)
            rows += row_ids
            computed += batch["input_ids"].numel()
        torch.nn.utils.clip_grad_norm_(self.way.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return Step(self.lengths[rows], computed)

    def timed(self, seconds: float) -> tuple[list[Step], list[float]]:
        """As many as take so many seconds, three at least, and the seconds of each."""
        steps: list[Step] = []
        taken: list[float] = []
        while sum(taken) < seconds or len(taken) < FEWEST_STEPS:
            taken.append(timed(self.choices.device, lambda: steps.append(self.make())))
        return steps, taken


def measure_ceilings(size: int) -> dict[str, float]:
    """FLOP/s of products of matrices of so many rows, by dtype."""
    dtypes = {BF16: torch.bfloat16, FLOAT32: torch.float32}
    return {name: matrix_ceiling(first_device(), dtype, size) for name, dtype in dtypes.items()}


def measure_way(way: str, model_config: str, tokens: int, fewest_tokens: int, seconds: float) -> dict:
    """A ``Measured``, over so many seconds of steps.

    Args:
        way: its name.
        model_config: YAML with the architecture.
        tokens, fewest_tokens: of a pass at first, and below which it is given up.
        seconds: that steps are timed, after warming up.

    Raises:
        torch.OutOfMemoryError: if even the fewest tokens are too many.
        FailOnRecompileLimitHit: instead of going on uncompiled, unnoticed.
    """
    device = first_device()
    config = read_architecture(model_config)
    on_gpu = device.type == "cuda"  # many CPUs only emulate bf16, for minutes a step
    half = multiplies_bf16(on_gpu=on_gpu)
    choices = Choices(config, device, half=half, compiled=on_gpu, alone=True)
    with torch._dynamo.config.patch(fail_on_recompile_limit_hit=True):
        return asdict(
            while_it_fits(lambda fitting: _measured(way, choices, fitting, seconds), tokens, fewest_tokens)
        )


def while_it_fits(measure: Callable[[int], Measured], tokens: int, fewest: int) -> Measured:
    """``measure`` of so many tokens, or of half as many until memory suffices.

    Raises torch.OutOfMemoryError if not even for ``fewest``.
    """
    while tokens // 2 >= fewest:
        try:
            return measure(tokens)
        except torch.OutOfMemoryError:
            tokens //= 2
        _forget()  # outside the handler, whose traceback holds the model
    return measure(tokens)


def _forget() -> None:
    gc.collect()
    torch._dynamo.reset()
    torch.cuda.empty_cache()


def _measured(name: str, choices: Choices, tokens: int, seconds: float) -> Measured:
    counters.clear()
    if choices.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    rows = published_like_rows(ROWS, choices.config.vocab_size, choices.config.max_position_embeddings)
    lengths = np.array([len(row["input_ids"]) for row in rows])
    plan = StepPlan(lengths, tokens_per_step=PASSES * tokens, seed=0, data_hash="")
    way = _way(name, choices, plan)
    sampler, passes, one_pass = _passes(name, plan, tokens)
    loader = _loader(rows, sampler, way, choices.device)
    steps = Steps(way, choices, lengths, zip(sampler, loader, strict=True), passes)
    for _ in range(WARM_UP):
        steps.make()
    graphs, waited = _graphs(), loader.waited
    made, taken = steps.timed(seconds)
    useful = [int(step.lengths.sum()) for step in made]
    flops = [float(training_flops(choices.config, step.lengths).sum()) for step in made]
    return Measured(
        attention=choices.attention,
        dtype=BF16 if choices.half else FLOAT32,
        one_pass=f"{one_pass}, activations kept",
        rates=[amount / took for amount, took in zip(useful, taken, strict=True)],
        flops=[amount / took for amount, took in zip(flops, taken, strict=True)],
        real=sum(useful) / sum(step.computed for step in made),
        waited=(loader.waited - waited) / sum(taken),
        graphs=(graphs, _graphs()),
        peak=torch.cuda.max_memory_allocated() if choices.device.type == "cuda" else 0,
    )


def _way(name: str, choices: Choices, plan: StepPlan) -> Way:
    if name not in (OURS, *SCALING):
        return make_way(PADDED if name == FILLED else name, choices)
    shape, longest = FixedShape.for_plan(plan, PASSES), longest_bound(plan.lengths)
    return make_way(OURS, replace(choices, shape=shape, longest=longest, fp8_scaling=SCALING.get(name)))


def _passes(name: str, plan: StepPlan, tokens: int) -> tuple[Iterable[list[int]], int, str]:
    """Row ids of each pass, passes of a step, and a pass in words."""
    if name in PACKED_WAYS:
        return StepSampler(plan, 1, 0, PASSES), PASSES, f"at most {tokens:,} tokens"
    rows = max(1, tokens // plan.longest) if name == FILLED else PUBLISHED_ROWS
    passes = PASSES if name == FILLED else PADDED_PASSES
    return EqualRows(plan, rows), passes, f"{rows} rows, padded to the longest"


def _loader(rows: list[dict], sampler: Iterable[list[int]], way: Way, device: torch.device) -> TimedLoader:
    """As training makes it."""
    workers = WORKERS if device.type == "cuda" else 0
    return TimedLoader(
        RowsAtHand(rows, workers),
        batch_sampler=sampler,
        collate_fn=way.collate,
        num_workers=workers,
        prefetch_factor=PREFETCH if workers else None,
        pin_memory=device.type == "cuda",
    )


def _graphs() -> int:
    return int(counters["stats"]["unique_graphs"])
