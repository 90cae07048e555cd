"""Does float8 learn as well as what it replaces? The same model on the same rows in the same order, in each.

On a CPU float8 is torchao's emulation: values are rounded as on a GPU and multiplied in the given dtype, so
the losses mean something and the time does not. How far apart two runs are by chance is told by rows in
another order.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from omnina.benchmarks.figures import compared
from omnina.benchmarks.training import run_pass
from omnina.benchmarks.ways import OURS, make_way
from omnina.benchmarks.work import Work
from omnina.packing import FixedShape, StepPlan, longest_bound

TOKENS = 4096  # of a step
WARM_UP = 0.1  # share of the steps
PARTS = 8  # of the curve, each with its mean


def measure_float8_loss(work: Work, steps: int, learning_rate: float) -> list[dict]:
    """Mean training loss, nats per token, in each part of the run, beside that without float8."""
    given = (vars(work), steps, learning_rate)
    curves = {
        "float8, tensorwise": loss_curve(*given, "tensorwise"),
        "float8, rowwise": loss_curve(*given, "rowwise"),
        "without float8, other order": loss_curve(*given, None, order=1),
    }
    without = loss_curve(*given, None)
    model = f"{Path(work.model_config).stem}, {work.dtype}"
    return [
        compared(model, f"{name}, to step {end}", loss, baseline)
        for name, curve in curves.items()
        for (end, loss), (_, baseline) in zip(curve, without, strict=True)
    ]


def loss_curve(
    settings: dict, steps: int, learning_rate: float, scaling: str | None, order: int = 0
) -> list[tuple[int, float]]:
    """(last step, mean training loss in nats per token) of each part of a run of this ``Work``.

    Args:
        settings: of the ``Work``, so that a child process can be asked.
        scaling: of float8; None: without it.
        order: another number is another order of the rows.
    """
    parts = np.array_split(_losses(Work(**settings), steps, learning_rate, scaling, order), PARTS)
    ends = np.cumsum([len(part) for part in parts])
    return [(int(end), float(part.mean())) for end, part in zip(ends, parts, strict=True)]


def _losses(work: Work, steps: int, learning_rate: float, scaling: str | None, order: int) -> np.ndarray:
    """(steps,) of a run from the same weights; AdamW, the rate rising at first, then constant."""
    data = work.data()
    plan = StepPlan(data.lengths, tokens_per_step=TOKENS, seed=order, data_hash=data.data_hash)
    shape, longest = FixedShape.for_plan(plan, 1), longest_bound(data.lengths)
    choices = replace(work.choices, fp8_scaling=scaling, shape=shape, longest=longest)
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
