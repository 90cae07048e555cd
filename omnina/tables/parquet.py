"""Tables as Parquet files: row groups, cells as text, a bounded number of bytes in memory."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow
import pyarrow.parquet

from omnina.errors import UserError
from omnina.tables.part import TablePart

BATCH_BYTES = 8 * 2**20  # of cells that are held at a time, on average over a row group
BATCH_ROWS = 1024
# What pyarrow raises at a damaged file; a lack of memory is none.
DAMAGED = (pyarrow.ArrowInvalid, pyarrow.ArrowNotImplementedError, OSError, UnicodeDecodeError)


def is_parquet(path: Path) -> bool:
    """Whether a table's parts are counted in row groups."""
    return path.suffix.lower() == ".parquet"


def row_groups(path: Path, columns: Iterable[str]) -> list[tuple[int, int]]:
    """(rows, uncompressed bytes of these columns) of each row group of a Parquet file, from its footer.

    Raises UserError if it is no Parquet file, or has none of the columns.
    """
    with open_parquet(path) as table:
        present = _present(path, table, columns)
        groups = (table.metadata.row_group(group) for group in range(table.num_row_groups))
        return [(group.num_rows, _column_bytes(group, present)) for group in groups]


def _column_bytes(group: pyarrow.parquet.RowGroupMetaData, names: list[str]) -> int:
    columns = (group.column(place) for place in range(group.num_columns))
    return sum(column.total_uncompressed_size for column in columns if column.path_in_schema in names)


@contextmanager
def open_parquet(path: Path) -> Iterator[pyarrow.parquet.ParquetFile]:
    """Raises UserError for a file of another kind, and for damage that is met while it is open."""
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            yield table
    except DAMAGED as error:
        raise UserError(f"{path}: not a whole Parquet file ({error}); make or fetch it again.") from error


def _present(path: Path, table: pyarrow.parquet.ParquetFile, columns: Iterable[str]) -> list[str]:
    wanted, there = list(columns), table.schema_arrow.names
    present = [name for name in there if name in wanted]
    if not present:
        raise UserError(f"{path}: no column {' or '.join(map(repr, wanted))}; it has: {', '.join(there)}.")
    return present


def read_parquet(
    path: Path, part: TablePart, wanted: Iterable[str] | None
) -> Iterator[tuple[int, list[str]]]:
    """(row, cells) of the header, as row 0, and of each record of a part; ``wanted`` columns, or all."""
    with open_parquet(path) as table:
        columns = table.schema_arrow.names if wanted is None else _present(path, table, wanted)
        yield 0, columns
        groups = list(range(part.start, table.num_row_groups if part.stop is None else part.stop))
        row = sum(table.metadata.row_group(group).num_rows for group in range(part.start))
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
