"""Tables of any bytes: rows or a UserError, and whatever is read in parts is what is read whole."""

import gzip
import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from broken_bytes import files
from fuzzing import few_and_many, fuzz

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.shards.plan import table_parts
from omnina.tables.part import WHOLE
from omnina.tables.table import read_rows

CSV = (
    "sequence,question,response\n"
    'ACGTNNRY,"What, is it?","a ""gene"" of\r\ntwo lines"\n'
    "guide:ACGU target:TTGC,Which?,é\n"
    "\n"
    "acgt,,x\r\n"
).encode()


def parquet() -> bytes:
    table = pa.table({"sequence": ["ACGT", None, "TT"], "response": ["a", "b", "c"], "n": [1, 2, 3]})
    stream = io.BytesIO()
    pq.write_table(table, stream, row_group_size=2)
    return stream.getvalue()


def read_whole_and_in_parts(path: Path) -> None:
    whole = list(read_rows(path, ["sequence"]))
    parts = [part for part, _ in table_parts(path, 16)]
    assert [row for part in parts for row in _rows_of(path, part)] == whole
    for _, row in whole:
        try:
            parse_cell(row["sequence"])
        except ValueError as error:
            assert str(error)


def _rows_of(path, part):
    """A part may be empty: then it is told as an empty table."""
    try:
        return list(read_rows(path, ["sequence"], part=part))
    except UserError as error:
        assert "no row below it" in str(error)
        return []


@pytest.mark.parametrize("name, delimiter", [("t.csv", b","), ("t.tsv", b"\t")])
@few_and_many(30, 1250)
def test_text_tables(examples, name, delimiter, tmp_path):
    path, valid = tmp_path / name, CSV.replace(b",", delimiter)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        read_whole_and_in_parts(path)

    fuzz(examples, valid, files(valid, (b"sequence", b"guide:", b"ACGT", b'","')), read)


@few_and_many(20, 600)
def test_text_that_is_packed(examples, tmp_path):
    path = tmp_path / "t.csv.gz"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        read_whole_and_in_parts(path)

    packed = gzip.compress(CSV, mtime=0)
    fuzz(examples, packed, files(packed, (gzip.compress(b"A\n", mtime=0),)), read)


@few_and_many(20, 800)
def test_parquet(examples, tmp_path):
    """A damaged count of rows or bytes shows in one way of reading and not in the other: no law of both."""
    path = tmp_path / "t.parquet"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for part in (WHOLE, *(part for part, _ in table_parts(path, 16))):
            for _ in read_rows(path, ["sequence"], part=part):
                pass

    fuzz(examples, parquet(), files(parquet(), (b"PAR1",)), read)
