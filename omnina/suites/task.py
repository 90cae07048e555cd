"""A task of a suite: labelled sequences in splits that nobody may change."""

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.files.durable import write_whole
from omnina.tables.row_counts import MAX_LABELS

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

        Raises UserError as ``check_folder`` does.
        """
        self.check_folder(folder)
        folder.mkdir(parents=True, exist_ok=True)
        paths = tables_in(folder)
        for split, path in paths.items():
            text = self._table(getattr(self, split))
            write_whole(path, lambda stream, text=text: stream.write(text.encode()))
        return paths

    def check_folder(self, folder: Path) -> None:
        """UserError if a table is there already with other rows: runs beside it were trained on those."""
        for split, path in tables_in(folder).items():
            if path.is_file() and path.read_text(encoding="utf-8") != self._table(getattr(self, split)):
                raise UserError(f"{path}: there are other rows, and their runs; choose another --output.")

    def _table(self, rows: Sequence[Example]) -> str:
        stream = StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows((row.sequence, self.question, row.label) for row in rows)
        return stream.getvalue()

    def capped(self, rows: int | None) -> "Task":
        """With at most so many training rows, the same ones every time; all if None.

        Raises UserError if they have one label only.
        """
        if rows is None or len(self.train) <= rows:
            return self
        train = sorted(self.train, key=lambda row: draw(row, "train"))[:rows]
        if len({row.label for row in train}) < 2:
            raise UserError(f"{self.name}: {rows} training rows have one label only; use more of them.")
        return replace(self, train=train)


def tables_in(folder: Path) -> dict[str, Path]:
    """A written task's tables, by split."""
    return {split: folder / f"{split}.csv" for split in SPLITS}


def with_validation(
    name: str, question: str, train: Sequence[Example], test: Sequence[Example], own: Sequence[Example] = ()
) -> Task:
    """A task whose validation rows are its own, or a tenth of the training rows, chosen by their sequence.

    Copies of one sequence stay together. Raises UserError as ``checked_task`` does.
    """
    if not own:
        own = [row for row in train if draw(row) < HELD_OUT_SHARE]
        train = [row for row in train if draw(row) >= HELD_OUT_SHARE]
    return checked_task(Task(name, question, train, own, test))


def checked_task(task: Task) -> Task:
    """The task; UserError if a split has no row, training one label only, or a row no readable sequence."""
    for split in SPLITS:
        rows = getattr(task, split)
        if not rows:
            raise UserError(f"{task.name}: no {split} rows are left; give more rows.")
        for row in rows:
            _check_row(task.name, split, row)
    labels = {row.label for row in task.train}
    if not 2 <= len(labels) <= MAX_LABELS:
        raise UserError(
            f"{task.name}: training rows have {len(labels)} labels; a task needs from 2 to {MAX_LABELS}."
        )
    return task


def _check_row(task: str, split: str, row: Example) -> None:
    try:
        parse_cell(row.sequence)
    except ValueError as error:
        raise UserError(f"{task}: a {split} row ('{row.sequence[:40]}'): {error}.") from error
    if not row.label.strip():
        raise UserError(f"{task}: a {split} row ('{row.sequence[:40]}') has no label.")


def draw(row: Example, purpose: str = "validation") -> float:
    """A number from 0 to 1 that depends on the sequence and the purpose alone."""
    digest = hashlib.sha256(f"{purpose}/{row.sequence.upper()}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
