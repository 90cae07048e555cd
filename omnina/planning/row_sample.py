"""Documents of some rows of tables, and from them how many documents and tokens all rows make.

Of a table set some tables are read, of a text its first ``READ_BYTES``, of Parquet some row groups; of these
rows some are drawn and tokenised. A packed text is read to its end, since nothing tells how long it is.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from omnina.errors import UserError
from omnina.planning.documents import length_of
from omnina.tables.parquet import is_parquet, row_groups
from omnina.tables.part import TablePart
from omnina.tables.rows import RowEncoder, TableRow, batched_records, read_records
from omnina.tables.text import is_packed

READ_TABLES = 16
READ_BYTES = 64_000_000  # of a table that is no Parquet file
READ_GROUPS = 2  # of a Parquet file


@dataclass(frozen=True)
class TableSample:
    """One table of a set.

    Attributes:
        documents, tokens: that all of its rows make, estimated.
        read: rows of it that were tokenised.
        rows: their documents, ``input_ids`` and ``answer_start`` of each.
    """

    documents: float
    tokens: float
    read: int
    rows: list[dict]


def sampled_tables(paths: Sequence[Path], encoder: RowEncoder, wanted: int) -> list[TableSample]:
    """An estimate for each table, from about ``wanted`` rows in all; tables not read count by their bytes.

    Raises UserError for a table that cannot be read, and where no row that was read leaves a document.
    """
    chosen = set(_evenly(len(paths), READ_TABLES))
    read = {place: _sampled(paths[place], encoder, -(-wanted // len(chosen)), seed=place) for place in chosen}
    if not any(sample.rows for sample in read.values()):
        raise UserError(f"{', '.join(map(str, paths[:3]))}: no row of those sampled leaves a document.")
    size = sum(paths[place].stat().st_size for place in chosen)
    documents, tokens = (
        sum(getattr(sample, name) for sample in read.values()) / size for name in ("documents", "tokens")
    )
    return [
        read[place] if place in read else TableSample(documents * bytes_, tokens * bytes_, 0, [])
        for place, path in enumerate(paths)
        for bytes_ in [path.stat().st_size]
    ]


def _sampled(path: Path, encoder: RowEncoder, wanted: int, seed: int) -> TableSample:
    parts, share = _parts(path, encoder.settings.columns)
    records = chain.from_iterable(read_records(path, encoder.settings.columns, part) for part in parts)
    drawn, count = _drawn(records, wanted, random.Random(seed))
    rows = [
        {"input_ids": document.input_ids, "answer_start": document.answer_start}
        for batch in batched_records(drawn)
        for outcome in encoder.outcomes(batch)
        for document in outcome.documents
    ]
    scale = count / share / len(drawn) if drawn else 0.0
    return TableSample(len(rows) * scale, sum(map(length_of, rows)) * scale, len(drawn), rows)


def _parts(path: Path, columns: list[str]) -> tuple[list[TablePart], float]:
    """What is read of a table, and which share of its rows that is, of a text nearly."""
    if is_parquet(path):
        groups = row_groups(path, columns)
        chosen = _evenly(len(groups), READ_GROUPS)
        share = sum(groups[place][0] for place in chosen) / max(1, sum(rows for rows, _ in groups))
        return [TablePart(place, place + 1) for place in chosen], share
    size = path.stat().st_size
    if is_packed(path) or size <= READ_BYTES:
        return [TablePart()], 1.0
    return [TablePart(stop=READ_BYTES)], READ_BYTES / size


def _drawn(records: Iterable[TableRow], wanted: int, draws: random.Random) -> tuple[list[TableRow], int]:
    """So many of the records, each with the same chance, and how many there are.

    (Algorithm R of Vitter, 1985, doi:10.1145/3147.3165.)
    """
    kept: list[TableRow] = []
    count = 0
    for count, record in enumerate(records, 1):
        if len(kept) < wanted:
            kept.append(record)
        elif (place := draws.randrange(count)) < wanted:
            kept[place] = record
    return kept, count


def _evenly(count: int, wanted: int) -> list[int]:
    """At most so many places from 0 to ``count``, at even distances."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, wanted))})
