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
from omnina.packing import FixedShape, StepPlan

TOKENS = 4096  # of a step
WARM_UP = 0.1  # share of the steps
PARTS = 8  # of the curve, each with its mean


def measure_float8_loss(work: Work, steps: int, learning_rate: float) -> list[dict]:
    """Mean training loss, nats per token, in each part of the run, beside that without float8."""
    losses = {
        "float8, tensorwise": _losses(work, steps, learning_rate, "tensorwise"),
        "float8, rowwise": _losses(work, steps, learning_rate, "rowwise"),
        "without float8, other order": _losses(work, steps, learning_rate, None, order=1),
    }
    baseline = np.array_split(_losses(work, steps, learning_rate, None), PARTS)
    ends = np.cumsum([len(part) for part in baseline])
    model = f"{Path(work.model_config).stem}, {work.dtype}"
    return [
        compared(model, f"{name}, to step {end}", float(part.mean()), float(own.mean()))
        for name, values in losses.items()
        for end, part, own in zip(ends, np.array_split(values, PARTS), baseline, strict=True)
    ]


def _losses(work: Work, steps: int, learning_rate: float, scaling: str | None, order: int = 0) -> np.ndarray:
    """(steps,) of a run from the same weights; AdamW, the rate rising at first, then constant."""
    data = work.data()
    plan = StepPlan(data.lengths, tokens_per_step=TOKENS, seed=order, data_hash=data.data_hash)
    choices = replace(work.choices, fp8_scaling=scaling, shape=FixedShape.for_plan(plan, 1))
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
