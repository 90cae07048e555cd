"""Steps that would do harm are left out: a loss or gradient that is no number, or far above the usual.

The optimizer then rests: weights, moments and its own step count stay as they were, while the data and the
learning rate's schedule go on. All processes judge the same numbers, so all leave out the same steps.
"""

import csv
from collections import deque
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from statistics import fmean, pstdev

import numpy as np
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from omnina.dataset import TokenizedData

USUAL_STEPS = 128  # as in OLMo-core's SkipStepOptimizer
SKIPPED_FOLDER = "skipped_steps"


class StepHealth(TrainerCallback, ExportableState):
    """Judges each step before the optimizer takes it; what it counts is kept in checkpoints.

    Args:
        spike_sigmas: leave out a step whose loss or gradient norm is so many standard deviations above the
            mean of the last ``USUAL_STEPS`` that were taken, once there are so many; None: only a step that
            is not finite.

    Attributes:
        skipped: steps left out so far.
        in_a_row: of these, the ones since the last that was taken.
    """

    def __init__(self, spike_sigmas: float | None = None) -> None:
        self.spike_sigmas = spike_sigmas
        self.skipped, self.in_a_row = 0, 0
        self._losses: deque[float] = deque(maxlen=USUAL_STEPS)
        self._norms: deque[float] = deque(maxlen=USUAL_STEPS)

    def fault(self, loss: float, norm: float) -> str | None:
        """Why a step of this loss and gradient norm is to be left out; None if it is not."""
        found = self._fault("loss", loss, self._losses) or self._fault("gradient norm", norm, self._norms)
        self.skipped += found is not None
        self.in_a_row = self.in_a_row + 1 if found else 0
        if found is None and self.spike_sigmas is not None:
            self._losses.append(loss)
            self._norms.append(norm)
        return found

    def state(self) -> dict:
        """What a checkpoint keeps."""
        attributes = {"skipped": self.skipped, "in_a_row": self.in_a_row}
        attributes |= {"losses": list(self._losses), "norms": list(self._norms)}
        return {"args": {"spike_sigmas": self.spike_sigmas}, "attributes": attributes}

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        """Go on with what the checkpoint kept."""
        saved = state.stateful_callbacks.get(type(self).__name__, self.state())["attributes"]
        self.skipped, self.in_a_row = saved["skipped"], saved["in_a_row"]
        self._losses.extend(saved["losses"])
        self._norms.extend(saved["norms"])

    def _fault(self, name: str, value: float, usual: deque[float]) -> str | None:
        if not isfinite(value):
            return f"the {name} is {value}"
        if self.spike_sigmas is None or len(usual) < USUAL_STEPS:
            return None
        mean, deviation = fmean(usual), pstdev(usual)
        if value <= mean + self.spike_sigmas * deviation:
            return None
        return (
            f"the {name} is {value:.4g}, more than {self.spike_sigmas:g} standard deviations above its "
            f"mean ({mean:.4g} +- {deviation:.4g})"
        )


def forget_rows_after(step: int, folder: Path) -> None:
    """Remove the lists of steps that are made again, of a run that goes on after this one."""
    for path in (folder / SKIPPED_FOLDER).glob("step-*.csv"):
        number = path.stem.removeprefix("step-")
        if number.isdecimal() and int(number) > step:
            path.unlink()


def write_rows(data: TokenizedData, rows: np.ndarray, path: Path) -> None:
    """List a step's rows: where each is from, and its place in the token cache.

    Args:
        data: the training rows.
        rows: (rows,) ids.
        path: the CSV to write; its folder is made.
    """
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["table", "line", "row_id", "tokens", "bases"])
        table.writerows(_described(data, rows))


def _described(data: TokenizedData, rows: np.ndarray) -> Iterator[list]:
    for row in rows.tolist():
        table, line = data.origin(row)
        yield [table, line, row, int(data.lengths[row]), int(data.bases[row])]
