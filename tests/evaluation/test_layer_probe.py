"""The probe finds what is there, and nothing where nothing is."""

import numpy as np
import pytest
from tables import write_table

from omnina.errors import UserError
from omnina.evaluation.layer_probe import probe_layers, read_labels

IDS = [f"s{number}" for number in range(100)]
LABELS = {row_id: "ab"[number % 2] for number, row_id in enumerate(IDS)}


@pytest.fixture
def embeddings() -> np.ndarray:
    """Layer 0 is noise, layer 1 holds the label beside noise."""
    found = np.random.default_rng(0).normal(size=(100, 2, 8))
    found[:, 1, 3] += 4 * np.array([number % 2 for number in range(100)])
    return found


def labels(tmp_path, of_id: dict[str, str], groups: dict[str, str] | None = None):
    rows = [{"id": name, "label": label} for name, label in of_id.items()]
    rows = [row | {"group": groups[row["id"]]} for row in rows] if groups else rows
    return read_labels(write_table(tmp_path / "labels.csv", rows), IDS)


def test_the_layer_that_knows(embeddings, tmp_path):
    noise, knowing = probe_layers(embeddings, [0, 7], labels(tmp_path, LABELS))
    assert (noise["layer"], knowing["layer"]) == (0, 7)
    assert abs(noise["mcc"]) < 0.3 and knowing["mcc"] > 0.85
    assert knowing["accuracy"] > 0.92 and 0 < knowing["accuracy_sd"] < 0.1


def test_groups_are_not_on_both_sides(tmp_path):
    """Each group has vectors of its own and one label: only a group seen before could be told."""
    groups = {row_id: str(number // 10) for number, row_id in enumerate(IDS)}
    of_id = {row_id: "ab"[int(group) % 2] for row_id, group in groups.items()}
    vectors = np.random.default_rng(1).normal(size=(10, 1, 30)).repeat(10, axis=0)
    [apart] = probe_layers(vectors, [0], labels(tmp_path, of_id, groups))
    [mixed] = probe_layers(vectors, [0], labels(tmp_path, of_id))
    assert mixed["accuracy"] == 1.0
    assert apart["accuracy"] < 0.9


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"id": "s0", "label": "a"}], "no label for 99 sequences, the first is 's1'"),
        (
            [{"id": "s0", "label": "a"}, {"id": "s0", "label": "b"}],
            r"labels.csv:3: the id 's0' is there twice",
        ),
        ([{"id": name, "label": "a"} for name in IDS], "all sequences have the same label"),
        (
            [{"id": name, "label": "b" if name == "s5" else "a"} for name in IDS],
            "the label 'b' has 1 sequences; 5 folds need 5 or more",
        ),
        ([{"id": name, "name": "a"} for name in IDS], "label"),
        (
            [{"id": name, "label": LABELS[name], "group": str(n % 4)} for n, name in enumerate(IDS)],
            "4 groups; 5 folds need 5 or more",
        ),
        (
            [{"id": name, "label": "ab"[n < 10], "group": str(n // 10)} for n, name in enumerate(IDS)],
            "the label 'b' is in too few groups",
        ),
    ],
)
def test_labels_that_cannot_be_used(tmp_path, rows, message):
    with pytest.raises(UserError, match=message):
        read_labels(write_table(tmp_path / "labels.csv", rows), IDS)
