"""95 % intervals of the metrics by resampling rows (Efron, 1979), all resamples computed at once.

A resample is a weight for each row: how often it was drawn. scikit-learn would take minutes for what
matrix products do in seconds; that both agree is tested.
"""

import numpy as np

from omnina.evaluation.metrics import CALIBRATION_BINS, Scored, brier_scores, confidence_bins

PERCENTILES = (2.5, 97.5)
Intervals = dict[str, tuple[float, float] | None]


def bootstrap_intervals(scored: Scored, resamples: int = 500, seed: int = 0) -> Intervals:
    """(low, high) of each metric; None where it is undefined in every resample."""
    rows = len(scored.gold_places)
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(rows, np.full(rows, 1 / rows), size=resamples)  # (resamples, rows)
    found: Intervals = {}
    for name, values in resampled_metrics(scored, weights).items():
        defined = values[~np.isnan(values)]
        found[name] = tuple(np.percentile(defined, PERCENTILES).tolist()) if len(defined) else None
    return found


def resampled_metrics(scored: Scored, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Every metric of every resample, NaN where undefined.

    Args:
        scored: R rows.
        weights: (resamples, R) how often each row counts.

    Returns: (resamples,) by metric.
    """
    weights = weights.astype(np.float64)
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
    classes = np.eye(len(scored.occurring))
    of_gold = classes[gold]  # (rows, classes)
    return weights @ (of_gold * (gold == predicted)[:, None]), weights @ of_gold, weights @ classes[predicted]


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
    gaps = np.eye(CALIBRATION_BINS)[bins] * (right - confidence)[:, None]  # (rows, bins)
    return np.abs(weights @ gaps).sum(1) / weights.sum(1)


def _ratio(above: np.ndarray, below: np.ndarray, otherwise: float) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below > 0)


def _mean(values: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """(resamples,) means over the classes that count; NaN where none does."""
    return _ratio(np.where(counted, values, 0.0).sum(1), counted.sum(1).astype(float), np.nan)
