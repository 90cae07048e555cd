"""Temperatures that make probabilities match how often answers are right.

Guo et al., 2017 (arXiv:1706.04599), but what is fitted is the probability of the likeliest label, which is
the one that is shown and that an abstention threshold reads, against whether that label is right: the
temperature of least mean squared error, (p - t)^2. That is a proper score (Brier, 1950) in which no row costs
more than 1. The likelihood of the right labels has no such bound: a few rows whose label the model holds for
impossible (a misprint, a class hardly in training) then decide for all. A row whose answer is no label is a
wrong one. As in Platt, 1999, a right row's target t is (right rows + 1) / (right rows + 2) and a wrong one's
1 / (wrong rows + 2), so that rows which are all right ask for no certainty.

A temperature other than 1 has to earn its place. Fitted on either half of the rows and tried on the other, it
must lower both the Brier score and the calibration error, and on all rows too; if it does not, its square
root and its fourth root are tried, then 1 stays. It also stays with one label, or fewer than ``FEWEST_ROWS``
rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from omnina.evaluation.metrics import Scored, brier_scores, calibration_error
from omnina.inference.scoring import normalised

LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE = 0.05, 20.0
FEWEST_ROWS = 50
POWERS = (1.0, 0.5, 0.25)  # of the fitted temperature, tried in turn


@dataclass(frozen=True)
class Calibration:
    """A question's temperature, and calibration on the rows that it was fitted on.

    Attributes:
        temperature: log-probabilities are to be divided by it.
        rows: how many it was fitted on.
        calibration_error, brier: (before, after) at temperature 1 and at this one.
        held_out_calibration_error: (before, after), each half at the temperature of the other; None where
            nothing was fitted.
    """

    temperature: float
    rows: int
    calibration_error: tuple[float, float]
    brier: tuple[float, float]
    held_out_calibration_error: tuple[float, float] | None = None

    def sentence(self, question: str) -> str:
        """For a summary."""
        if self.held_out_calibration_error is None:
            return f"temperature of '{question}': 1 (none was better on held-out rows, or rows are few)"
        before, after = self.calibration_error
        held_out = self.held_out_calibration_error[1]
        return (
            f"temperature of '{question}': {self.temperature:.2f}, fitted on these rows: calibration error "
            f"{before:.3f} -> {after:.3f}, which flatters it a little ({held_out:.3f} held out)"
        )


def fit_calibration(scores: np.ndarray, gold: Sequence[str], labels: Sequence[str]) -> Calibration:
    """The temperature that makes probabilities of these labels more honest, or 1.

    Args:
        scores: (rows, labels) log-probabilities, not normalised.
        gold: (rows,) right answers; one may be none of the labels.
        labels: of the question.
    """

    def scored(temperatures: float | np.ndarray) -> Scored:
        return Scored(gold, labels, normalised(scores, temperatures))

    before = scored(1.0)
    rows = len(gold)
    if len(labels) < 2 or rows < FEWEST_ROWS:
        return _calibration(1.0, before, before)
    right = before.predicted_places == before.gold_places  # at any temperature
    first_half = np.random.default_rng(0).permutation(rows) % 2 == 0
    whole, first, second = (fit_temperature(scores[of], right[of]) for of in (..., first_half, ~first_half))
    crossed = np.where(first_half, second, first)[:, None]  # (rows, 1) each from the other half
    for power in POWERS:
        after, held_out = scored(whole**power), scored(crossed**power)
        if _better(after, before) and _better(held_out, before):
            return _calibration(whole**power, before, after, held_out)
    return _calibration(1.0, before, before)


def fit_temperature(scores: np.ndarray, right: np.ndarray) -> float:
    """The temperature, 0.05 to 20, at which the likeliest labels' probabilities are least wrong.

    Args:
        scores: (rows, labels) log-probabilities, not normalised; a row at least.
        right: (rows,) bool, whether the likeliest label is right.
    """
    targets = np.where(right, (right.sum() + 1) / (right.sum() + 2), 1 / ((~right).sum() + 2))

    def error(log_temperature: float) -> float:
        return float(((normalised(scores, np.exp(log_temperature)).max(1) - targets) ** 2).mean())

    bounds = np.log([LOWEST_TEMPERATURE, HIGHEST_TEMPERATURE])
    return float(np.exp(minimize_scalar(error, bounds=bounds, method="bounded").x))


def _better(one: Scored, other: Scored) -> bool:
    """Whether one's probabilities are nearer to the truth, by both figures that are reported."""
    return _brier(one) < _brier(other) and calibration_error(one) < calibration_error(other)


def _brier(scored: Scored) -> float:
    return float(brier_scores(scored).mean())


def _calibration(
    temperature: float, before: Scored, after: Scored, held_out: Scored | None = None
) -> Calibration:
    def both(figure: Callable[[Scored], float], other: Scored) -> tuple[float, float]:
        return figure(before), figure(other)

    return Calibration(
        temperature,
        len(before.gold),
        both(calibration_error, after),
        both(_brier, after),
        None if held_out is None else both(calibration_error, held_out),
    )
