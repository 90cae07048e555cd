"""Rows whose answers are known: read from tables, and answered by a checkpoint."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omnina.chunking import Nucleotides, parse_cell
from omnina.errors import UserError
from omnina.inference.answer import Answer, Answerer, Query
from omnina.inference.questions import unseen_warning
from omnina.progress import progress_bar
from omnina.tables.table import expand_paths, read_rows

ROWS_PER_CALL = 256


@dataclass(frozen=True)
class AskedRow:
    """A row whose answer is known, and where it stands."""

    cell: str
    question: str
    gold: str
    nucleotides: Nucleotides
    place: str


def read_asked_rows(inputs: str | list[str], bad_rows: str = "stop") -> list[AskedRow]:
    """The rows of tables with ``sequence``, ``question`` and ``response``.

    Args:
        inputs: paths or globs.
        bad_rows: ``stop`` at a row that holds no nucleotides, question or response, or ``skip`` such rows.

    Raises UserError naming file and line of a bad row, or if no row is left.
    """
    paths = expand_paths(inputs)
    rows, bad = [], BadRows(bad_rows)
    for path in paths:
        for line, cells in read_rows(path, required=("sequence", "question", "response")):
            try:
                rows.append(_checked_row(f"{path}:{line}", cells))
            except ValueError as error:
                bad.add(f"{path}:{line}: {error}")
    bad.report(", ".join(map(str, paths)), left=len(rows))
    return rows


def _checked_row(place: str, cells: Mapping[str, str]) -> AskedRow:
    """ValueError with the reason if training would not take the row either."""
    nucleotides = parse_cell(cells["sequence"])
    for name in ("question", "response"):
        if not cells[name].strip():
            raise ValueError(f"the {name} is empty")
    return AskedRow(cells["sequence"], cells["question"], cells["response"], nucleotides, place)


class BadRows:
    """What is done with bad rows: UserError at the first, or counted."""

    def __init__(self, policy: str) -> None:
        assert policy in ("stop", "skip"), policy
        self.policy = policy
        self.found: list[str] = []

    def add(self, row: str) -> None:
        """Take note of a row, given as ``file:line: reason``."""
        if self.policy == "stop":
            raise UserError(
                f"{row}. Mend the row, or set bad_rows: skip (--bad_rows skip) to leave such rows out."
            )
        self.found.append(row)

    def report(self, name: str, left: int) -> None:
        """Print how many were left out; UserError if none is left."""
        if not self.found:
            return
        if not left:
            raise UserError(
                f"{name}: no row is left; all {len(self.found)} are bad, the first: {self.found[0]}."
            )
        print(f"{name}: {len(self.found):,} bad rows left out of the evaluation; the first: {self.found[0]}")


def answer_rows(
    answerer: Answerer, rows: Sequence[AskedRow], bad_rows: str = "stop"
) -> tuple[list[AskedRow], list[Answer]]:
    """The rows that can be answered, with the model's answers; shows a progress bar.

    Args:
        answerer: the model.
        rows: what to ask.
        bad_rows: ``stop`` at a row that leaves no room for an answer, or ``skip`` such rows.

    Raises UserError naming file and line of such a row, or if no row is left.
    """
    for question in dict.fromkeys(row.question for row in rows):
        if warning := unseen_warning(question, answerer.questions):
            print(warning, file=sys.stderr)
    bad = BadRows(bad_rows)
    answered: list[tuple[AskedRow, Answer]] = []
    with progress_bar("answering", "rows", len(rows)) as bar:
        for start in range(0, len(rows), ROWS_PER_CALL):
            part = rows[start : start + ROWS_PER_CALL]
            answers = answerer.answer([Query(row.nucleotides, row.question) for row in part])
            for row, answer in zip(part, answers, strict=True):
                if answer.refused:
                    bad.add(f"{row.place}: {answer.refused}")
                else:
                    answered.append((row, answer))
            bar.update(len(part))
    bad.report("rows that cannot be answered", left=len(answered))
    return [row for row, _ in answered], [answer for _, answer in answered]
