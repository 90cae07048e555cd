"""The baseline's sample: everything while tables are small, a seeded and bounded part of large ones."""

import csv
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omnina import markov_baseline
from omnina.markov import markov_bits_per_base
from omnina.markov_baseline import markov_baselines, sampled
from omnina.tables.rows import DataSettings

SETTINGS = DataSettings(600, False, None, source_column="kind")
ROWS = [
    ("".join(random.Random(place).choices("ACGT", k=400)), "a gene", "ab"[place % 2]) for place in range(60)
]


@pytest.fixture
def tables(tmp_path) -> dict[str, str]:
    """The same rows as text, and as Parquet in row groups of three."""
    names = ("sequence", "response", "kind")
    paths = {"text": str(tmp_path / "rows.csv"), "groups": str(tmp_path / "rows.parquet")}
    with (tmp_path / "rows.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([names, *ROWS])
    table = pa.table(dict(zip(names, map(list, zip(*ROWS, strict=True)), strict=True)))
    pq.write_table(table, paths["groups"], row_group_size=3)
    return paths


def bases(sample) -> list[str]:
    return sorted(one for sequences in sample.sequences.values() for one in sequences)


def test_small_tables_are_read_to_the_end_and_nothing_is_said_of_a_sample(tables):
    everything = {kind: [row[0] for row in ROWS if row[2] == kind] for kind in "ab"}
    for path in tables.values():
        assert sampled([path], SETTINGS, 0).sequences == everything
    found, cut = markov_baselines([tables["text"]], [tables["groups"]], SETTINGS, 0)
    assert cut == {}
    assert found["a"]["order_5"] == markov_bits_per_base(everything["a"], everything["a"])[5]


def test_of_a_large_table_row_groups_are_drawn_by_the_seed(tables, monkeypatch):
    monkeypatch.setattr(markov_baseline, "READ_BYTES", 6_000)
    drawn = [sampled([tables["groups"]], SETTINGS, seed) for seed in (0, 0, 1)]
    assert bases(drawn[0]) == bases(drawn[1]) != bases(drawn[2])
    for sample in drawn:
        assert not sample.whole
        assert 3_000 <= sample.bases_read == sum(map(len, bases(sample))) < 6_000 + 3 * 400
        groups = {ROWS.index(row) // 3 for row in ROWS if row[0] in bases(sample)}
        assert len(bases(sample)) == 3 * len(groups)
        assert sample.table_bytes > 60 * 400
    _, cut = markov_baselines([tables["groups"]], [tables["groups"]], SETTINGS, 7)
    assert cut["train"] == cut["validation"]
    assert cut["train"]["seed"] == 7


def test_of_a_large_text_the_rest_is_not_read(tables, monkeypatch):
    monkeypatch.setattr(markov_baseline, "READ_BYTES", 6_000)
    with Path(tables["text"]).open("a") as stream:
        stream.write("not,enough\n")  # an error if it were read
    sample = sampled([tables["text"]], SETTINGS, 0)
    assert (sample.whole, sample.bases_read) == (False, 6_000)


def test_of_a_source_no_more_is_used_than_is_needed(tables, monkeypatch):
    monkeypatch.setattr(markov_baseline, "SOURCE_BASES", 1_000)
    sample = sampled([tables["text"]], SETTINGS, 0)
    assert sample.whole
    assert {source: len(found) for source, found in sample.sequences.items()} == {"a": 3, "b": 3}


def test_without_a_column_of_sources_all_rows_are_one(tables):
    settings = DataSettings(600, False, None)
    found, _ = markov_baselines([tables["text"]], [tables["groups"]], settings, 0)
    every = [row[0] for row in ROWS]
    assert set(found) == {"all rows"}
    assert found["all rows"]["order_5"] == markov_bits_per_base(every, every)[5]
