"""What the shards of a table set hold together: lengths, bases and sources of every document, the counts.

Made from the shards' records, in the tables' order, so it is the same whoever made the shards, and when.
"""

import csv
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.lib.format import open_memmap

from omnina.errors import UserError
from omnina.shards.writer import RECORD_FILE, REJECTED_FILE, ROWS_FILE
from omnina.tables.row_counts import AnswerTally, Counts
from omnina.tables.rows import DataSettings

CONTENTS_FILE = "contents.json"
COLUMNS = ("lengths", "bases", "source_ids")


@dataclass
class _Merged:
    """The shards' records added up, and each shard's sources by their place in ``sources``."""

    counts: Counts = field(default_factory=Counts)
    sources: dict[str, int] = field(default_factory=dict)
    documents_by_file: Counter = field(default_factory=Counter)
    documents_by_shard: dict[str, int] = field(default_factory=dict)
    answers: AnswerTally = field(default_factory=AnswerTally)
    source_places: list[np.ndarray] = field(default_factory=list)

    def add(self, name: str, record: dict) -> None:
        """Take the next shard's record."""
        counts = Counts.from_json(record["counts"])
        self.counts += counts
        self.documents_by_shard[name] = counts.documents
        self.documents_by_file.update(record["documents_by_file"])
        self.answers.add_all(record["answers"])
        places = [self.sources.setdefault(source, len(self.sources)) for source in record["sources"]]
        self.source_places.append(np.array(places, dtype=np.int32))


def merge_shards(
    shard_folder: Path, names: list[str], tables: list[str], settings: DataSettings, folder: Path
) -> None:
    """Write a table set's folder, beside its place, and move it there whole.

    Args:
        shard_folder, names: the shards, in order.
        tables: the tables' names, in order.
        settings: of the rows.
        folder: where the table set goes.

    Raises UserError if there is no document.
    """
    merged = _Merged()
    for name in names:
        merged.add(name, json.loads((shard_folder / name / RECORD_FILE).read_text(encoding="utf-8")))
    if not merged.counts.documents:
        raise UserError(f"{', '.join(tables)}: no row is left to train on: {merged.counts.summary()}")
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    _write_columns(shard_folder, merged, unfinished)
    _write_rejected([shard_folder / name / REJECTED_FILE for name in names], settings, unfinished)
    contents = {
        "counts": merged.counts.as_json(),
        "sources": list(merged.sources),
        "documents_by_file": {table: merged.documents_by_file[table] for table in tables},
        "documents_by_shard": merged.documents_by_shard,
        "answers": merged.answers.by_question,
    }
    (unfinished / CONTENTS_FILE).write_text(json.dumps(contents, indent=2) + "\n", encoding="utf-8")
    unfinished.rename(folder)


def _write_columns(shard_folder: Path, merged: _Merged, folder: Path) -> None:
    """One int32 a document and column; one batch of documents is in memory."""
    shape = (merged.counts.documents,)
    columns = [open_memmap(folder / f"{name}.npy", "w+", np.int32, shape) for name in COLUMNS]
    place = 0
    for name, sources in zip(merged.documents_by_shard, merged.source_places, strict=True):
        for batch in _batches(shard_folder / name / ROWS_FILE):
            inside = slice(place, place + batch.num_rows)
            place = inside.stop
            columns[0][inside] = np.diff(batch["input_ids"].offsets.to_numpy())
            columns[1][inside] = batch["bases"].to_numpy()
            columns[2][inside] = sources[batch["source"].to_numpy()]
    for column in columns:
        column.flush()


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.memory_map(str(path)) as mapped:
        reader = pa.ipc.open_file(mapped)
        yield from (reader.get_batch(index) for index in range(reader.num_record_batches))


def _write_rejected(parts: list[Path], settings: DataSettings, folder: Path) -> None:
    with (folder / REJECTED_FILE).open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerow(["file", "line", "reason", *settings.columns])
    with (folder / REJECTED_FILE).open("ab") as stream:
        for part in parts:
            with part.open("rb") as rows:
                shutil.copyfileobj(rows, stream)
