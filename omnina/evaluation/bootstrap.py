"""95 % intervals of the metrics by resampling rows (Efron, 1979), many resamples computed at once.

A resample is a weight for each row: how often it was drawn. scikit-learn would take minutes for what
matrix products do in seconds; that both agree is tested. Resamples depend on the number of rows and the seed
alone, so that systems are compared on the same ones. They are made some at a time, ``CELLS`` weights at most
(or one resample), so that memory is that of the rows' own probabilities.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from scipy.sparse import csr_array

from omnina.evaluation.metrics import CALIBRATION_BINS, Scored, brier_scores, confidence_bins

PERCENTILES = (2.5, 97.5)
RESAMPLES = 500
CELLS = 2**20  # 8 MB in float64; a few arrays of that size live at once
Intervals = dict[str, tuple[float, float] | None]


def bootstrap_intervals(scored: Scored, resamples: int = RESAMPLES, seed: int = 0) -> Intervals:
    """(low, high) of each metric; None where it is undefined in every resample."""
    return _intervals(lambda weights: resampled_metrics(scored, weights), len(scored.gold), resamples, seed)


def mean_intervals(scores: Mapping[str, np.ndarray], resamples: int = RESAMPLES, seed: int = 0) -> Intervals:
    """(low, high) of the mean of each of several figures that every row has, (rows,) each."""
    rows = len(next(iter(scores.values())))
    return _intervals(
        lambda weights: {name: weights @ values / rows for name, values in scores.items()},
        rows,
        resamples,
        seed,
    )


def _intervals(
    figures: Callable[[np.ndarray], dict[str, np.ndarray]], rows: int, resamples: int, seed: int
) -> Intervals:
    """Percentiles of what is found for weights, (some resamples, rows): (some resamples,) by name."""
    parts = [figures(weights) for weights in _weights(rows, resamples, seed)]
    found: Intervals = {}
    for name in parts[0]:
        values = np.concatenate([part[name] for part in parts])
        defined = values[~np.isnan(values)]
        found[name] = tuple(np.percentile(defined, PERCENTILES).tolist()) if len(defined) else None
    return found


def _weights(rows: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each row was drawn, (some resamples, rows) at a time."""
    generator = np.random.default_rng(seed)
    together = max(1, CELLS // rows)
    for first in range(0, resamples, together):
        size = min(together, resamples - first)
        yield generator.multinomial(rows, np.full(rows, 1 / rows), size=size).astype(np.float64)


def resampled_metrics(scored: Scored, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of every resample, NaN where undefined.

    Args:
        scored: R rows.
        weights: (resamples, R) float64, how often each row counts.

    Returns: (resamples,) by metric.
    """
    areas = _areas(scored, weights)
    return _from_counts(*_counts(scored, weights)) | {
        "auroc_macro": areas[0],
        "average_precision_macro": areas[1],
        "brier": weights @ brier_scores(scored) / weights.sum(1),
        "calibration_error": _calibration_errors(scored, weights),
    }


def _counts(scored: Scored, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of each class that are answered rightly, that should have it, that got it: (resamples, classes).

    Of the classes that occur: others change no metric, and a question may have thousands.
    """
    gold, predicted = (
        np.searchsorted(scored.occurring, places) for places in (scored.gold_places, scored.predicted_places)
    )
    classes = len(scored.occurring)
    hits = weights @ _indicators(gold, classes, gold == predicted)
    return hits, weights @ _indicators(gold, classes), weights @ _indicators(predicted, classes)


def _indicators(places: np.ndarray, width: int, values: np.ndarray | float = 1.0) -> csr_array:
    """(rows, width) with each row's value at its place; sparse, for there may be thousands of classes."""
    rows = len(places)
    data = np.broadcast_to(np.asarray(values, dtype=np.float64), rows)
    return csr_array((data, places, np.arange(rows + 1)), shape=(rows, width))


def _from_counts(hits: np.ndarray, right: np.ndarray, predicted: np.ndarray) -> dict[str, np.ndarray]:
    total = right.sum(1)
    occurs = (right + predicted) > 0
    recall, precision = _ratio(hits, right, 0.0), _ratio(hits, predicted, 0.0)
    negatives = total[:, None] - right
    specificity = _ratio(negatives - predicted + hits, negatives, 0.0)
    accuracy = hits.sum(1) / total
    return {
        "accuracy": accuracy,
        "balanced_accuracy": _mean(recall, right > 0),
        "precision_macro": _mean(precision, occurs),
        "recall_macro": _mean(recall, occurs),
        "specificity_macro": _mean(specificity, occurs),
        "f1_macro": _mean(_ratio(2 * hits, right + predicted, 0.0), occurs),
        "f1_micro": accuracy,
        "mcc": _matthews(hits, right, predicted, total),
    }


def _matthews(hits: np.ndarray, right: np.ndarray, predicted: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Matthews correlation of many classes (Gorodkin, 2004); 0 if one side is constant."""
    covariance = hits.sum(1) * total - (right * predicted).sum(1)
    spread = (total**2 - (predicted**2).sum(1)) * (total**2 - (right**2).sum(1))
    return _ratio(covariance, np.sqrt(spread), 0.0)


def _areas(scored: Scored, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Macro AUROC and average precision; classes without right or wrong rows are left out."""
    found = [_areas_of_class(scored, place, weights) for place in np.unique(scored.gold_places)]
    aurocs, precisions = (np.stack(values, axis=1) for values in zip(*found, strict=True))
    return _mean(aurocs, ~np.isnan(aurocs)), _mean(precisions, ~np.isnan(precisions))


def _areas_of_class(scored: Scored, place: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both areas from sums over rows of equal score, the highest first; (resamples,) each."""
    scores = scored.wide[:, place]
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    positive = (scored.gold_places == place)[order]
    ups = np.add.reduceat(weights[:, order] * positive, starts, axis=1)  # (resamples, different scores)
    downs = np.add.reduceat(weights[:, order] * ~positive, starts, axis=1)
    true, false = ups.cumsum(1), downs.cumsum(1)
    below = false[:, -1:] - false
    auroc = _ratio((ups * (below + downs / 2)).sum(1), true[:, -1] * false[:, -1], np.nan)
    steps = _ratio(true, true + false, 0.0) * ups
    precision = _ratio(steps.sum(1), true[:, -1], np.nan)
    return auroc, np.where(false[:, -1] > 0, precision, np.nan)


def _calibration_errors(scored: Scored, weights: np.ndarray) -> np.ndarray:
    bins, confidence, right = confidence_bins(scored)
    gaps = _indicators(bins, CALIBRATION_BINS, right - confidence)  # (rows, bins)
    return np.abs(weights @ gaps).sum(1) / weights.sum(1)


def _ratio(above: np.ndarray, below: np.ndarray, otherwise: float) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below > 0)


def _mean(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """(resamples,) means over the classes that count; NaN where none does."""
    return _ratio(np.where(counted, values, 0.0).sum(1), counted.sum(1).astype(float), np.nan)
