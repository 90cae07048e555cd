"""Copies of shards on a local disk: never more than the cap, and the batches of a run without them."""

import multiprocessing
import random
from pathlib import Path

import numpy as np
import pytest
from tables import random_dna, write_table

from omnina.chunking import SequenceRules
from omnina.dataset import TokenizedData, load_data
from omnina.files.lock import locked
from omnina.packing import StepPlan, StepSampler
from omnina.shards import plan as shard_plan
from omnina.shards.local_copies import LOCK_FILE, UNFINISHED, LocalCopies
from omnina.shards.writer import ROWS_FILE
from omnina.tables.rows import DataSettings

TOKENIZER = Path(__file__).parents[1] / "data" / "tokenizer" / "tokenizer.json"
SETTINGS = DataSettings(600, False, SequenceRules())


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(shard_plan, "SHARD_BYTES", 20_000)
    monkeypatch.setattr("omnina.shards.token_shards.OPEN_SHARDS", 2)


@pytest.fixture
def table(tmp_path) -> str:
    rows = [{"sequence": random_dna(200 + seed, seed), "response": f"row {seed}"} for seed in range(400)]
    return str(write_table(tmp_path / "rows.csv", rows))


def load(table: str, tmp_path: Path, copies: LocalCopies | None = None) -> TokenizedData:
    options = {"open_file": copies.open} if copies else {}
    return load_data(
        table, TOKENIZER.read_text(encoding="utf-8"), 1, 2, SETTINGS, cache_dir=tmp_path / "cache", **options
    )


def batches(data: TokenizedData, first_step: int, steps: int) -> list[list[list[int]]]:
    options = {"tokens_per_step": 4000, "seed": 3, "data_hash": data.data_hash, "block_rows": 64}
    sampler = StepSampler(StepPlan(data.lengths, **options), 1, 0, 2, first_step)
    rows = [rows for step in range(first_step, first_step + steps) for rows in sampler.micro_batches(step)]
    return [[row["input_ids"].tolist() for row in data.__getitems__(ids)] for ids in rows]


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def largest_shard(data: TokenizedData) -> int:
    return max(path.stat().st_size for path in data.shards.files)


def test_batches_are_those_without_copies_and_the_cap_holds(table, tmp_path):
    plain = load(table, tmp_path)
    cap = 3 * largest_shard(plain)
    copies = LocalCopies(tmp_path / "local", cap)
    data = load(table, tmp_path, copies)
    assert len(data.shards.files) > 6
    for step in range(0, 60, 3):  # more than two epochs
        assert batches(data, step, 3) == batches(plain, step, 3)
        assert 0 < size_of(copies.folder) <= cap


def test_a_run_that_goes_on_elsewhere_reads_the_same_batches(table, tmp_path):
    """Resumed in the middle, on a machine that has no copy yet and room for one only."""
    straight = batches(load(table, tmp_path), 0, 24)
    copies = LocalCopies(tmp_path / "other", largest_shard(load(table, tmp_path)))
    assert batches(load(table, tmp_path, copies), 12, 12) == straight[24:]


def shard(folder: Path, name: str, size: int) -> Path:
    path = folder / name / ROWS_FILE
    path.parent.mkdir()
    path.write_bytes(name[0].encode() * size)
    return path


def read(copies: LocalCopies, path: Path) -> bytes:
    with copies.open(path) as stream:
        return stream.read()


def names(copies: LocalCopies) -> set[str]:
    return {path.stem for path in copies.folder.glob("*.arrow")}


def test_the_copy_used_longest_ago_goes_and_an_open_one_stays(tmp_path):
    a, b, c, d = (shard(tmp_path, name, 40) for name in "abcd")
    copies = LocalCopies(tmp_path / "local", 100)
    for path in (a, b, a):
        read(copies, path)
    assert names(copies) == {"a", "b"}
    with copies.open(a) as held:
        read(copies, c)
        assert names(copies) == {"a", "c"}
        with copies.open(c):  # no room can be made: d is read where it lies
            assert read(copies, d) == b"d" * 40
            assert names(copies) == {"a", "c"}
        assert held.read() == b"a" * 40
    assert read(copies, d) == b"d" * 40
    assert "d" in names(copies)


def test_a_shard_over_the_cap_evicts_nothing(tmp_path):
    small, large = shard(tmp_path, "small", 40), shard(tmp_path, "large", 400)
    copies = LocalCopies(tmp_path / "local", 100)
    read(copies, small)
    assert read(copies, large) == b"l" * 400
    assert names(copies) == {"small"}


def test_what_a_killed_process_left_is_removed(tmp_path):
    copies = LocalCopies(tmp_path / "local", 100)
    copies.folder.mkdir()
    (copies.folder / f"a.arrow{UNFINISHED}").write_bytes(b"half")
    assert read(copies, shard(tmp_path, "a", 40)) == b"a" * 40
    assert not list(copies.folder.glob(f"*{UNFINISHED}"))


def read_many(copies: LocalCopies, paths: list[Path], seed: int) -> bool:
    for path in random.Random(seed).choices(paths, k=200):
        if read(copies, path) != path.parent.name[0].encode() * 1000:
            return False
        with locked(copies.folder / LOCK_FILE):
            if size_of(copies.folder) > copies.cap_bytes:
                return False
    return True


def test_processes_of_a_machine_share_the_copies(tmp_path):
    paths = [shard(tmp_path, name, 1000) for name in "abcde"]
    copies = LocalCopies(tmp_path / "local", 2500)
    copies.folder.mkdir()
    with multiprocessing.get_context("fork").Pool(3) as pool:
        assert all(pool.starmap(read_many, [(copies, paths, seed) for seed in range(3)]))


def test_rows_outlive_their_shard(table, tmp_path):
    data = load(table, tmp_path)
    first = data[0]["input_ids"]
    before = first.copy()
    for index in range(len(data)):
        data[index]
    assert np.array_equal(first, before)
