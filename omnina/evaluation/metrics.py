"""Metrics of answers chosen from a label set, and of free text; definitions are scikit-learn's.

Macro figures are means over the classes that occur, in the right answers or in the predicted ones; areas
under curves (one class against the rest) over the classes with both right and wrong rows. What is not
defined (an area with one class only) is None.
"""

import warnings
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    matthews_corrcoef,
    multilabel_confusion_matrix,
    precision_recall_fscore_support,
    roc_auc_score,
)

CALIBRATION_BINS = 15


@dataclass(frozen=True)
class Scored:
    """Right answers, and a probability for each label.

    Attributes:
        gold: (rows,) right answers; one may be missing among the labels.
        labels: (L,) what could be answered.
        probabilities: (rows, L), rows sum to 1.
    """

    gold: Sequence[str]
    labels: Sequence[str]
    probabilities: np.ndarray

    @cached_property
    def classes(self) -> list[str]:
        """The labels, then right answers that are not among them: nothing can predict those."""
        return [*self.labels, *sorted(set(self.gold) - set(self.labels))]

    @cached_property
    def wide(self) -> np.ndarray:
        """(rows, classes) probabilities, 0 for classes that are no label."""
        missing = len(self.classes) - len(self.labels)
        return np.pad(np.asarray(self.probabilities, dtype=np.float64), ((0, 0), (0, missing)))

    @cached_property
    def gold_places(self) -> np.ndarray:
        """(rows,) place of each right answer in ``classes``."""
        places = {name: place for place, name in enumerate(self.classes)}
        return np.array([places[name] for name in self.gold], dtype=np.int64)

    @cached_property
    def predicted_places(self) -> np.ndarray:
        """(rows,) place of the likeliest label; of equal ones the first."""
        return self.wide.argmax(1)

    @cached_property
    def occurring(self) -> np.ndarray:
        """Places of classes that are right or predicted somewhere, sorted."""
        return np.union1d(self.gold_places, self.predicted_places)


def classification_metrics(scored: Scored) -> dict[str, float | None]:
    """Every metric by name; ``n`` is the number of rows."""
    gold, predicted, occurring = scored.gold_places, scored.predicted_places, scored.occurring
    precision, recall, f1, _ = precision_recall_fscore_support(
        gold, predicted, labels=occurring, average="macro", zero_division=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that are never right, or alone, are no error here
        balanced = balanced_accuracy_score(gold, predicted)
        mcc = matthews_corrcoef(gold, predicted)
    aurocs, precisions = zip(*(_areas(scored, place) for place in occurring), strict=True)
    return {
        "n": len(gold),
        "accuracy": float(accuracy_score(gold, predicted)),
        "balanced_accuracy": float(balanced),
        "precision_macro": float(precision),
        "recall_macro": float(recall),
        "specificity_macro": float(np.mean(_specificities(scored))),
        "f1_macro": float(f1),
        "f1_micro": float(f1_score(gold, predicted, average="micro")),
        "mcc": float(mcc),
        "auroc_macro": _mean(aurocs),
        "average_precision_macro": _mean(precisions),
        "brier": float(brier_scores(scored).mean()),
        "calibration_error": calibration_error(scored),
    }


def per_class_metrics(scored: Scored) -> list[dict]:
    """One row for each class that occurs: its rows, and metrics of it against the rest."""
    gold, predicted, occurring = scored.gold_places, scored.predicted_places, scored.occurring
    figures = precision_recall_fscore_support(
        gold, predicted, labels=occurring, average=None, zero_division=0
    )
    rows = []
    for place, precision, recall, f1, right, specificity in zip(
        occurring, *figures, _specificities(scored), strict=True
    ):
        auroc, average_precision = _areas(scored, place)
        rows.append(
            {
                "label": scored.classes[place],
                "n": int(right),
                "predicted": int((predicted == place).sum()),
                "precision": float(precision),
                "recall": float(recall),
                "specificity": float(specificity),
                "f1": float(f1),
                "auroc": auroc,
                "average_precision": average_precision,
            }
        )
    return rows


def brier_scores(scored: Scored) -> np.ndarray:
    """(rows,) sum over classes of squared errors, 0 to 2 (Brier, 1950)."""
    right = np.eye(len(scored.classes))[scored.gold_places]
    return ((scored.wide - right) ** 2).sum(1)


def confidence_bins(scored: Scored) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The bin, the probability of the predicted label, and whether it is right; (rows,) each."""
    confidence = scored.wide.max(1)
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    return bins, confidence, scored.predicted_places == scored.gold_places


def calibration_error(scored: Scored) -> float:
    """Expected calibration error of the predicted label over 15 equal bins (Guo et al., 2017)."""
    bins, confidence, right = confidence_bins(scored)
    gaps = np.bincount(bins, right - confidence, CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(bins))


def free_text_metrics(
    gold: Sequence[str], predicted: Sequence[str], known_answers: Collection[str] | None
) -> dict[str, float | None]:
    """Exact match and token F1 of written answers, and how many are none of the known ones.

    Args:
        gold, predicted: (rows,) texts; outer white space does not count.
        known_answers: all answers of training, or None if they are not known.
    """
    scores = free_text_scores(gold, predicted, known_answers)
    means = {name: float(values.mean()) for name, values in scores.items()}
    return {"n": len(gold), "outside_label_set": None} | means


def free_text_scores(
    gold: Sequence[str], predicted: Sequence[str], known_answers: Collection[str] | None
) -> dict[str, np.ndarray]:
    """Each row's share in the metrics, (rows,) from 0 to 1; arguments as above."""
    pairs = [(right.strip(), found.strip()) for right, found in zip(gold, predicted, strict=True)]
    scores = {
        "exact_match": np.array([right == found for right, found in pairs], dtype=np.float64),
        "token_f1": np.array([token_f1(right, found) for right, found in pairs]),
    }
    if known_answers is not None:
        known = {answer.strip() for answer in known_answers}
        scores["outside_label_set"] = np.array([found not in known for _, found in pairs], dtype=np.float64)
    return scores


def token_f1(gold: str, predicted: str) -> float:
    """F1 of the words, case aside, as in SQuAD (Rajpurkar et al., 2016, arXiv:1606.05250)."""
    right, found = Counter(gold.lower().split()), Counter(predicted.lower().split())
    if not right or not found:
        return float(right == found)
    common = (right & found).total()
    return 2 * common / (right.total() + found.total())


def _areas(scored: Scored, place: int) -> tuple[float | None, float | None]:
    """AUROC and average precision of one class against the rest."""
    right, scores = scored.gold_places == place, scored.wide[:, place]
    if right.all() or not right.any():
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return float(roc_auc_score(right, scores)), float(average_precision_score(right, scores))


def _specificities(scored: Scored) -> np.ndarray:
    """True negatives over negatives, of each class that occurs; 0 without negatives."""
    tables = multilabel_confusion_matrix(scored.gold_places, scored.predicted_places, labels=scored.occurring)
    negatives = tables[:, 0].sum(1)
    return np.divide(tables[:, 0, 0], negatives, out=np.zeros(len(tables)), where=negatives > 0)


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
