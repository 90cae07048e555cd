"""Parts of a table, that several processes can read apart."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TablePart:
    """A run of a table's records.

    Args:
        start, stop: bytes of a text, at the start of a record; row groups of a Parquet file. A ``stop`` of
            None is the end.
        lines_before: of a text, lines before ``start``.
    """

    start: int = 0
    stop: int | None = None
    lines_before: int = 0


WHOLE = TablePart()
