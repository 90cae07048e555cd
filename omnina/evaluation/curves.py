"""What the plots of a question show, as numbers: who is taken for whom, ROC and PR curves, reliability.

``curves.json`` holds them, so that the PNG files and the report draw the same figures.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from omnina.evaluation.metrics import CALIBRATION_BINS, Scored, classification_metrics, confidence_bins

MOST_SHOWN = 40  # classes with a row and column of their own in the confusion matrix
OTHERS = "(all others)"
GRID = np.linspace(0, 1, 201)
DIGITS = 6  # of a stored share


@dataclass(frozen=True)
class Confusion:
    """``counts[i][j]``: rows whose right answer is ``names[i]`` and that got ``names[j]``."""

    names: list[str]
    counts: list[list[int]]


@dataclass(frozen=True)
class Curve:
    """The mean of the classes' curves at each of ``GRID``, and the macro area under them."""

    heights: list[float]
    area: float | None


@dataclass(frozen=True)
class Reliability:
    """Rows in each of the equal bins of probability; of those with rows, mean probability and share right."""

    counts: list[int]
    confidence: list[float]
    right: list[float]


@dataclass(frozen=True)
class QuestionCurves:
    """One question's; ``roc`` and ``pr`` are by system, and empty where all rows have one right answer."""

    confusion: Confusion
    roc: dict[str, Curve]
    pr: dict[str, Curve]
    reliability: Reliability

    def as_json(self) -> dict:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping) -> "QuestionCurves":
        """From what ``as_json`` gave; KeyError or TypeError for anything else."""
        lines = [{name: Curve(**line) for name, line in values[kind].items()} for kind in ("roc", "pr")]
        return cls(Confusion(**values["confusion"]), *lines, Reliability(**values["reliability"]))


def question_curves(model: str, systems: Mapping[str, Scored]) -> QuestionCurves:
    """The curves of a question.

    Args:
        model: the system whose confusion and reliability are wanted.
        systems: probabilities of each system for the same rows; a majority's has no curve.
    """
    scored = systems[model]
    curved = {name: other for name, other in systems.items() if name != "majority"}
    if len(set(scored.gold)) == 1:
        curved = {}
    lines = [{name: kind(other) for name, other in curved.items()} for kind in (_roc, _pr)]
    return QuestionCurves(_confusion(scored), *lines, _reliability(scored))


def _confusion(scored: Scored) -> Confusion:
    """The most frequent classes by themselves, all others together as the last."""
    rows = np.bincount(scored.gold_places, minlength=len(scored.classes))
    predicted = np.bincount(scored.predicted_places, minlength=len(scored.classes))
    frequent = sorted(scored.occurring, key=lambda place: (-rows[place], -predicted[place]))
    shown = sorted(frequent[:MOST_SHOWN])
    names = [scored.classes[place] for place in shown]
    if len(frequent) > len(shown):
        names.append(OTHERS)
    places = np.full(len(scored.classes), len(shown))
    places[shown] = np.arange(len(shown))
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (places[scored.gold_places], places[scored.predicted_places]), 1)
    return Confusion(names, counts.tolist())


def _roc(scored: Scored) -> Curve:
    """Recall at each false positive rate."""

    def line(right: np.ndarray, scores: np.ndarray) -> np.ndarray:
        false, true, _ = roc_curve(right, scores)
        return np.interp(GRID, false, true)

    return _mean_curve(scored, line, "auroc_macro")


def _pr(scored: Scored) -> Curve:
    """Precision at each recall."""

    def line(right: np.ndarray, scores: np.ndarray) -> np.ndarray:
        precision, recall, _ = precision_recall_curve(right, scores)
        reached = np.searchsorted(recall[::-1], GRID)  # steps, as in average precision: not a line between
        return precision[::-1][reached]

    return _mean_curve(scored, line, "average_precision_macro")


def _mean_curve(scored: Scored, line: Callable[[np.ndarray, np.ndarray], np.ndarray], area: str) -> Curve:
    heights = np.mean([line(*pair) for pair in _one_against_the_rest(scored)], axis=0)
    return Curve(heights.round(DIGITS).tolist(), classification_metrics(scored)[area])


def _one_against_the_rest(scored: Scored) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(is it this class, its probability), (rows,) each, of classes with right and wrong rows."""
    for place in scored.occurring:
        right = scored.gold_places == place
        if right.any() and not right.all():
            yield right, scored.wide[:, place]


def _reliability(scored: Scored) -> Reliability:
    bins, confidence, right = confidence_bins(scored)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    used = counts > 0
    means = (
        np.bincount(bins, values, CALIBRATION_BINS)[used] / counts[used] for values in (confidence, right)
    )
    return Reliability(counts.tolist(), *(values.round(DIGITS).tolist() for values in means))
