"""A cleaned cache: the longest unused goes first, what a run uses stays, and what stays is whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from omnina import dataset
from omnina.cache_cleaning import clean_cache
from omnina.dataset import CACHE_LOCK, USE_SUFFIX, load_data
from omnina.errors import UserError
from omnina.files.lock import shared
from omnina.shards import plan as shard_plan
from omnina.tables.rows import DataSettings
from omnina.tokenizer import BOS_ID, EOS_ID

ROOT = Path(__file__).parents[1]
TOKENIZER = ROOT / "data" / "tokenizer" / "tokenizer.json"
DEFINITION = TOKENIZER.read_text(encoding="utf-8")
SETTINGS = DataSettings(600, False, None)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Loads sets of tables, of some shards each, into one cache, used one after another and then no more."""
    monkeypatch.setattr(shard_plan, "SHARD_BYTES", 100)
    monkeypatch.setattr(dataset, "_in_use", {})
    for name in "abc":
        (tmp_path / f"{name}.csv").write_text("sequence,response\n" + f"{'ACGT' * 50},gene {name}\n" * 5)

    def load(names: str, used: int = 0) -> str:
        inputs = [str(tmp_path / f"{name}.csv") for name in names]
        folder = load_data(inputs, DEFINITION, BOS_ID, EOS_ID, SETTINGS, cache_dir=tmp_path / "cache").folder
        lock = folder.with_name(folder.name + USE_SUFFIX)
        os.utime(lock, (used, used))
        dataset._in_use.pop(lock).close()  # as if that run had ended
        return folder.name

    return load


def sets(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/contents.json")}


def test_nothing_is_removed_from_a_cache_that_is_small_enough(cache, tmp_path):
    name = cache("a")
    removed, left = clean_cache(tmp_path / "cache", 10**9)
    assert (removed, sets(tmp_path / "cache")) == ([], {name})
    assert 0 < left < 10**9


def test_the_longest_unused_goes_first_and_shards_that_others_have_stay(cache, tmp_path):
    old, new = cache("ab", 1), cache("bc", 2)
    _, size = clean_cache(tmp_path / "cache", 10**9)
    removed, left = clean_cache(tmp_path / "cache", size - 1)
    assert (removed, sets(tmp_path / "cache")) == ([old], {new})
    assert left < size
    contents = json.loads((tmp_path / "cache" / new / "contents.json").read_text())
    shards = {path.name for path in (tmp_path / "cache" / "shards").iterdir() if path.is_dir()}
    assert shards == set(contents["documents_by_shard"])


def test_what_a_run_uses_stays_even_if_another_process_cleans(cache, tmp_path):
    name, other = cache("a", 1), cache("b", 2)
    cleaning = [
        sys.executable,
        "scripts/clean_cache.py",
        "--cache_dir",
        str(tmp_path / "cache"),
        "--cache_gb",
        "0",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with shared(tmp_path / "cache" / (name + USE_SUFFIX)):
        subprocess.run(cleaning, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert sets(tmp_path / "cache") == {name}
    assert other not in sets(tmp_path / "cache")
    subprocess.run(cleaning, cwd=ROOT, env=environment, check=True, capture_output=True)
    assert sets(tmp_path / "cache") == set()


def test_a_loaded_set_is_in_use_and_a_removed_one_is_made_again(cache, tmp_path):
    name = cache("a")
    clean_cache(tmp_path / "cache", 0)
    data = load_data(
        str(tmp_path / "a.csv"), DEFINITION, BOS_ID, EOS_ID, SETTINGS, cache_dir=tmp_path / "cache"
    )
    assert data.folder.name == name
    assert clean_cache(tmp_path / "cache", 0)[0] == []
    assert len(data[0]["input_ids"])


def test_shards_that_a_killed_run_left_go_last(cache, tmp_path):
    name = cache("a", 1)
    left_over = tmp_path / "cache" / "shards" / "left"
    left_over.mkdir()
    (left_over / "rows.arrow").write_bytes(bytes(1000))
    assert clean_cache(tmp_path / "cache", 0)[0] == [name, "left"]


def test_nothing_is_removed_while_a_run_loads_and_no_other_folder_is_touched(cache, tmp_path):
    cache("a")
    with shared(tmp_path / "cache" / CACHE_LOCK), pytest.raises(UserError, match="try again later"):
        clean_cache(tmp_path / "cache", 0)
    with pytest.raises(UserError, match="no cache of tokenised tables"):
        clean_cache(tmp_path, 0)
