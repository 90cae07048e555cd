"""Tables of text on disk, row by row, each with the line it starts on.

``.csv``, ``.tsv`` (both also ``.gz``) and ``.parquet``; columns are found by header name, in any order.
Lines are decoded one at a time and records parsed strictly, so that whatever is wrong is reported with
its file, line and column before anything trains, and memory stays at one record whatever the file's size.
"""

import difflib
import glob
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from omnina.errors import UserError
from omnina.tables.parquet import is_parquet, read_parquet
from omnina.tables.part import WHOLE, TablePart
from omnina.tables.text import read_text


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
    part: TablePart = WHOLE,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line, row) for each record of a table.

    Args:
        path: a file with a header in its first record.
        required: columns that must be there.
        columns: of a Parquet file, read no others than these; a text table is parsed whole in any case.
        part: which of its records.

    Yields:
        The record's first line (counted from 1, the header included; in Parquet the row, from 1) and its
        cells by column name, as they stand in the file.

    Raises:
        UserError: naming file, line and remedy, for anything that is not a whole, regular table.
    """
    path = Path(path)
    records = read_parquet(path, part, columns) if is_parquet(path) else read_text(path, part)
    rows = 0
    header: list[str] = []
    for line, cells in records:
        if not header:
            header = _checked_header(path, line, cells, required)
            continue
        if len(cells) != len(header):
            raise _uneven(path, line, len(cells), header)
        rows += 1
        yield line, dict(zip(header, cells, strict=True))
    if not header:
        raise UserError(f"{path}: the file is empty; it needs a header line and rows below it.")
    if not rows:
        raise UserError(f"{path}: there is a header ({', '.join(header)}) but no row below it.")


def _uneven(path: Path, line: int, cells: int, header: list[str]) -> UserError:
    return UserError(
        f"{path}:{line}: {cells} cells, but the header names {len(header)} columns "
        f"({', '.join(header)}); quote cells that hold the delimiter or a line break."
    )


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
    if missing and len(columns) == 1 and (other := next((d for d in ";\t," if d in columns[0]), None)):
        raise UserError(
            f"{path}:{line}: the whole header is one cell, with {other!r} in it: write .csv with commas "
            "between the cells, .tsv with tabs."
        )
    if missing:
        raise UserError(
            f"{path}:{line}: no column '{missing[0]}'; the header has: {', '.join(columns)}. "
            f"Rename the column that holds it to '{missing[0]}'."
        )
    return columns
