"""A task's rows as vectors of a frozen checkpoint, in one ``.npz``:

``train``, ``validation``, ``test``                       float32 (rows, H), in the tables' order
``train_labels``, ``validation_labels``, ``test_labels``  int64 (rows,), places in ``labels``
``labels``                                                their words, sorted
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.files.durable import write_whole
from omnina.inference.embedding import Embedder
from omnina.progress import progress_bar
from omnina.suites.task import SPLITS, Example, Task

ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class TaskEmbeddings:
    """The vectors of a task.

    Attributes:
        vectors: (rows, H) float32 by split.
        labels: (rows,) int64 by split, places in ``names``.
        names: of the labels.
    """

    vectors: Mapping[str, np.ndarray]
    labels: Mapping[str, np.ndarray]
    names: Sequence[str]

    def write(self, path: Path) -> None:
        """The file described above; it is there once it is whole."""
        arrays = dict(self.vectors) | {_labels_of(split): places for split, places in self.labels.items()}
        arrays["labels"] = np.array(self.names, dtype=np.str_)
        write_whole(path, lambda stream: np.savez(stream, **arrays))

    @classmethod
    def read(cls, path: Path) -> "TaskEmbeddings":
        """Back from a file."""
        with np.load(path) as archive:
            vectors = {split: archive[split] for split in SPLITS}
            labels = {split: archive[_labels_of(split)] for split in SPLITS}
            return cls(vectors, labels, archive["labels"].tolist())


def embed_task(embedder: Embedder, task: Task) -> TaskEmbeddings:
    """The vectors of every split, of the embedder's first layer.

    Raises UserError for a row that the model cannot read whole (labelled sequences that do not fit).
    """
    names = sorted({row.label for split in SPLITS for row in getattr(task, split)})
    places = {name: place for place, name in enumerate(names)}
    rows = {split: getattr(task, split) for split in SPLITS}
    return TaskEmbeddings(
        {split: _vectors(embedder, f"{task.name}, {split}", of_split) for split, of_split in rows.items()},
        {split: np.array([places[row.label] for row in of_split]) for split, of_split in rows.items()},
        names,
    )


def _vectors(embedder: Embedder, doing: str, rows: Sequence[Example]) -> np.ndarray:
    """(rows, H) float32."""
    found: list[np.ndarray] = []
    with progress_bar(f"embedding {doing}", "rows", len(rows)) as bar:
        for start in range(0, len(rows), ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE]
            try:
                found += embedder.embed([parse_cell(row.sequence) for row in some])
            except ValueError as error:
                raise UserError(f"{doing}: {error}.") from error
            bar.update(len(some))
    return np.stack(found)[:, 0]  # (rows, layers, H) -> (rows, H)


def _labels_of(split: str) -> str:
    return f"{split}_labels"
