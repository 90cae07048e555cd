"""A task of a suite: labelled sequences in splits that nobody may change."""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from omnina.errors import UserError

HELD_OUT_SHARE = 0.1  # of the training rows, where a benchmark has no validation rows of its own
COLUMNS = ("sequence", "question", "response")
TRAIN, VALIDATION, TEST = SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Example:
    """A sequence and its label."""

    sequence: str
    label: str


@dataclass(frozen=True)
class Task:
    """Rows to train on, to choose by, and to be measured on once.

    Attributes:
        name: also of its folder.
        question: that every row is asked.
        train, validation, test: rows; what chooses a checkpoint never sees the test rows.
        optimum: accuracy on the test rows of whoever knows how they were made; None where nobody does.
    """

    name: str
    question: str
    train: Sequence[Example]
    validation: Sequence[Example]
    test: Sequence[Example]
    optimum: float | None = None

    def write(self, folder: Path) -> dict[str, Path]:
        """A table of each split as fine-tuning takes it; their paths by split.

        Raises UserError if a table is there already with other rows: runs beside it were trained on those.
        """
        folder.mkdir(parents=True, exist_ok=True)
        paths = {split: folder / f"{split}.csv" for split in SPLITS}
        for split, path in paths.items():
            text = self._table(getattr(self, split))
            if path.is_file() and path.read_text(encoding="utf-8") != text:
                raise UserError(
                    f"{path}: this holds other rows, and runs beside it; choose another --output."
                )
            path.write_text(text, encoding="utf-8")
        return paths

    def _table(self, rows: Sequence[Example]) -> str:
        stream = StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((row.sequence, self.question, row.label) for row in rows)
        return stream.getvalue()

    def capped(self, rows: int | None) -> "Task":
        """With at most so many training rows, the same ones every time; all if None."""
        if rows is None or len(self.train) <= rows:
            return self
        return replace(self, train=sorted(self.train, key=lambda row: draw(row, "train"))[:rows])


def with_validation(
    name: str, question: str, train: Sequence[Example], test: Sequence[Example], own: Sequence[Example] = ()
) -> Task:
    """A task whose validation rows are its own, or a tenth of the training rows, chosen by their sequence.

    Copies of one sequence stay together. Raises UserError if a split has no row, or training one label.
    """
    if not own:
        own = [row for row in train if draw(row) < HELD_OUT_SHARE]
        train = [row for row in train if draw(row) >= HELD_OUT_SHARE]
    for split, rows in zip(SPLITS, (train, own, test), strict=True):
        if not rows:
            raise UserError(f"{name}: no {split} rows are left; give more rows.")
    if len({row.label for row in train}) < 2:
        raise UserError(f"{name}: all training rows have the label '{train[0].label}'; a task needs two.")
    return Task(name, question, train, own, test)


def draw(row: Example, purpose: str = "validation") -> float:
    """A number from 0 to 1 that depends on the sequence and the purpose alone."""
    digest = hashlib.sha256(f"{purpose}/{row.sequence.upper()}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
