"""How fast a run trains: tokens and bases a second, waiting for data, filler, FLOPs, share of the ceiling."""

import time
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import LlamaConfig

from omnina.flops import matrix_ceiling, training_flops
from omnina.packing import StepPlan

CEILING_SIZE = {"cuda": 8192, "cpu": 1024}  # rows of the matrices: large enough to be near the ceiling


@dataclass
class Totals:
    """Sums over the laps so far."""

    seconds: float = 0.0
    waited: float = 0.0
    tokens: int = 0
    bases: int = 0
    flops: float = 0.0
    steps: int = 0


@dataclass
class Throughput:
    """Figures between two logs and over all of them, validation left out.

    Args:
        plan: which rows each step holds.
        bases: (rows,) bases of each row.
        config: of the model, for its FLOPs.
        step: the first that will be trained.
        computed: tokens that a step computes with its filler, over all processes; None without filler.
    """

    plan: StepPlan
    bases: np.ndarray
    config: LlamaConfig
    step: int
    computed: int | None = None
    totals: Totals = field(default_factory=Totals)
    _began: float = field(default_factory=lambda: time.perf_counter())

    def pause(self, seconds: float) -> None:
        """Leave out so many seconds."""
        self._began += seconds

    def lap(self, step: int, waited: float) -> dict[str, float]:
        """Figures since the last lap, which ended before ``step``.

        ``waited``: seconds that training has waited for data since the run began.
        """
        now = time.perf_counter()
        rows = np.concatenate([self.plan.rows(number) for number in range(self.step, step)])
        lengths = self.plan.lengths[rows].astype(np.int64)
        lap = Totals(
            max(now - self._began, 1e-9),
            waited - self.totals.waited,
            int(lengths.sum()),
            int(self.bases[rows].sum()),
            float(training_flops(self.config, lengths).sum()),
            step - self.step,
        )
        for name, value in vars(lap).items():
            setattr(self.totals, name, getattr(self.totals, name) + value)
        self._began, self.step = now, step
        return self._figures(lap) | {
            "model_tflops_per_second": round(lap.flops / lap.seconds / 1e12, 4),
            "tokens_seen": step * self.plan.stride,
        }

    def record(self, device: torch.device, dtype: torch.dtype, processes: int) -> dict[str, float]:
        """Over all laps, for ``run.json``; with the share of the matrix-product ceiling, measured now.

        ``mfu`` is model FLOPs per second over ``processes`` times that of a large product of matrices in this
        dtype: what each token needs, so that nothing computed twice counts. Empty if there was no lap.
        """
        if not self.totals.steps:
            return {}
        ceiling = matrix_ceiling(device, dtype, CEILING_SIZE[device.type])
        reached = self.totals.flops / self.totals.seconds / processes
        return {
            "while_training": self._figures(self.totals),
            "matrix_product_ceiling_tflops": round(ceiling / 1e12, 3),
            "mfu": round(reached / ceiling, 4),
            "processes": processes,
        }

    def _figures(self, part: Totals) -> dict[str, float]:
        figures = {
            "tokens_per_second": round(part.tokens / part.seconds, 1),
            "bases_per_second": round(part.bases / part.seconds, 1),
            "data_wait_share": round(part.waited / part.seconds, 4),
        }
        if self.computed:
            figures["filler_share"] = round(1 - part.tokens / (part.steps * self.computed), 4)
        return figures
