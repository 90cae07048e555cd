"""Passages and what is said of them -> tables of at most so many rows: ``train-00007-002.parquet``.

A shard holds ``sequence``, ``question`` where there are questions, ``response``, and where the row is from:
``accession``, ``source_file``, ``start``, ``end``, ``strand``, ``parts``, and ``source`` if wanted; or the
columns that the settings name. The same rows give the same bytes, whoever writes them and when, under one
version of pyarrow. Each split holds one row group in memory.
"""

import csv
import hashlib
import io
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from omnina.corpus.passage import Passage
from omnina.corpus.section import checked_mapping, choice, text, texts, whole_number
from omnina.errors import UserError

FORMATS = ("parquet", "csv")
SHARD_NAME = re.compile(r"(?P<split>\w+)-(?P<task>\d{5,})-(?P<part>\d{3,})\.(parquet|csv)")
COLUMNS = (
    *("sequence", "question", "response"),
    *("accession", "source_file", "start", "end", "strand", "parts", "source"),
    *("order",),  # in parts of a file only
)
_FILE = re.compile(r"[\w.-]*\{split\}[\w.-]*")
_NUMBERS = ("start", "end")
_SIZES = ("rows_per_shard", "row_group_bytes")
_REPEATING = ["question", "source_file", "strand", "source"]  # worth a dictionary; sequences are not


@dataclass(frozen=True)
class ShardSettings:
    """How tables are written.

    Args:
        questions: rows have a ``question`` (fine-tuning).
        source: rows have a ``source``, the name that figures are reported under.
        format: ``parquet`` or ``csv``.
        rows_per_shard: rows of a shard at most.
        row_group_bytes: text after which a row group ends (Parquet) or rows go to disk (CSV).
        chosen: the columns; if empty, all that there are.
        file: name of the one file that all rows of a split make in a seeded order, with ``{split}`` in it;
            if empty, there are shards, in the order of the record files.

    Raises UserError for an unknown format or column, sizes that are not positive, a file of another format.
    """

    questions: bool = False
    source: bool = False
    format: str = "parquet"
    rows_per_shard: int = 100_000
    row_group_bytes: int = 32 * 2**20
    chosen: tuple[str, ...] = ()
    file: str = ""

    def __post_init__(self) -> None:
        choice(self.format, FORMATS, "format")
        for key in _SIZES:
            whole_number(getattr(self, key), 1, key)
        for name in self.chosen:
            choice(name, self._there(), "columns")
        if self.file and not _FILE.fullmatch(self.file):
            raise UserError(f"file: '{self.file}' must be a name with '{{split}}' in it, without folders.")
        if self.file and not self.file.endswith(f".{self.format}"):
            raise UserError(
                f"file: '{self.file}' must end in .{self.format}, as the format is {self.format}."
            )

    @classmethod
    def from_yaml_section(
        cls, section: object, where: str, *, questions: bool = False, source: bool = False
    ) -> "ShardSettings":
        """Read format, sizes, ``columns`` and ``file``; UserError names key and place."""
        given = dict(checked_mapping(section, ("format", *_SIZES, "columns", "file"), where))
        if "file" in given:
            text(given["file"], f"{where}.file")
        if "columns" in given:
            given["chosen"] = texts(given.pop("columns"), f"{where}.columns")
        try:
            return cls(questions, source, **given)
        except UserError as error:
            raise UserError(f"{where}.{error}") from error

    @property
    def columns(self) -> tuple[str, ...]:
        """The header."""
        return self.chosen or self._there()

    @property
    def of_parts(self) -> "ShardSettings":
        """How the parts of a file are written: all that is known of a row, its place in the file too."""
        return replace(self, format="parquet", file="", chosen=(*self._there(), "order"))

    def _there(self) -> tuple[str, ...]:
        wanted = {"question": self.questions, "source": self.source, "order": "order" in self.chosen}
        return tuple(name for name in COLUMNS if wanted.get(name, True))


@dataclass(frozen=True)
class Shard:
    """A written shard: its file's name, the split, and what is in it (rows, bases, bytes on disk)."""

    file: str
    split: str
    rows: int
    bases: int
    bytes: int
    sha256: str


class SplitWriter:
    """The shards of one split, filled one after another.

    ``split`` may hold letters, digits and underscores; UserError else (file names are parted at hyphens).
    """

    def __init__(self, folder: Path, split: str, task: int, settings: ShardSettings) -> None:
        if not re.fullmatch(r"\w+", split):
            raise UserError(f"split: '{split}' must be letters, digits and underscores only.")
        self.shards: list[Shard] = []
        self._folder, self._split, self._task, self._settings = folder, split, task, settings
        self._file: _File | None = None
        self._rows = self._bases = self._bytes = 0
        self._pending: list[tuple] = []

    def add(
        self, passage: Passage, response: str, question: str | None, source: str | None, order: str = ""
    ) -> None:
        """Take one row; question and source must be given exactly if there is a column for them."""
        assert (question is not None) == self._settings.questions
        assert (source is not None) == self._settings.source
        sequence = passage.sequence
        self._pending.append((*row_cells(passage, response, question, source), order))
        self._rows += 1
        self._bases += len(sequence)
        self._bytes += len(sequence) + len(response) + len(question or "")
        if self._rows == self._settings.rows_per_shard:
            self._end_shard()
        elif self._bytes >= self._settings.row_group_bytes:
            self._flush()

    def close(self) -> list[Shard]:
        """Write what is left, and say what there is."""
        if self._rows:
            self._end_shard()
        return self.shards

    def abandon(self) -> None:
        """Close the file, as it is, that is under way."""
        if self._file:
            self._file.close()

    def _flush(self) -> None:
        if self._file is None:
            kind = _ParquetFile if self._settings.format == "parquet" else _CsvFile
            self._file = kind(self._path, self._settings.columns)
        cells = dict(zip(COLUMNS, zip(*self._pending, strict=True), strict=True))
        self._file.write([cells[name] for name in self._settings.columns])
        self._pending, self._bytes = [], 0

    def _end_shard(self) -> None:
        if self._pending:
            self._flush()
        self._file.close()
        with self._path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        size = self._path.stat().st_size
        self.shards.append(Shard(self._path.name, self._split, self._rows, self._bases, size, digest))
        self._file, self._rows, self._bases = None, 0, 0

    @property
    def _path(self) -> Path:
        name = f"{self._split}-{self._task:05d}-{len(self.shards):03d}.{self._settings.format}"
        return self._folder / name


def row_cells(passage: Passage, response: str, question: str | None, source: str | None) -> tuple:
    """A row's cells by COLUMNS, without the last; ``parts`` is absent where start and end say it."""
    place = (passage.accession, passage.source_file, passage.start, passage.end, passage.strand)
    return (passage.sequence, question, response, *place, passage.fields.get("parts"), source)


def csv_bytes(cells: tuple, columns: tuple[str, ...]) -> int:
    """Bytes that the row of these cells takes in a CSV of these columns, its line end counted."""
    by_name = dict(zip(COLUMNS, cells, strict=False))
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([by_name[name] for name in columns])
    return len(line.getvalue().encode())


def write_table(path: Path, settings: ShardSettings, columns: list[tuple]) -> None:
    """Write a whole table, cells by ``settings.columns``."""
    kind = _ParquetFile if settings.format == "parquet" else _CsvFile
    file = kind(path, settings.columns)
    file.write(columns)
    file.close()


class _File(Protocol):
    def write(self, columns: list[tuple]) -> None: ...

    def close(self) -> None: ...


class _ParquetFile:
    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._schema = pa.schema(
            [(name, pa.int64() if name in _NUMBERS else pa.string()) for name in columns]
        )
        self._writer = pq.ParquetWriter(
            path,
            self._schema,
            compression="zstd",
            use_dictionary=[name for name in _REPEATING if name in columns],
            write_statistics=list(_NUMBERS),  # of texts they are long and of no use
        )

    def write(self, columns: list[tuple]) -> None:
        arrays = [pa.array(cells, kind) for cells, kind in zip(columns, self._schema.types, strict=True)]
        batch = pa.record_batch(arrays, schema=self._schema)
        self._writer.write_batch(batch, row_group_size=batch.num_rows)

    def close(self) -> None:
        self._writer.close()


class _CsvFile:
    def __init__(self, path: Path, columns: tuple[str, ...]) -> None:
        self._stream = path.open("w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._stream, lineterminator="\n")
        self._writer.writerow(columns)

    def write(self, columns: list[tuple]) -> None:
        self._writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        self._stream.close()
