"""Tokenised tables as shards: the same bytes whoever makes them, when, and after whatever kill."""

import csv
import gzip
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omnina.chunking import SequenceRules
from omnina.dataset import SHARD_FOLDER, TokenizedData, load_data
from omnina.errors import UserError
from omnina.shards import plan as shard_plan
from omnina.shards.plan import table_parts
from omnina.tables.rows import DataSettings
from omnina.tables.table import read_rows
from omnina.tokenizer import BOS_ID, EOS_ID

TOKENIZER = Path(__file__).parents[1] / "data" / "tokenizer" / "tokenizer.json"
DEFINITION = TOKENIZER.read_text(encoding="utf-8")
SETTINGS = DataSettings(600, False, SequenceRules(window=400), "skip", source_column="kind")
COLUMNS = ("sequence", "response", "kind")
SHARD_BYTES = 20_000


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shard_plan, "SHARD_BYTES", SHARD_BYTES)


def made_rows(count: int, seed: int) -> list[tuple[str, str, str]]:
    """Rows of which some are cut into windows, filtered or bad; answers hold quotes and line breaks."""
    generator = random.Random(seed)
    rows = []
    for place in range(count):
        bases = "".join(generator.choices("ACGT", k=generator.randint(150, 900)))
        bases += generator.choice(["", "", "", "Z"])
        rows.append((bases, f'row "{place}",\nof {seed}', generator.choice("abc") + str(seed)))
    return rows


@pytest.fixture
def tables(tmp_path) -> list[str]:
    """Big and small ones of every kind."""
    paths = [
        tmp_path / name for name in ("big.csv", "groups.parquet", "tiny.csv", "packed.csv.gz", "end.tsv")
    ]
    openers = (open, None, open, gzip.open, open)
    for seed, (path, opener) in enumerate(zip(paths, openers, strict=True)):
        rows = made_rows(2 if path.stem == "tiny" else 120, seed)
        if opener is None:
            table = pa.table(
                {name: list(cells) for name, cells in zip(COLUMNS, zip(*rows, strict=True), strict=True)}
            )
            pq.write_table(table, path, row_group_size=17)
            continue
        with opener(path, "wt", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows([COLUMNS, *rows])
    return [str(path) for path in paths]


def load(tables: list[str], cache: Path, workers: int = 1) -> TokenizedData:
    return load_data(tables, DEFINITION, BOS_ID, EOS_ID, SETTINGS, cache_dir=cache, workers=workers)


def contents(cache: Path) -> dict[str, bytes]:
    """Every file that tokenising leaves."""
    left = [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {str(path.relative_to(cache)): path.read_bytes() for path in left if path.name != "digests.json"}


def rows_of(data: TokenizedData) -> list[dict]:
    rows = (data[index] for index in range(len(data)))
    return [{name: np.asarray(value).tolist() for name, value in row.items()} for row in rows]


def test_any_number_of_workers_gives_the_same_files(tables, tmp_path):
    load(tables, tmp_path / "one")
    load(tables, tmp_path / "three", workers=3)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")


def test_where_shards_are_cut_changes_no_document_and_no_count(tables, tmp_path, monkeypatch):
    cut = load(tables, tmp_path / "cut")
    monkeypatch.setattr(shard_plan, "SHARD_BYTES", 10**9)
    whole = load(tables, tmp_path / "whole")
    assert len(cut.documents_by_shard) > 8
    assert len(whole.documents_by_shard) == 1
    assert rows_of(cut) == rows_of(whole)
    for name in ("counts", "sources", "documents_by_file", "answers", "data_hash"):
        assert getattr(cut, name) == getattr(whole, name), name
    for name in ("lengths.npy", "bases.npy", "source_ids.npy", "rejected_rows.csv"):
        assert (cut.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    assert cut.lengths.tolist() == [len(row["input_ids"]) for row in rows_of(cut)]
    assert cut.counts.rejected


DYING = """
import os, signal, sys
from pathlib import Path
from omnina.shards import building as shard_building
from omnina.shards import plan as shard_plan
sys.path.insert(0, {tests!r})
from test_shards import SHARD_BYTES, load
shard_plan.SHARD_BYTES = SHARD_BYTES
finish, done = shard_building.ShardWriter.finish, []
def dying(writer):
    done.append(writer)
    if len(done) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    finish(writer)
shard_building.ShardWriter.finish = dying
load({tables!r}, Path({cache!r}))
"""


def test_a_killed_build_goes_on_with_the_missing_shards_and_ends_in_the_same_bytes(tables, tmp_path):
    cache = tmp_path / "killed"
    program = DYING.format(tests=str(Path(__file__).parent), tables=tables, cache=str(cache))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    kept = {path: path.stat().st_ino for path in (cache / SHARD_FOLDER).glob("*/record.json")}
    assert len(kept) == 3
    assert list(cache.rglob("*.unfinished"))
    load(tables, cache)
    assert all(path.stat().st_ino == number for path, number in kept.items())
    load(tables, tmp_path / "straight")
    assert contents(cache) == contents(tmp_path / "straight")


def test_machines_on_one_folder_share_the_work(tables, tmp_path):
    """Two processes under two machine names build at once; every shard is written once."""
    program = (
        "import sys, platform; from pathlib import Path;"
        "from omnina.shards import building as shard_building, plan as shard_plan;"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_shards as t;"
        "shard_plan.SHARD_BYTES = t.SHARD_BYTES; platform.node = lambda: sys.argv[1];"
        "write = shard_building.ShardBuilder._write;"
        "shard_building.ShardBuilder._write = lambda b, s: (print('wrote', s.name), write(b, s));"
        f"data = t.load({tables!r}, Path(sys.argv[2])); print('all', *data.documents_by_shard)"
    )
    cache = str(tmp_path / "shared")
    commands = [[sys.executable, "-c", program, name, cache] for name in ("node1", "node2")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for command in commands]
    lines = [line for process in running for line in process.communicate()[0].splitlines()]
    assert [process.returncode for process in running] == [0, 0]
    written = [line.split()[1] for line in lines if line.startswith("wrote")]
    everything = [line.split()[1:] for line in lines if line.startswith("all")]
    assert sorted(written) == sorted(everything[0]) == sorted(everything[1])


def test_a_table_more_makes_only_its_own_shards(tables, tmp_path):
    first = load([tables[0], tables[4]], tmp_path / "cache")
    more = load([tables[0], tables[1], tables[4]], tmp_path / "cache")
    common = set(first.documents_by_shard) & set(more.documents_by_shard)
    assert len(common) >= len(first.documents_by_shard) - 2  # where two tables meet in a shard
    made = [path for path in (tmp_path / "cache" / SHARD_FOLDER).iterdir() if path.is_dir()]
    assert {path.name for path in made} == set(first.documents_by_shard) | set(more.documents_by_shard)


def test_the_first_bad_row_stops_the_run_whatever_the_workers(tables, tmp_path):
    strict = DataSettings(600, False, SequenceRules(window=400), source_column="kind")
    messages = set()
    for workers in (1, 3):
        with pytest.raises(UserError, match=r"big.csv:\d+: the sequence has 'Z'") as stopped:
            load_data(tables, DEFINITION, 1, 2, strict, cache_dir=tmp_path / str(workers), workers=workers)
        messages.add(str(stopped.value))
        assert not list(tmp_path.rglob("*.unfinished"))
    assert len(messages) == 1


cells = st.text(st.sampled_from('aé",\n '), max_size=6)


@settings(deadline=None, max_examples=100)
@given(rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=30), size=st.integers(1, 60))
def test_parts_of_a_text_hold_every_record_once_with_its_line(tmp_path_factory, rows, size):
    path = tmp_path_factory.mktemp("parts") / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("sequence", "response"), *rows])
    parts = [part for part, _ in table_parts(path, size)]
    assert [row for part in parts for row in read_rows(path, part=part)] == list(read_rows(path))


def test_parts_weigh_what_the_table_does(tables):
    for table in map(Path, tables):
        weights = [weight for _, weight in table_parts(table, SHARD_BYTES)]
        assert all(weight > 0 for weight in weights)
        if table.suffix != ".parquet":
            assert sum(weights) == table.stat().st_size
