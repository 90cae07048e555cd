"""Training on one GPU: the published sizes in bf16 and float8 beside padded Llama, under a time limit.

Rows are random, with lengths as in the published sample; a step is PASSES forward and backward passes and
one of AdamW. Where memory runs out a pass holds half as many tokens, and the table says how many it held.
"""

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig

from omnina.benchmarks.figures import single
from omnina.benchmarks.training import run_pass, timed
from omnina.benchmarks.ways import LIGER, OURS, PADDED, Choices, Way, available_baselines, make_way
from omnina.benchmarks.work import first_device, published_like_rows
from omnina.files.yaml_file import read_yaml
from omnina.flops import matrix_ceiling, training_flops
from omnina.fp8 import can_multiply_float8
from omnina.packing import FixedShape, StepPlan, partition

PASSES = 4  # of a step
ROWS = 20_000
ANCHOR_FLOPS = 989e12  # dense bf16 peak in an H100's and H200's data sheet, by which published shares divide
FP8_WAY = "ours, fp8"


@dataclass(frozen=True)
class Plan:
    """What is measured, and for how long.

    Args:
        model_configs: YAMLs with architectures, smallest first.
        fp8_from: hidden size from which float8 is measured too.
        tokens: of a pass, at first.
        fewest_tokens: of a pass; below, the way is given up.
        ceiling_size: rows of the matrices in the ceiling.
        seconds: that each way is timed, after warming up.
        limit: seconds after which nothing new is begun.
    """

    model_configs: tuple[str, ...]
    fp8_from: int = 1024
    tokens: int = 32_768
    fewest_tokens: int = 4096
    ceiling_size: int = 8192
    seconds: float = 12.0
    limit: float = 480.0


@dataclass(frozen=True)
class Measured:
    """One way: tokens of a pass, tokens and FLOPs per second of each step, bytes at the peak."""

    tokens: int
    rates: list[float]
    flops: list[float]
    peak: int


def measure_gpu(plan: Plan, say: Callable[[str], None] = print) -> list[dict]:
    """Rows ``{work, metric, value}``; ``say`` is told what is being measured."""
    device = first_device()
    began = time.perf_counter()
    ceilings = {
        name: matrix_ceiling(device, dtype, plan.ceiling_size)
        for name, dtype in (("bf16", torch.bfloat16), ("float32", torch.float32))
    }
    rows = [
        single("ceiling", f"{name} matrix product, TFLOP/s", value / 1e12) for name, value in ceilings.items()
    ]
    for model_config in plan.model_configs:
        found: dict[str, Measured | None] = {}
        name = Path(model_config).stem
        choices = _choices(model_config, device)
        rows.append(single(name, "our attention", choices.attention))
        for way in _ways(choices, plan):
            late = time.perf_counter() - began > plan.limit
            say(f"{name}, {way}: {'left out, time is up' if late else 'measuring'}")
            found[way] = None if late else measure_way(way, choices, plan)
            rows += _figures(f"{name}, {way}", found[way], ceilings["bf16"])
        rows += _ratios(name, found)
    return rows


def measure_way(way: str, choices: Choices, plan: Plan) -> Measured | None:
    """One way, with fewer tokens a pass where memory runs out; None if even the fewest are too many."""
    tokens = plan.tokens
    while tokens >= plan.fewest_tokens:
        try:
            return _measure(way, choices, tokens, plan.seconds)
        except torch.OutOfMemoryError:
            tokens //= 2
        gc.collect()  # outside the handler, whose traceback holds the model
        torch.cuda.empty_cache()
    return None


def _choices(model_config: str, device: torch.device) -> Choices:
    config = LlamaConfig(**read_yaml(Path(model_config)))
    return Choices(config, device, half=True, compiled=device.type == "cuda")


def _ways(choices: Choices, plan: Plan) -> list[str]:
    float8 = choices.config.hidden_size >= plan.fp8_from and can_multiply_float8(choices.device)
    baselines = [name for name in available_baselines(choices.device) if name in (PADDED, LIGER)]
    return [OURS, *([FP8_WAY] if float8 else []), *baselines]


def _measure(way_name: str, choices: Choices, tokens: int, seconds: float) -> Measured:
    rows = published_like_rows(ROWS, choices.config.vocab_size, choices.config.max_position_embeddings)
    lengths = np.array([len(row["input_ids"]) for row in rows])
    steps = StepPlan(lengths, tokens_per_step=PASSES * tokens, seed=0, data_hash="")
    if way_name in (OURS, FP8_WAY):
        shape = FixedShape.for_plan(steps, PASSES)
        scaling = "tensorwise" if way_name == FP8_WAY else None
        way = make_way(OURS, replace(choices, shape=shape, fp8_scaling=scaling))
    else:
        way = make_way(way_name, choices)
    optimizer = torch.optim.AdamW(way.model.parameters(), lr=1e-4, fused=True)
    if choices.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    batches = _micro_batches(way_name, steps, rows, lengths, tokens)
    rates, flops = _timed_steps(way, choices, optimizer, batches, seconds)
    peak = torch.cuda.max_memory_allocated() if choices.device.type == "cuda" else 0
    return Measured(tokens, rates, flops, peak)


def _micro_batches(
    way: str, steps: StepPlan, rows: list[dict], lengths: np.ndarray, tokens: int
) -> Iterator[list[list[dict]]]:
    """The passes of each step; padded rows are as many as fill the tokens at the longest row's length."""
    step = 0
    while True:
        ids = steps.rows(step)
        if way in (OURS, FP8_WAY):
            parts = partition(lengths[ids], PASSES)
        else:
            size = max(1, tokens // int(lengths.max()))
            parts = [np.arange(first, first + size) for first in range(0, PASSES * size, size)]
        yield [[rows[ids[place]] for place in places if place < len(ids)] for places in parts]
        step += 1


def _timed_steps(
    way: Way,
    choices: Choices,
    optimizer: torch.optim.Optimizer,
    batches: Iterator[list[list[dict]]],
    seconds: float,
) -> tuple[list[float], list[float]]:
    """Useful tokens and FLOPs per second of each step; the first two warm up, three at least are timed."""

    def step(passes: list[list[dict]]) -> None:
        for rows in passes:
            run_pass(way, choices, rows)
        optimizer.step()
        optimizer.zero_grad()

    for _ in range(2):
        step(next(batches))
    rates, flops, spent = [], [], 0.0
    while spent < seconds or len(rates) < 3:
        passes = next(batches)
        lengths = np.array([len(row["input_ids"]) for rows in passes for row in rows])
        taken = timed(choices.device, partial(step, passes))
        spent += taken
        rates.append(int(lengths.sum()) / taken)
        flops.append(float(training_flops(choices.config, lengths).sum()) / taken)
    return rates, flops


def _figures(work: str, measured: Measured | None, ceiling: float) -> list[dict]:
    if measured is None:
        return [single(work, "useful tokens/s", None)]
    reached = statistics.median(measured.flops)
    return [
        single(work, "useful tokens/s, median", statistics.median(measured.rates)),
        single(work, "lowest and highest step", f"{min(measured.rates):,.0f} to {max(measured.rates):,.0f}"),
        single(work, "share of the measured bf16 ceiling", reached / ceiling),
        single(work, "share of 989 TFLOP/s", reached / ANCHOR_FLOPS),
        single(work, "tokens of a pass, at most", measured.tokens),
        single(work, "peak memory, GiB", measured.peak / 2**30),
    ]


def _ratios(name: str, found: dict[str, Measured | None]) -> list[dict]:
    """Of median useful tokens per second, ours over each other way, and float8's over ours."""
    rates = {way: statistics.median(each.rates) for way, each in found.items() if each}
    if OURS not in rates:
        return []
    ours = rates.pop(OURS)
    return [
        single(name, "fp8 over bf16", rate / ours)
        if way == FP8_WAY
        else single(name, f"ours over {way}", ours / rate)
        for way, rate in rates.items()
    ]
