import gzip
import tracemalloc

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omnina.errors import UserError
from omnina.tables.table import expand_paths, read_rows

ROWS = [(2, {"sequence": "ACGT", "response": "a gene"}), (3, {"sequence": "GG", "response": "b, c"})]
TEXT = 'sequence,response\nACGT,a gene\nGG,"b, c"\n'


def table(tmp_path, content: str | bytes, name: str = "rows.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows(path, required=("sequence", "response")):
    return list(read_rows(path, required))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.csv", TEXT),
        ("windows.csv", TEXT.replace("\n", "\r\n")),
        ("bom.csv", b"\xef\xbb\xbf" + TEXT.encode()),
        ("packed.csv.gz", gzip.compress(TEXT.encode(), mtime=0)),
        ("tabs.tsv", "sequence\tresponse\nACGT\ta gene\nGG\tb, c\n"),
        ("no_last_line_end.csv", TEXT.rstrip("\n")),
        ("blank_line.csv", TEXT + "\n"),
    ],
)
def test_every_dialect_gives_the_same_rows(tmp_path, name, content):
    assert rows(table(tmp_path, content, name)) == ROWS


def test_long_parquet_rows_are_held_a_few_at_a_time(tmp_path):
    path = tmp_path / "rows.parquet"
    cells = [f"{number:04d}" + "A" * 200_000 for number in range(300)]  # 60 MB
    pq.write_table(pa.table({"sequence": cells}), path, use_dictionary=False)
    del cells
    tracemalloc.start()
    try:
        assert [line for line, _ in read_rows(path)] == list(range(1, 301))
        assert tracemalloc.get_traced_memory()[1] < 20e6
    finally:
        tracemalloc.stop()


def test_parquet_gives_the_same_cells(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"sequence": ["ACGT", "GG"], "response": ["a gene", None]}), path)
    assert [cells for _, cells in rows(path)] == [
        {"sequence": "ACGT", "response": "a gene"},
        {"sequence": "GG", "response": ""},
    ]


def test_columns_are_found_by_name_and_lines_by_their_start(tmp_path):
    path = table(tmp_path, 'note,response,sequence\nx,"two\nlines",AC\ny,b,GT\n')
    assert [(line, cells["sequence"]) for line, cells in rows(path)] == [(2, "AC"), (4, "GT")]


def test_a_field_of_a_megabyte_is_read(tmp_path):
    path = table(tmp_path, f"sequence,response\n{'ACGT' * 250_000},long\n")
    [(_, cells)] = rows(path)
    assert len(cells["sequence"]) == 1_000_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("sequence,response\n", "no row below it"),
        ("sequence,answer\nA,b\n", r"rows.csv:1: no column 'response'; the header has: sequence, answer"),
        ("sequence,response,sequence\nA,b,c\n", "names 'sequence' 2 times"),
        (b"sequence,response\nA,b\nA,caf\xe9\n", r"rows.csv:3:6: byte 0xe9 is not UTF-8"),
        ('sequence,response\nA,b\nA,"open\nC,d\n', r"rows.csv:3: this record cannot be parsed"),
        ('sequence,response\nA,"b"c\n', r"rows.csv:2: this record cannot be parsed"),
        ("sequence,response\nA,b,c\n", r"rows.csv:2: 3 cells, but the header names 2 columns"),
        ("sequence,response\nA\n", r"rows.csv:2: 1 cells"),
    ],
)
def test_broken_tables_are_named_with_file_and_line(tmp_path, content, message):
    with pytest.raises(UserError, match=message):
        rows(table(tmp_path, content))


def test_broken_packings_are_named(tmp_path):
    with pytest.raises(UserError, match="not a whole gzip file"):
        rows(table(tmp_path, gzip.compress(TEXT.encode() * 100)[:-20], "cut.csv.gz"))
    with pytest.raises(UserError, match="not a whole gzip file"):
        rows(table(tmp_path, TEXT, "plain.csv.gz"))
    with pytest.raises(UserError, match="not a whole Parquet file"):
        rows(table(tmp_path, TEXT, "plain.parquet"))
    with pytest.raises(UserError, match="unknown kind of table"):
        rows(table(tmp_path, TEXT, "rows.xlsx"))


def test_paths_and_globs(tmp_path):
    for name in ("b.csv", "a.csv", "c.tsv"):
        table(tmp_path, TEXT, name)
    found = expand_paths([str(tmp_path / "c.tsv"), str(tmp_path / "*.csv")])
    assert [path.name for path in found] == ["c.tsv", "a.csv", "b.csv"]
    with pytest.raises(UserError, match=r"Did you mean .*a\.csv"):
        expand_paths(str(tmp_path / "aa.csv"))
    with pytest.raises(UserError, match="no file matches"):
        expand_paths(str(tmp_path / "*.gz"))
    with pytest.raises(UserError, match="is a folder"):
        expand_paths(tmp_path)


@pytest.mark.parametrize(("name", "header"), [("a.csv", "sequence;response"), ("a.tsv", "sequence,response")])
def test_a_table_with_other_delimiters_says_so(tmp_path, name, header):
    (tmp_path / name).write_text(f"{header}\nA;b\n")
    with pytest.raises(UserError, match=r"the whole header is one cell, .*\.csv with commas"):
        list(read_rows(tmp_path / name, required=["sequence"]))


def test_suffixes_in_capitals(tmp_path):
    (tmp_path / "A.CSV").write_text("sequence\nACGT\n")
    assert list(read_rows(tmp_path / "A.CSV")) == [(2, {"sequence": "ACGT"})]
