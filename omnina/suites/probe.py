"""What a logistic regression finds in frozen vectors, from all training rows and from a few.

The protocol is that of GENEB (Ledneva et al. 2026, arXiv:2606.04525; harness/run_GENEB.py of its repository):
scikit-learn's logistic regression with C=1 and ``ITERATIONS``, fitted on the training rows, on ten and on
one of each label, drawn with each seed. With all rows nothing is left to the seed (L-BFGS draws nothing):
there is one fit, and its interval is that of the test rows. Vectors are standardised by the training rows'
mean and deviation unless they are to stay as they are, as in GENEB.

A fit of 40,000 rows of 768 numbers takes a minute of a core or so.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from omnina.evaluation.bootstrap import bootstrap_intervals
from omnina.evaluation.metrics import Scored, classification_metrics
from omnina.suites.task import TEST, TRAIN
from omnina.suites.task_embeddings import TaskEmbeddings

FULL, TEN_SHOTS, ONE_SHOT = REGIMES = ("full", "10shot", "1shot")
SHOTS = {TEN_SHOTS: 10, ONE_SHOT: 1}  # rows of each label
ITERATIONS = 1000
INTERVAL = "interval"


def probe(
    embeddings: TaskEmbeddings, seeds: Sequence[int], standardised: bool = True
) -> dict[str, list[dict]]:
    """Metrics on the test rows by regime: one entry for all rows, with intervals; else one for each seed."""
    train, test = embeddings.vectors[TRAIN], embeddings.vectors[TEST]
    if standardised:
        scaler = StandardScaler().fit(train)
        train, test = scaler.transform(train), scaler.transform(test)
    labels = embeddings.labels[TRAIN]
    whole = _scored(embeddings, train, labels, test)
    found = {FULL: [classification_metrics(whole) | {INTERVAL: bootstrap_intervals(whole)}]}
    for regime, shots in SHOTS.items():
        drawn = [few_rows(labels, shots, seed) for seed in seeds]
        scored = [_scored(embeddings, train[places], labels[places], test) for places in drawn]
        found[regime] = [classification_metrics(of_seed) for of_seed in scored]
    return found


def few_rows(labels: np.ndarray, shots: int, seed: int) -> np.ndarray:
    """Places of so many rows of each label, or of all that it has; drawn as GENEB's harness draws them."""
    generator = np.random.RandomState(seed)
    of_labels = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return np.concatenate(
        [generator.choice(places, min(shots, len(places)), replace=False) for places in of_labels]
    )


def _scored(embeddings: TaskEmbeddings, vectors: np.ndarray, labels: np.ndarray, test: np.ndarray) -> Scored:
    """The test rows' probabilities after a fit on (rows, H) vectors with (rows,) labels."""
    model = LogisticRegression(max_iter=ITERATIONS).fit(vectors, labels)
    names = np.array(embeddings.names)
    gold = names[embeddings.labels[TEST]].tolist()
    return Scored(gold, names[model.classes_].tolist(), model.predict_proba(test))
