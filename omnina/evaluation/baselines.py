"""What a model must beat: simple predictors trained on the same rows as it.

``majority``            the share of each answer among the training rows
``k-mers``              logistic regression on counts of 6-mers, each cell's scaled to length 1
``positions``           logistic regression on the base at each position; cells of one length only
``reverse complement``  cells of two parts: is one the exact reverse complement of the other?
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from Bio.Seq import reverse_complement
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, OneHotEncoder, StandardScaler

from omnina.chunking import Nucleotides

K = 6
STRENGTH = 0.01  # inverse regularisation of standardised counts
Prediction = tuple[list[str], np.ndarray]  # labels, and (rows, labels) probabilities
Parts = tuple[tuple[str, str], ...]  # a cell's (name, bases)


def fit_baselines(
    train: Sequence[tuple[Nucleotides, str]], test_cells: Sequence[Nucleotides]
) -> dict[str, Prediction]:
    """Predictions for the test cells by each baseline that fits this kind of cell.

    Args:
        train: (cell, answer) of each training row.
        test_cells: to predict.
    """
    cells = [cell.parts for cell, _ in train]
    answers = [answer for _, answer in train]
    wanted = [cell.parts for cell in test_cells]
    found = {"majority": _majority(answers, len(wanted))}
    if len(set(answers)) > 1:
        found["k-mers"] = _k_mers(cells, answers, wanted)
        if _one_shape([*cells, *wanted]):
            found["positions"] = _positions(cells, answers, wanted)
        if all(len(parts) == 2 for parts in [*cells, *wanted]):
            found["reverse complement"] = _complement_rule(cells, answers, wanted)
    return found


def _majority(answers: list[str], rows: int) -> Prediction:
    labels = sorted(set(answers))
    counts = Counter(answers)
    shares = np.array([counts[label] for label in labels]) / len(answers)
    return labels, np.tile(shares, (rows, 1))


def _k_mers(cells: list[Parts], answers: list[str], wanted: list[Parts]) -> Prediction:
    counts = CountVectorizer(analyzer=_words)
    model = make_pipeline(
        counts,
        Normalizer("l2"),
        StandardScaler(with_mean=False),
        LogisticRegression(C=STRENGTH, max_iter=1000),
    )
    model.fit(cells, answers)
    return list(model.classes_), model.predict_proba(wanted)


def _words(parts: Parts) -> list[str]:
    """A cell's k-mers, with the part's name in front; a part shorter than k is one word."""
    return [
        f"{name}:{bases[start : start + K]}"
        for name, bases in parts
        for start in range(max(1, len(bases) - K + 1))
    ]


def _one_shape(cells: list[Parts]) -> bool:
    """Whether all cells have the same parts, of the same lengths."""
    return len({tuple((name, len(bases)) for name, bases in parts) for parts in cells}) == 1


def _positions(cells: list[Parts], answers: list[str], wanted: list[Parts]) -> Prediction:
    def letters(rows: list[Parts]) -> list[list[str]]:
        return [list("".join(bases for _, bases in parts)) for parts in rows]

    model = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression(max_iter=1000))
    model.fit(letters(cells), answers)
    return list(model.classes_), model.predict_proba(letters(wanted))


def _complement_rule(cells: list[Parts], answers: list[str], wanted: list[Parts]) -> Prediction:
    """The shares of the answers among training rows on the same side of the rule."""
    labels = sorted(set(answers))
    sides = np.array([_are_complements(parts) for parts in cells])
    given = np.array([[answer == label for label in labels] for answer in answers], dtype=float)
    shares = [given[sides == side].mean(0) if (sides == side).any() else given.mean(0) for side in (0, 1)]
    return labels, np.stack([shares[_are_complements(parts)] for parts in wanted])


def _are_complements(parts: Parts) -> int:
    (_, first), (_, second) = parts
    return int(reverse_complement(first) == second)
