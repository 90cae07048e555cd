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
from pathlib import Path
from typing import BinaryIO

import pyarrow
import pyarrow.parquet

from omnina.errors import UserError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUPPORTED = ".csv, .tsv, .csv.gz, .tsv.gz or .parquet"
BATCH_BYTES = 8 * 2**20  # of Parquet cells that are held at a time, on average over a row group
BATCH_ROWS = 1024
UTF8_BOM = b"\xef\xbb\xbf"


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
    path: Path,
    required: Iterable[str] = (),
    columns: Iterable[str] | None = None,
    row_group: int | None = None,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, row) for each record of a table.

    Args:
        path: a file with a header in its first record.
        required: columns that must be there.
        columns: of a Parquet file, read no others than these; a text table is parsed whole in any case.
        row_group: of a Parquet file, read this one only.

    Yields:
        The record's first line (counted from 1, the header included; in Parquet the row, from 1) and its
        cells by column name, as they stand in the file.

    Raises:
        UserError: naming file, line and remedy, for anything that is not a whole, regular table.
    """
    path = Path(path)
    is_parquet = path.suffix == ".parquet"
    records = _parquet_records(path, columns, row_group) if is_parquet else _text_records(path)
    rows = 0
    header: list[str] = []
    for line, cells in records:
        if not header:
            header = _checked_header(path, line, cells, required)
            continue
        if len(cells) != len(header):
            raise UserError(
                f"{path}:{line}: {len(cells)} cells, but the header names {len(header)} columns "
                f"({', '.join(header)}); quote cells that hold the delimiter or a line break."
            )
        rows += 1
        yield line, dict(zip(header, cells, strict=True))
    if not header:
        raise UserError(f"{path}: the file is empty; it needs a header line and rows below it.")
    if not rows:
        raise UserError(f"{path}: there is a header ({', '.join(header)}) but no row below it.")


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


def _text_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    suffix = Path(path.stem).suffix if path.suffix == ".gz" else path.suffix
    if suffix not in DELIMITERS:
        raise UserError(f"{path}: unknown kind of table; supported are {SUPPORTED}.")
    csv.field_size_limit(sys.maxsize)  # the default, 131,072 characters, is shorter than many a gene
    with _opened(path) as stream:
        reader = csv.reader(_decoded_lines(path, stream), delimiter=DELIMITERS[suffix], strict=True)
        while True:
            first_line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise UserError(
                    f"{path}:{first_line}: this record cannot be parsed ({error}; read on to line "
                    f"{reader.line_num}). Look for a quote that is opened and not closed; "
                    'a quote inside a quoted cell is written twice ("").'
                ) from error
            if cells:  # a blank line holds no record
                yield first_line, cells


def _opened(path: Path) -> BinaryIO:
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")


def _decoded_lines(path: Path, stream: BinaryIO) -> Iterator[str]:
    number = 0
    try:
        for number, line in enumerate(stream, 1):
            yield (line.removeprefix(UTF8_BOM) if number == 1 else line).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}:{number}:{error.start + 1}: byte 0x{error.object[error.start]:02x} is not UTF-8; "
            "save the table as UTF-8 (for example: iconv -f latin1 -t utf-8)."
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(
            f"{path}:{number + 1}: not a whole gzip file ({error}); make or fetch it again."
        ) from error


def row_groups(path: Path, columns: Iterable[str]) -> list[tuple[int, int]]:
    """(rows, uncompressed bytes of these columns) of each row group of a Parquet file, from its footer.

    Raises UserError if it is no Parquet file, or has none of the columns.
    """
    with _opened_parquet(path) as table:
        present = _present(path, table, columns)
        groups = (table.metadata.row_group(group) for group in range(table.num_row_groups))
        return [(group.num_rows, _column_bytes(group, present)) for group in groups]


def _column_bytes(group: pyarrow.parquet.RowGroupMetaData, names: list[str]) -> int:
    columns = (group.column(place) for place in range(group.num_columns))
    return sum(column.total_uncompressed_size for column in columns if column.path_in_schema in names)


def _opened_parquet(path: Path) -> pyarrow.parquet.ParquetFile:
    try:
        return pyarrow.parquet.ParquetFile(path)
    except pyarrow.ArrowInvalid as error:
        raise UserError(f"{path}: not a Parquet file ({error}); make or fetch it again.") from error


def _present(path: Path, table: pyarrow.parquet.ParquetFile, columns: Iterable[str]) -> list[str]:
    wanted, there = list(columns), table.schema_arrow.names
    present = [name for name in there if name in wanted]
    if not present:
        raise UserError(f"{path}: no column {' or '.join(map(repr, wanted))}; it has: {', '.join(there)}.")
    return present


def _parquet_records(
    path: Path, wanted: Iterable[str] | None, row_group: int | None
) -> Iterator[tuple[int, list[str]]]:
    with _opened_parquet(path) as table:
        columns = table.schema_arrow.names if wanted is None else _present(path, table, wanted)
        yield 0, columns
        groups = range(table.num_row_groups) if row_group is None else [row_group]
        row = sum(table.metadata.row_group(group).num_rows for group in range(groups[0])) if groups else 0
        for batch in table.iter_batches(
            batch_size=_rows_of(BATCH_BYTES, table), row_groups=groups, columns=columns
        ):
            for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                row += 1
                yield row, ["" if value is None else str(value) for value in values]


def _rows_of(size: int, table: pyarrow.parquet.ParquetFile) -> int:
    """Rows of about so many bytes, uncompressed, where they are longest; BATCH_ROWS at most."""
    groups = [table.metadata.row_group(number) for number in range(table.num_row_groups)]
    longest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=0)
    return max(1, min(BATCH_ROWS, int(size / max(1, longest))))
