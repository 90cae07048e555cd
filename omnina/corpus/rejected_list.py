"""``rejected.csv``: what could not be read or used, a line each, as many as the manifest counts."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from omnina.corpus.filters import Counts
from omnina.corpus.reject import Reject
from omnina.errors import UserError

REJECTED_FILE = "rejected.csv"
COLUMNS = ("file", "record", "line", "kind", "reason", "bases")


def header() -> bytes:
    """The first line."""
    return (",".join(COLUMNS) + "\n").encode()


def cells(reject: Reject) -> tuple:
    """A line of the list, by COLUMNS; the line number is empty where lines are not counted."""
    line = "" if reject.line is None else reject.line
    return (reject.source_file, reject.record, line, reject.kind, reject.reason, reject.bases)


def check_rejected(folder: Path, counts: Iterable[Counts], remedy: str) -> None:
    """UserError, with the remedy, unless a folder's list has as many lines of each kind as were counted.

    Reads the list, in constant memory.
    """
    path = folder / REJECTED_FILE
    if not path.is_file():
        raise UserError(f"{path}: it is not there; {remedy}.")
    counted = sum((one.rejected for one in counts), Counter())
    with path.open(encoding="utf-8", newline="") as stream:
        listed = Counter(row.get("kind") for row in csv.DictReader(stream))
    for kind in sorted(listed | counted, key=str):  # a line that is cut short has no kind
        if listed[kind] != counted[kind]:
            raise UserError(
                f"{path}: {listed[kind]} lines say '{kind}', the manifest counts {counted[kind]}; {remedy}."
            )
