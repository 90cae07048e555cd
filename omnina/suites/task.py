"""A task of a suite: labelled sequences in splits that nobody may change."""

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.files.durable import write_whole
from omnina.tables.row_counts import MAX_LABELS

TEST_SHARE = 0.2  # of rows without splits
HELD_OUT_SHARE = 0.1  # of the training rows, where a benchmark has no validation rows of its own
COLUMNS = ("sequence", "question", "response")
MOST_NAMED = 5  # labels of an error
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

        Raises UserError if they have one label only, or lack one of the validation or test rows.
        """
        if rows is None or len(self.train) <= rows:
            return self
        train = drawn_rows(self.train, rows)
        labels = {row.label for row in train}
        if len(labels) < 2:
            raise UserError(f"{self.name}: {rows} training rows have one label only; use more of them.")
        asked = {row.label for row in (*self.validation, *self.test)}
        lacking = sorted((asked & {row.label for row in self.train}) - labels)
        if lacking:
            raise UserError(
                f"{self.name}: {rows} training rows lack the labels {_first(lacking)}; use more of them."
            )
        return replace(self, train=train)


def drawn_rows(rows: Sequence[Example], most: int) -> list[Example]:
    """At most so many of them, the same ones every time."""
    if len(rows) <= most:
        return list(rows)
    return sorted(rows, key=lambda row: draw(row, TRAIN))[:most]


def tables_in(folder: Path) -> dict[str, Path]:
    """A written task's tables, by split."""
    return {split: folder / f"{split}.csv" for split in SPLITS}


def with_splits(name: str, question: str, rows: Sequence[Example]) -> Task:
    """A task whose test rows, a fifth, and then validation rows are chosen by their sequence.

    Raises UserError as ``checked_task`` does.
    """
    _check_rows(name, "given", rows)
    return with_validation(name, question, *_held_out(rows, TEST, TEST_SHARE))


def with_validation(
    name: str,
    question: str,
    train: Sequence[Example],
    test: Sequence[Example],
    own: Sequence[Example] = (),
    all_known: bool = True,
) -> Task:
    """A task whose validation rows are its own, or a tenth of the training rows, chosen by their sequence.

    Copies of one sequence stay together, its reverse complement among them. Raises UserError as
    ``checked_task`` does.
    """
    if not own:
        _check_rows(name, TRAIN, train)
        train, own = _held_out(train, VALIDATION, HELD_OUT_SHARE)
    return checked_task(Task(name, question, train, own, test), all_known)


def _held_out(rows: Sequence[Example], purpose: str, share: float) -> tuple[list[Example], list[Example]]:
    """(Kept, held out) rows; those of a label that would be left with none are kept all."""
    draws = [draw(row, purpose) for row in rows]
    left = {row.label for row, drawn in zip(rows, draws, strict=True) if drawn >= share}
    # With them the copies of their sequences, whatever their label.
    needed = {drawn for row, drawn in zip(rows, draws, strict=True) if row.label not in left}
    kept = [row for row, drawn in zip(rows, draws, strict=True) if drawn >= share or drawn in needed]
    held = [row for row, drawn in zip(rows, draws, strict=True) if drawn < share and drawn not in needed]
    return kept, held


def checked_task(task: Task, all_known: bool = True) -> Task:
    """The task.

    Raises UserError if a split has no row, or one without a readable sequence or a label, if training has one
    label only, or, where all are to be known, if another split has one that training has not.
    """
    for split in SPLITS:
        if not getattr(task, split):
            raise UserError(f"{task.name}: no {split} rows are left; give more rows.")
        _check_rows(task.name, split, getattr(task, split))
    labels = {row.label for row in task.train}
    if not 2 <= len(labels) <= MAX_LABELS:
        raise UserError(
            f"{task.name}: training rows have {len(labels)} labels; a task needs from 2 to {MAX_LABELS}."
        )
    for split in (VALIDATION, TEST) if all_known else ():
        _check_known(task.name, split, getattr(task, split), labels)
    return task


def _check_known(task: str, split: str, rows: Sequence[Example], known: set[str]) -> None:
    """No model can be right on a row whose label no training row has: UserError, for it is a slip."""
    unknown = Counter(row.label for row in rows if row.label not in known)
    if unknown:
        counted = [f"'{label}' ({count:,})" for label, count in unknown.most_common()]
        raise UserError(
            f"{task}: {unknown.total():,} of {len(rows):,} {split} rows have labels that no training row "
            f"has: {_first(counted)}; training has {_first(sorted(known))}. Write labels alike in all "
            "splits, or leave these rows out."
        )


def _first(names: Sequence[str]) -> str:
    return ", ".join([*names[:MOST_NAMED], *["..."] * (len(names) > MOST_NAMED)])


def _check_rows(task: str, split: str, rows: Sequence[Example]) -> None:
    for row in rows:
        _check_row(task, split, row)


def _check_row(task: str, split: str, row: Example) -> None:
    try:
        parse_cell(row.sequence)
    except ValueError as error:
        raise UserError(f"{task}: a {split} row ('{row.sequence[:40]}'): {error}.") from error
    if not row.label.strip():
        raise UserError(f"{task}: a {split} row ('{row.sequence[:40]}') has no label.")


def draw(row: Example, purpose: str = VALIDATION) -> float:
    """A number from 0 to 1 that depends on the purpose and the sequence alone, whichever strand it is."""
    nucleotides = parse_cell(row.sequence)
    one = min(nucleotides.text, nucleotides.other_strand.text)
    digest = hashlib.sha256(f"{purpose}/{one}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
