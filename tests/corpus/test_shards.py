import csv
import hashlib

import pyarrow.parquet as pq
import pytest
from corpus_passages import passage

from omnina.corpus.shards import ShardSettings, SplitWriter
from omnina.errors import UserError
from omnina.tables.table import read_rows

NUMBERS = range(10)


def write(folder, settings, numbers=NUMBERS, question=None, source=None):
    """The shards of ten passages, of 1 to 10 repeats of ACGT."""
    folder.mkdir(exist_ok=True)
    writer = SplitWriter(folder, "train", 7, settings)
    for number in numbers:
        one = passage("ACGT" * (number + 1), start=100 * number, strand="-")
        writer.add(one, f"Gene, no. {number}.", question, source)
    return writer.close()


def rows(folder, shards):
    return [row for shard in shards for _, row in read_rows(folder / shard.file, required=["sequence"])]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("row_group_bytes", [1, 60, 10**6])
def test_rows_come_back_in_order(tmp_path, kind, row_group_bytes):
    shards = write(tmp_path, ShardSettings(format=kind, rows_per_shard=4, row_group_bytes=row_group_bytes))
    assert [(shard.file, shard.rows) for shard in shards] == [
        (f"train-00007-000.{kind}", 4),
        (f"train-00007-001.{kind}", 4),
        (f"train-00007-002.{kind}", 2),
    ]
    found = rows(tmp_path, shards)
    assert [row["sequence"] for row in found] == ["ACGT" * (number + 1) for number in NUMBERS]
    assert found[3] == {
        "sequence": "ACGT" * 4,
        "response": "Gene, no. 3.",
        "accession": "U00096.3",
        "source_file": "u.gb.gz",
        "start": "300",
        "end": "316",
        "strand": "-",
        "parts": "",
    }


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_parts_of_a_joined_place_are_a_column(tmp_path, kind):
    writer = SplitWriter(tmp_path, "train", 0, ShardSettings(format=kind))
    writer.add(passage("ACGT", parts="8-10(-),0-2(-)"), "Gene.", None, None)
    (row,) = rows(tmp_path, writer.close())
    assert row["parts"] == "8-10(-),0-2(-)"


def test_columns_of_questions_and_sources(tmp_path):
    settings = ShardSettings(questions=True, source=True)
    shards = write(tmp_path, settings, question="Which gene?", source="bacteria")
    found = rows(tmp_path, shards)
    assert tuple(found[0]) == settings.columns
    assert settings.columns[:3] == ("sequence", "question", "response")
    assert {(row["question"], row["source"]) for row in found} == {("Which gene?", "bacteria")}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_figures_are_those_of_the_files(tmp_path, kind):
    shards = write(tmp_path, ShardSettings(format=kind, rows_per_shard=4))
    assert sum(shard.bases for shard in shards) == 4 * sum(number + 1 for number in NUMBERS)
    for shard in shards:
        written = (tmp_path / shard.file).read_bytes()
        assert (shard.bytes, shard.sha256) == (len(written), hashlib.sha256(written).hexdigest())


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_same_rows_same_bytes(tmp_path, kind):
    settings = ShardSettings(format=kind, rows_per_shard=4, row_group_bytes=60)
    assert write(tmp_path / "one", settings) == write(tmp_path / "other", settings)


def test_row_groups_are_bounded_in_bytes(tmp_path):
    (shard,) = write(tmp_path, ShardSettings(row_group_bytes=60))
    file = pq.ParquetFile(tmp_path / shard.file)
    # of texts: 16, 20, 24 | 28, 32 | 36, 40 | 44, 48 | 52 ... : a group ends with the row that reaches 60
    sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert sizes == [3, 2, 2, 2, 1]
    assert {file.metadata.row_group(0).column(column).compression for column in range(7)} == {"ZSTD"}
    assert file.schema_arrow.field("start").type == "int64"


def test_texts_of_any_kind_survive(tmp_path):
    texts = ['a "quoted" text', "two\nlines", "a,comma", "β-lactamase", " spaces "]
    for kind in ("parquet", "csv"):
        writer = SplitWriter(tmp_path, "val", 0, ShardSettings(format=kind))
        for written in texts:
            writer.add(passage(), written, None, None)
        assert [row["response"] for row in rows(tmp_path, writer.close())] == texts


def test_csv_is_plain(tmp_path):
    (shard,) = write(tmp_path, ShardSettings(format="csv"))
    text = (tmp_path / shard.file).read_bytes().decode()
    assert text.startswith("sequence,response,accession,source_file,start,end,strand,parts\nACGT,")
    assert "\r" not in text and len(list(csv.reader(text.splitlines()))) == 11


def test_no_rows_no_shard(tmp_path):
    assert write(tmp_path, ShardSettings(), numbers=[]) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"format": "parkett"}, "format: 'parkett' is unknown. Did you mean 'parquet'"),
        ({"rows_per_shard": 0}, "rows_per_shard: 0 is less than 1"),
        ({"row_group_bytes": -1}, "row_group_bytes: -1 is less than 1"),
    ],
)
def test_impossible_settings(settings, message):
    with pytest.raises(UserError, match=message):
        ShardSettings(**settings)


@pytest.mark.parametrize("split", ["", "train-a", "../train"])
def test_splits_that_make_no_file_name(tmp_path, split):
    with pytest.raises(UserError, match="must be letters, digits and underscores"):
        SplitWriter(tmp_path, split, 0, ShardSettings())


def test_question_exactly_where_there_is_a_column(tmp_path):
    for settings, question in [(ShardSettings(), "Which?"), (ShardSettings(questions=True), None)]:
        with pytest.raises(AssertionError):
            write(tmp_path, settings, question=question)


def test_a_section_of_a_configuration():
    section = {"format": "csv", "rows_per_shard": 5}
    read = ShardSettings.from_yaml_section(section, "corpus.yaml: output", questions=True)
    assert read == ShardSettings(questions=True, format="csv", rows_per_shard=5)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            {"rows_per_shards": 5},
            "corpus.yaml: output: unknown key 'rows_per_shards'. Did you mean 'rows_per",
        ),
        ({"rows_per_shard": "5"}, "corpus.yaml: output.rows_per_shard: expected a whole number, not '5'"),
        ({"format": ["csv"]}, "corpus.yaml: output.format: .* is unknown"),
        (5, "corpus.yaml: output: expected lines of the form 'key: value'"),
    ],
)
def test_mistakes_in_a_section_name_their_place(section, message):
    with pytest.raises(UserError, match=message):
        ShardSettings.from_yaml_section(section, "corpus.yaml: output")
