"""Speed of training: our model against transformers' Llama, on the same rows.

All ways compute the same rows, batch by batch and in turn. A pass is forward and backward; useful throughput
counts real tokens and bases alone. The ceiling is a large matrix product in the same dtype, in the same run.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from omnina.benchmarks.child import in_child
from omnina.benchmarks.figures import compared, spread
from omnina.benchmarks.ways import OURS, PADDED, Choices, Way, available_baselines, make_way
from omnina.benchmarks.work import Work, precision
from omnina.collation import longest_bound
from omnina.flops import drain, matrix_ceiling, training_flops

CEILING_SIZE = 4096  # rows and columns of the matrices in the ceiling


def measure_training(work: Work) -> list[dict]:
    """All figures as rows ``{work, metric, ours, baseline, ratio}``; takes minutes on a CPU."""
    data = work.data()
    choices = replace(work.choices, longest=longest_bound(data.lengths))
    batches = work.row_batches(len(data))
    names = [OURS, *available_baselines(choices.device)]
    ways = {name: make_way(name, choices) for name in names}
    seconds = seconds_in_turn(ways, choices, [data.__getitems__(batch) for batch in batches])
    lengths = [data.lengths[batch].astype(np.int64) for batch in batches[1:]]
    ceiling = matrix_ceiling(choices.device, choices.dtype, CEILING_SIZE)
    flops = [float(training_flops(choices.config, each).sum()) / ceiling for each in lengths]
    amounts = {
        "useful tokens/s": [int(each.sum()) for each in lengths],
        "bases/s": [int(data.bases[batch].sum()) for batch in batches[1:]],
        "rows/s": [len(each) for each in lengths],
        "share of the ceiling reached": flops,
    }
    rows = [
        compared(work.name, metric, *(median_rate(amount, seconds[name]) for name in (OURS, PADDED)))
        for metric, amount in amounts.items()
    ]
    padded = sum(int(each.max()) * len(each) for each in lengths)
    real = sum(amounts["useful tokens/s"]) / padded
    memory = {
        name: in_child("omnina.benchmarks.memory", "peak_of_steps", vars(work), name)
        for name in (OURS, PADDED)
    }
    return [
        *rows,
        *(speed_up(work.name, name, seconds) for name in names[1:]),
        compared(work.name, "real tokens, share of computed", 1.0, real),
        compared(work.name, "peak memory, MiB", *(each / 2**20 for each in memory.values())),
        compared(work.name, "matrix-product ceiling, GFLOP/s", ceiling / 1e9, ceiling / 1e9),
    ]


def speed_up(work: str, baseline: str, seconds: dict[str, list[float]]) -> dict:
    """The median ratio of times on the same batch, between the lowest and the highest."""
    ratios = [theirs / ours for ours, theirs in zip(seconds[OURS], seconds[baseline], strict=True)]
    return spread(work, f"times as fast as {baseline}", ratios, "batch")


def seconds_in_turn(
    ways: dict[str, Way], choices: Choices, batches: Sequence[list[dict]]
) -> dict[str, list[float]]:
    """Seconds of every pass but the first, which warms up; the ways take turns on the same rows."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for rows in batches:
        for name, way in ways.items():
            seconds[name].append(timed(choices.device, partial(run_pass, way, choices, rows)))
            way.model.zero_grad()
    return {name: times[1:] for name, times in seconds.items()}


def run_pass(way: Way, choices: Choices, rows: list[dict]) -> torch.Tensor:
    """Forward and backward on rows; the loss, nats per token."""
    return run_batch(way, choices, way.collate(rows))


def run_batch(way: Way, choices: Choices, batch: dict) -> torch.Tensor:
    """The same on rows that the way's ``collate`` has joined; copied meanwhile if from pinned memory."""
    on_device = {
        name: value.to(choices.device, non_blocking=True) if isinstance(value, torch.Tensor) else value
        for name, value in batch.items()
    }
    with precision(choices):
        loss = way.model(**on_device).loss
    loss.backward()
    return loss.detach()


def timed(device: torch.device, run: Callable[[], object]) -> float:
    """Seconds of one call, the device's queue drained before and after."""
    drain(device)
    began = time.perf_counter()
    run()
    drain(device)
    return time.perf_counter() - began


def median_rate(amounts: Sequence[float], seconds: Sequence[float]) -> float:
    """Of what each batch held, a second."""
    return statistics.median(np.array(amounts) / np.array(seconds))
