"""What a model must beat: simple predictors trained on the same rows as it.

For a question with labels:

``majority``            the share of each answer among the training rows
``k-mers``              logistic regression on counts of 6-mers, each cell's scaled to length 1
``positions``           logistic regression on the base at each position; cells of one length only
``reverse complement``  cells of two parts: is one the exact reverse complement of the other?

Where the model answers as if all labels were as frequent (``omnina/label_prior.py``), both regressions come
twice, the second time with the shares of the training answers divided out of their probabilities too.

For free text, whose answers are too many for a class each:

``majority``            the most frequent training answer
``nearest neighbour``   the answer of the training row whose 6-mer counts are nearest (cosine)

What counts k-mers or positions is trained on at most ``MOST_TRAINING_ROWS`` rows, drawn once with a fixed
seed, so that it has a bound (k-mers of 5,000 16S genes of ten classes took 4 s of a core and 0.13 GB, both in
proportion to the rows). Where there are more rows, the name says so.
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
MOST_TRAINING_ROWS = 20_000
ROWS_COMPARED = 256  # test rows whose likeness to all training rows is in memory at once
Prediction = tuple[list[str], np.ndarray]  # labels, and (rows, labels) probabilities
Parts = tuple[tuple[str, str], ...]  # a cell's (name, bases)
Pairs = Sequence[tuple[Nucleotides, str]]


def fit_baselines(
    train: Pairs, test_cells: Sequence[Nucleotides], uniform_prior: bool = False
) -> dict[str, Prediction]:
    """Predictions for the test cells by each baseline that fits this kind of cell; none if there is no row.

    Args:
        train: (cell, answer) of each training row.
        test_cells: to predict.
        uniform_prior: give both regressions with each label as frequent as the others, too.
    """
    if not train:
        return {}
    cells = [cell.parts for cell, _ in train]
    answers = [answer for _, answer in train]
    wanted = [cell.parts for cell in test_cells]
    found = {"majority": _majority(answers, len(wanted))}
    if len(set(answers)) > 1:
        drawn = _drawn(len(train))
        some, given = [cells[place] for place in drawn], [answers[place] for place in drawn]
        fitted = {"k-mers": _k_mers(some, given, wanted)}
        if _one_shape([*cells, *wanted]):
            fitted["positions"] = _positions(some, given, wanted)
        if uniform_prior:
            fitted |= {f"{name}, uniform prior": _alike(each, given) for name, each in fitted.items()}
        found |= {_named(name, train): each for name, each in fitted.items()}
        if all(len(parts) == 2 for parts in [*cells, *wanted]):
            found["reverse complement"] = _complement_rule(cells, answers, wanted)
    return found


def write_baselines(train: Pairs, test_cells: Sequence[Nucleotides]) -> dict[str, list[str]]:
    """Free text for the test cells by each baseline; arguments as above, none without training rows."""
    if not train:
        return {}
    answers = [answer for _, answer in train]
    drawn = _drawn(len(train))
    nearest = _nearest([train[place][0].parts for place in drawn], [cell.parts for cell in test_cells])
    return {
        "majority": [Counter(answers).most_common(1)[0][0]] * len(test_cells),
        _named("nearest neighbour", train): [answers[drawn[place]] for place in nearest],
    }


def _drawn(rows: int) -> np.ndarray:
    """Places of the training rows used, in order."""
    if rows <= MOST_TRAINING_ROWS:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, MOST_TRAINING_ROWS, replace=False))


def _named(name: str, train: Pairs) -> str:
    if len(train) <= MOST_TRAINING_ROWS:
        return name
    return f"{name} ({MOST_TRAINING_ROWS:,} of {len(train):,} training rows)"


def _nearest(cells: list[Parts], wanted: list[Parts]) -> list[int]:
    """The place of the cell most like each wanted one; of equal ones the first."""
    counts = make_pipeline(CountVectorizer(analyzer=_words), Normalizer("l2"))
    known = counts.fit_transform(cells).T.tocsr()  # (words, cells)
    places: list[int] = []
    for start in range(0, len(wanted), ROWS_COMPARED):
        likeness = counts.transform(wanted[start : start + ROWS_COMPARED]) @ known  # (some rows, cells)
        places += np.asarray(likeness.argmax(axis=1)).ravel().tolist()
    return places


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


def _alike(prediction: Prediction, answers: list[str]) -> Prediction:
    """Probabilities over the shares of the training answers, normalised again."""
    labels, probabilities = prediction
    counts = Counter(answers)
    weighed = probabilities / [counts[label] for label in labels]
    return labels, weighed / weighed.sum(axis=1, keepdims=True)


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
