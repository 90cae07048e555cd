"""Which rows of which tables each shard of a tokenised table set holds.

A shard is a run of rows, in the tables' order: a part of a big table, a table, or several small ones. The
cut depends on the tables alone. A shard's name is a hash of what is in it and of what decides the ids, so a
run that adds a table, or mends one, makes no other shard again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from omnina.tables.digests import Table, content_name
from omnina.tables.parquet import is_parquet, open_parquet
from omnina.tables.part import TablePart
from omnina.tables.text import is_packed, open_text, text_records

SHARD_BYTES = 64_000_000  # of table; about 25 MB of token ids
MOST_SHARDS = 4096  # in larger sets shards are larger

Run = Callable[[Callable, Iterable], Iterable]  # a map, in this process or in several


@dataclass(frozen=True)
class Piece:
    """A run of one table's rows."""

    table: Table
    part: TablePart


@dataclass(frozen=True)
class Shard:
    """A run of rows of a table set."""

    name: str
    pieces: tuple[Piece, ...]


def plan_shards(tables: Sequence[Table], decisive: list, run: Run, shard_bytes: int) -> list[Shard]:
    """The shards of a table set, in order.

    Args:
        tables: in order.
        decisive: JSON values that decide the ids.
        run: a ``map``; big texts are read through once to find where records start.
        shard_bytes: a shard ends once it holds half of this; no part of a table holds much more.
    """
    paths = [table.path for table in tables]
    size = max(shard_bytes, sum(path.stat().st_size for path in paths) // MOST_SHARDS)
    parts = zip(tables, run(partial(table_parts, size=size), paths), strict=True)
    pieces = ((Piece(table, part), weight) for table, found in parts for part, weight in found)
    return [Shard(content_name([*decisive, _content(group)]), group) for group in _grouped(pieces, size / 2)]


def table_parts(path: Path, size: int) -> list[tuple[TablePart, int]]:
    """(part, its bytes) of a table, cut after every ``size`` bytes; in Parquet, at the next row group.

    A packed text cannot be read from the middle and is one part. Raises UserError for a table that cannot be
    read.
    """
    if is_parquet(path):
        return _row_group_parts(path, size)
    total = path.stat().st_size
    if is_packed(path) or total <= size:
        return [(TablePart(), total)]
    starts = list(_record_starts(path, size))
    stops = [start for start, _ in starts[1:]]
    return [
        (TablePart(start, stop, lines), (stop or total) - start)
        for (start, lines), stop in zip(starts, [*stops, None], strict=True)
    ]


def _record_starts(path: Path, size: int) -> Iterator[tuple[int, int]]:
    """(byte, lines before it) where each part of a text starts."""
    yield 0, 0
    last = 0
    with open_text(path) as stream:
        rows = islice(
            text_records(path, stream), 2, None
        )  # the first part holds the header and a row at least
        for byte, line, _ in rows:
            if byte - last >= size:
                yield byte, line - 1
                last = byte


def _row_group_parts(path: Path, size: int) -> list[tuple[TablePart, int]]:
    with open_parquet(path) as table:
        groups = [table.metadata.row_group(index) for index in range(table.num_row_groups)]
    parts, first, weight = [], 0, 0
    for index, group in enumerate(groups):
        weight += group.total_byte_size
        if weight >= size or index == len(groups) - 1:
            parts.append((TablePart(first, index + 1), weight))
            first, weight = index + 1, 0
    return parts or [(TablePart(), 0)]


def _grouped(pieces: Iterable[tuple[Piece, int]], least: float) -> Iterator[tuple[Piece, ...]]:
    """Pieces joined until they weigh enough."""
    group, total = [], 0
    for piece, weight in pieces:
        group.append(piece)
        total += weight
        if total >= least:
            yield tuple(group)
            group, total = [], 0
    if group:
        yield tuple(group)


def _content(pieces: tuple[Piece, ...]) -> list:
    return [[p.table.sha256, str(p.table.path), p.part.start, p.part.stop] for p in pieces]
