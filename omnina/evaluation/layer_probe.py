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
    """The labels of sequences, and how they are parted.

    Attributes:
        wanted: (sequences,) labels.
        folds: (training places, test places) of each; no group is on both sides of one.
    """

    wanted: np.ndarray
    folds: Sequence[tuple[np.ndarray, np.ndarray]]


def read_labels(path: Path, ids: Sequence[str], seed: int = 0) -> Labels:
    """A table with the columns ``id`` and ``label``, and ``group`` if it has one.

    Args:
        path: the table.
        ids: of the sequences, in their order.
        seed: of the folds.

    Raises UserError for an id that comes twice, sequences without a label, a label of fewer than ``FOLDS``
    sequences, or groups that do not let every fold have every label.
    """
    if not path.is_file():
        raise UserError(f"{path}: there is no such file; give --probe a table of labels.")
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
    wanted = np.array([labels[row_id] for row_id in ids])
    _check_sizes(path, wanted)
    return Labels(wanted, _folds(path, wanted, [groups[row_id] for row_id in ids] if groups else None, seed))


def probe_layers(embeddings: np.ndarray, layers: Sequence[int], labels: Labels) -> list[dict]:
    """Each layer's scores: mean and standard deviation over ``FOLDS`` folds, the same for all layers.

    Args:
        embeddings: (sequences, layers, H).
        layers: their numbers.
        labels: from ``read_labels``.
    """
    return [{"layer": layer, **_scores(embeddings[:, place], labels)} for place, layer in enumerate(layers)]


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


def _folds(
    path: Path, wanted: np.ndarray, groups: Sequence[str] | None, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(training places, test places) of each fold."""
    if groups is None:
        return list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(wanted, wanted))
    if len(set(groups)) < FOLDS:
        raise UserError(f"{path}: {len(set(groups))} groups; {FOLDS} folds need {FOLDS} or more.")
    folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(wanted, wanted, groups))
    for training, _ in folds:
        lost = sorted(set(wanted) - set(wanted[training]))
        if lost:
            raise UserError(
                f"{path}: the label '{lost[0]}' is in too few groups: none is left to train on when one is "
                "tested. Give it more groups, or leave the column out."
            )
    return folds


def _scores(vectors: np.ndarray, labels: Labels) -> dict[str, float]:
    wanted = labels.wanted
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for training, test in labels.folds:
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=MOST_ITERATIONS))
        answers = probe.fit(vectors[training], wanted[training]).predict(vectors[test])
        for name, metric in METRICS.items():
            found[name].append(metric(wanted[test], answers))
    means = {name: float(np.mean(values)) for name, values in found.items()}
    return means | {f"{name}_sd": float(np.std(values)) for name, values in found.items()}
