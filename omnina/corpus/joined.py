"""Parts of a table, written by the tasks, -> its one file for each split, rows in their seeded order.

Memory: the rows of one split, some three times: such a table is read as a whole by whoever uses it.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from omnina.corpus.seeded_order import seeded_key
from omnina.corpus.shards import Shard, ShardSettings, write_table
from omnina.corpus.task_output import PARTS, split_name
from omnina.files.durable import publish


def order_of(seed: int, key: str, place: tuple[int, int, int]) -> str:
    """What a row is sorted by: the seeded place of its key; where keys are equal, its canonical place."""
    unit, number, row = place
    return f"{seeded_key(seed, key).hex()} {unit:010d} {number:020d} {row:06d}"


def joined_tables(
    folder: Path, parts: Iterable[Mapping], settings: Mapping[str, ShardSettings]
) -> list[dict]:
    """Write the files of all tables that have one; each as a shard of the manifest.

    Args:
        folder: of the tables.
        parts: records of the parts, as in the tasks' records.
        settings: of each table that is one file, by name.
    """
    by_side: dict[tuple[str, str], list[Path]] = {}
    for part in parts:
        by_side.setdefault((part["table"], part["side"]), []).append(folder / PARTS / part["file"])
    return [
        asdict(_joined(folder, table, side, paths, settings[table]))
        for (table, side), paths in sorted(by_side.items())
    ]


def _joined(folder: Path, table: str, side: str, parts: list[Path], settings: ShardSettings) -> Shard:
    rows = pa.concat_tables([pq.read_table(path) for path in parts]).sort_by("order")
    path = folder / settings.file.format(split=side)
    aside = path.with_name(f".{path.name}")
    write_table(aside, settings, [rows[name].to_pylist() for name in settings.columns])
    publish(aside, path)
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    bases = pc.sum(pc.utf8_length(rows["sequence"])).as_py()
    return Shard(path.name, split_name(table, side), rows.num_rows, bases, path.stat().st_size, digest)
