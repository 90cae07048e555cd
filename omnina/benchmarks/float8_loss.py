"""Does float8 learn as well as what it replaces? The same model on the same rows in the same order, in each.

On a CPU float8 is torchao's emulation: values are rounded as on a GPU and multiplied in the given dtype, so
the losses mean something and the time does not. How far apart two runs are by chance is told by other random
weights on the same rows: in another order, the same steps would have other rows, and the losses would tell
which of them are harder.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from omnina.benchmarks.figures import compared
from omnina.benchmarks.training import run_pass
from omnina.benchmarks.ways import OURS, make_way
from omnina.benchmarks.work import Work
from omnina.collation import FixedShape, longest_bound
from omnina.packing import StepPlan

TOKENS = 4096  # of a step
WARM_UP = 0.1  # share of the steps
PARTS = 8  # of the curve, each with its mean
CURVES = {  # scaling of float8, seed of the random weights
    "without float8": (None, 0),
    "float8, tensorwise": ("tensorwise", 0),
    "float8, rowwise": ("rowwise", 0),
    "without float8, other weights": (None, 1),
    "without float8, other weights again": (None, 2),
}


def measure_float8_loss(work: Work, steps: int, learning_rate: float) -> list[dict]:
    """Mean training loss, nats per token, in each part of the run, beside that without float8."""
    curves = {name: loss_curve(vars(work), steps, learning_rate, *way) for name, way in CURVES.items()}
    without = curves.pop("without float8")
    model = f"{Path(work.model_config).stem}, {work.dtype}"
    return [
        compared(model, f"{name}, to step {end}", loss, baseline)
        for name, curve in curves.items()
        for (end, loss), (_, baseline) in zip(curve, without, strict=True)
    ]


def loss_curve(
    settings: dict, steps: int, learning_rate: float, scaling: str | None, seed: int = 0
) -> list[tuple[int, float]]:
    """(last step, mean training loss in nats per token) of each part of a run of this ``Work``.

    Args:
        settings: of the ``Work``, so that a child process can be asked.
        scaling: of float8; None: without it.
        seed: of the random weights; the rows and their order are the same with each.
    """
    parts = np.array_split(_losses(Work(**settings), steps, learning_rate, scaling, seed), PARTS)
    ends = np.cumsum([len(part) for part in parts])
    return [(int(end), float(part.mean())) for end, part in zip(ends, parts, strict=True)]


def _losses(work: Work, steps: int, learning_rate: float, scaling: str | None, seed: int) -> np.ndarray:
    """(steps,) of a run on the same rows; AdamW, the rate rising at first, then constant."""
    data = work.data()
    plan = StepPlan(data.lengths, tokens_per_step=TOKENS, seed=0, data_hash=data.data_hash)
    shape, longest = FixedShape.for_plan(plan, 1), longest_bound(data.lengths)
    choices = replace(work.choices, fp8_scaling=scaling, shape=shape, longest=longest, seed=seed)
    way = make_way(OURS, choices)
    optimizer = torch.optim.AdamW(way.model.parameters(), lr=learning_rate, betas=(0.9, 0.95), fused=True)
    rising = torch.optim.lr_scheduler.LinearLR(optimizer, 1e-3, 1.0, max(1, int(WARM_UP * steps)))
    losses = []
    for step in range(steps):
        losses.append(run_pass(way, choices, data.__getitems__(plan.rows(step).tolist())).item())
        torch.nn.utils.clip_grad_norm_(way.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        rising.step()
    return np.array(losses)
