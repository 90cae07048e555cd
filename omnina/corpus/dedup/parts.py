"""The sequences of tables, one by one: a labelled cell holds several, any other cell one."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.tables.table import expand_paths, read_rows

SEQUENCE = "sequence"
QUESTION = "question"


class Part(NamedTuple):
    """One sequence of a table.

    Attributes:
        path, line: where its row starts.
        label: what the cell calls it; ``sequence`` if the cell is not labelled.
        bases: upper-case IUPAC, T for U.
        question: of the row; empty if the table has none.
    """

    path: Path
    line: int
    label: str
    bases: str
    question: str


def read_parts(tables: str | Path | Iterable[str | Path]) -> Iterator[Part]:
    """Every sequence of one or several tables (paths or globs), read as they are asked for.

    Raises UserError for a missing file or ``sequence`` column, and with file and line for a bad cell.
    """
    for path in expand_paths(tables):
        for line, row in read_rows(path, required=[SEQUENCE]):
            try:
                cell = parse_cell(row[SEQUENCE])
            except ValueError as error:
                raise UserError(
                    f"{path}:{line}: column '{SEQUENCE}': {error}; mend or remove the row."
                ) from error
            for label, bases in cell.parts:
                yield Part(path, line, label or SEQUENCE, bases, row.get(QUESTION, ""))
