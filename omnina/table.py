"""Tables of text on disk, row by row, each with the line it starts on.

``.csv``, ``.tsv`` (both also ``.gz``) and ``.parquet``; columns are found by header name, in any order.
Lines are decoded one at a time and records parsed strictly, so that whatever is wrong is reported with
its file, line and column before anything trains, and memory stays at one record whatever the file's size.
"""

import csv
import difflib
import glob
import gzip
import sys
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow
import pyarrow.parquet

from omnina.errors import UserError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUPPORTED = ".csv, .tsv, .csv.gz, .tsv.gz or .parquet"
UTF8_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class TablePart:
    """A run of a table's records.

    Args:
        start, stop: bytes of a text file, at the start of a record; row groups of a Parquet file. A ``stop``
            of None is the end.
        lines_before: lines (Parquet: rows) before ``start``.
    """

    start: int = 0
    stop: int | None = None
    lines_before: int = 0


WHOLE = TablePart()


def expand_paths(inputs: str | Path | Iterable[str | Path]) -> list[Path]:
    """Files named by one path, several, or globs (sorted), in the order given.

    Raises UserError for a path or glob that names no file, and for a file named twice.
    """
    inputs = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    paths = [path for entry in inputs for path in _files_of(str(entry))]
    for path, times in Counter(path.resolve() for path in paths).items():
        if times > 1:
            raise UserError(f"{path}: this file is named {times} times; its rows would count {times} times.")
    return paths


def read_rows(
    path: Path, required: Iterable[str] = (), part: TablePart = WHOLE
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, row) for each record of a table.

    Args:
        path: a file with a header in its first record.
        required: columns that must be there.
        part: which of its records.

    Yields:
        The record's first line (counted from 1, the header included; in Parquet the row, from 1) and its
        cells by column name, as they stand in the file.

    Raises:
        UserError: naming file, line and remedy, for anything that is not a whole, regular table.
    """
    path = Path(path)
    records = _parquet_records(path, part) if is_parquet(path) else _text_records(path, part)
    rows = 0
    columns: list[str] = []
    for line, cells in records:
        if not columns:
            columns = _checked_header(path, line, cells, required)
            continue
        if len(cells) != len(columns):
            raise UserError(
                f"{path}:{line}: {len(cells)} cells, but the header names {len(columns)} columns "
                f"({', '.join(columns)}); quote cells that hold the delimiter or a line break."
            )
        rows += 1
        yield line, dict(zip(columns, cells, strict=True))
    if not columns:
        raise UserError(f"{path}: the file is empty; it needs a header line and rows below it.")
    if not rows:
        raise UserError(f"{path}: there is a header ({', '.join(columns)}) but no row below it.")


def _files_of(entry: str) -> list[Path]:
    if glob.has_magic(entry) and not Path(entry).exists():
        found = sorted(Path(match) for match in glob.iglob(entry, recursive=True))  # noqa: PTH207 (Path.glob has no absolute patterns)
        if not found:
            raise UserError(f"{entry}: no file matches this pattern.")
        return found
    path = Path(entry)
    if path.is_dir():
        raise UserError(f"{entry}: this is a folder; name its files, for example {path}/*.csv")
    if not path.is_file():
        raise UserError(f"{entry}: there is no such file.{_nearest_file(path)}")
    return [path]


def _nearest_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f" The folder {path.parent} does not exist either."
    close = difflib.get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1)
    return f" Did you mean {path.parent / close[0]}?" if close else ""


def _checked_header(path: Path, line: int, cells: list[str], required: Iterable[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise UserError(
            f"{path}:{line}: the header names '{repeated[0]}' {columns.count(repeated[0])} times; "
            "rename or remove all but one of these columns."
        )
    missing = [name for name in required if name not in columns]
    if missing:
        raise UserError(
            f"{path}:{line}: no column '{missing[0]}'; the header has: {', '.join(columns)}. "
            f"Rename the column that holds it to '{missing[0]}'."
        )
    return columns


def is_parquet(path: Path) -> bool:
    """Whether a table's parts are counted in row groups."""
    return path.suffix == ".parquet"


def text_records(
    path: Path, stream: BinaryIO, byte: int = 0, line: int = 0
) -> Iterator[tuple[int, int, list[str]]]:
    """(first byte, first line, cells) of each record of an open text, which stands at ``byte``.

    ``line`` is the number of lines before it. Raises UserError for what cannot be parsed or decoded.
    """
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix not in DELIMITERS:
        raise UserError(f"{path}: unknown kind of table; supported are {SUPPORTED}.")
    csv.field_size_limit(sys.maxsize)  # the default, 131,072 characters, is shorter than many a gene
    lines = _Lines(path, stream, byte, line)
    reader = csv.reader(lines, delimiter=DELIMITERS[suffix], strict=True)
    while True:
        first_byte, first_line = lines.byte, lines.number + 1  # the reader takes no line ahead of its record
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{path}:{first_line}: this record cannot be parsed ({error}; read on to line "
                f"{lines.number}). Look for a quote that is opened and not closed; "
                'a quote inside a quoted cell is written twice ("").'
            ) from error
        if cells:  # a blank line holds no record
            yield first_byte, first_line, cells


def open_text(path: Path) -> BinaryIO:
    """The bytes of a text, unpacked."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def open_parquet(path: Path) -> pyarrow.parquet.ParquetFile:
    """Raises UserError for a file of another kind."""
    try:
        return pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{path}: not a Parquet file ({error}); make or fetch it again.") from error


class _Lines:
    """Decoded lines, and where the next one stands."""

    def __init__(self, path: Path, stream: BinaryIO, byte: int, number: int) -> None:
        self.path, self.byte, self.number = path, byte, number
        self._stream = iter(stream)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        try:
            line = next(self._stream)
            self.number += 1
            self.byte += len(line)
            return (line.removeprefix(UTF8_BOM) if self.number == 1 else line).decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self.path}:{self.number}:{error.start + 1}: byte 0x{error.object[error.start]:02x} is not "
                "UTF-8; save the table as UTF-8 (for example: iconv -f latin1 -t utf-8)."
            ) from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(
                f"{self.path}:{self.number + 1}: not a whole gzip file ({error}); make or fetch it again."
            ) from error


def _text_records(path: Path, part: TablePart) -> Iterator[tuple[int, list[str]]]:
    with open_text(path) as stream:
        records = text_records(path, stream)
        for _, line, header in records:
            yield line, header
            break
        if part.start:
            stream.seek(part.start)
            records = text_records(path, stream, part.start, part.lines_before)
        for byte, line, cells in records:
            if part.stop is not None and byte >= part.stop:
                return
            yield line, cells


def _parquet_records(path: Path, part: TablePart) -> Iterator[tuple[int, list[str]]]:
    with open_parquet(path) as table:
        columns = table.schema_arrow.names
        yield 0, columns
        row = part.lines_before
        groups = list(range(part.start, table.num_row_groups if part.stop is None else part.stop))
        for batch in table.iter_batches(batch_size=1024, row_groups=groups):
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                row += 1
                yield row, ["" if value is None else str(value) for value in values]
