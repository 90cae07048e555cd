"""What each layer knows: a logistic regression on its vectors, cross-validated, layer by layer."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only: no display is needed
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, matthews_corrcoef
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from omnina.errors import UserError
from omnina.tables.table import read_rows

FOLDS = 5
MOST_ITERATIONS = 2000
METRICS = {
    "accuracy": accuracy_score,
    "balanced_accuracy": balanced_accuracy_score,
    "mcc": matthews_corrcoef,
}


@dataclass(frozen=True)
class Labels:
    """The labels of sequences, and groups that must not be on both sides of a fold.

    Attributes:
        of_id: label of each sequence.
        group_of_id: its group; empty without groups.
    """

    of_id: Mapping[str, str]
    group_of_id: Mapping[str, str]


def read_labels(path: Path, ids: Sequence[str]) -> Labels:
    """A table with the columns ``id`` and ``label``, and ``group`` if it has one.

    Raises UserError for an id that comes twice, sequences without a label, or a label of fewer than
    ``FOLDS`` sequences.
    """
    labels: dict[str, str] = {}
    groups: dict[str, str] = {}
    for line, cells in read_rows(path, required=["id", "label"]):
        if cells["id"] in labels:
            raise UserError(f"{path}:{line}: the id '{cells['id']}' is there twice.")
        labels[cells["id"]] = cells["label"]
        if "group" in cells:
            groups[cells["id"]] = cells["group"]
    missing = [row_id for row_id in ids if row_id not in labels]
    if missing:
        raise UserError(f"{path}: no label for {len(missing)} sequences, the first is '{missing[0]}'.")
    if len(set(ids)) < len(ids):
        raise UserError("Two sequences have the same id; a label would not say which is meant.")
    _check_sizes(path, [labels[row_id] for row_id in ids])
    return Labels(labels, groups)


def probe_layers(
    embeddings: np.ndarray, layers: Sequence[int], ids: Sequence[str], labels: Labels, seed: int = 0
) -> list[dict]:
    """Each layer's scores: mean and standard deviation over ``FOLDS`` folds, the same for all layers.

    Args:
        embeddings: (sequences, layers, H).
        layers: their numbers.
        ids: of the sequences.
        labels: from ``read_labels``.
        seed: of the folds.
    """
    wanted = np.array([labels.of_id[row_id] for row_id in ids])
    folds = _folds(
        wanted, [labels.group_of_id[row_id] for row_id in ids] if labels.group_of_id else None, seed
    )
    return [
        {"layer": layer, **_scores(embeddings[:, place], wanted, folds)} for place, layer in enumerate(layers)
    ]


def write_probe(scores: Sequence[Mapping], folder: Path) -> None:
    """``layers.csv`` and ``layers.png``: the scores by layer."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "layers.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, list(scores[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(scores)
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    layers = np.array([entry["layer"] for entry in scores])
    for place, name in enumerate(METRICS):
        means = [entry[name] for entry in scores]
        errors = [entry[f"{name}_sd"] for entry in scores]
        beside = layers + 0.08 * (place - 1)  # so that no bar hides another
        axes.errorbar(beside, means, errors, label=name.replace("_", " "), marker="o", capsize=3)
    axes.set(xlabel="layer (0: embedding)", ylabel=f"score, mean and sd of {FOLDS} folds", xticks=layers)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(folder / "layers.png", dpi=120)
    plt.close(figure)


def _check_sizes(path: Path, labels: Sequence[str]) -> None:
    names, counts = np.unique(labels, return_counts=True)
    if len(names) < 2:
        raise UserError(f"{path}: all sequences have the same label; there is nothing to tell apart.")
    if counts.min() < FOLDS:
        rarest = names[counts.argmin()]
        raise UserError(
            f"{path}: the label '{rarest}' has {counts.min()} sequences; {FOLDS} folds need {FOLDS} or more."
        )


def _folds(wanted: np.ndarray, groups: Sequence[str] | None, seed: int) -> list[tuple]:
    """(training places, test places) of each fold."""
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    return list(kind(FOLDS, shuffle=True, random_state=seed).split(wanted, wanted, groups))


def _scores(vectors: np.ndarray, wanted: np.ndarray, folds: Sequence[tuple]) -> dict[str, float]:
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for training, test in folds:
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=MOST_ITERATIONS))
        answers = probe.fit(vectors[training], wanted[training]).predict(vectors[test])
        for name, metric in METRICS.items():
            found[name].append(metric(wanted[test], answers))
    means = {name: float(np.mean(values)) for name, values in found.items()}
    return means | {f"{name}_sd": float(np.std(values)) for name, values in found.items()}
