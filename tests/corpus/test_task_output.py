import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from corpus_passages import passage

from omnina.corpus.filters import Counts
from omnina.corpus.shards import ShardSettings
from omnina.corpus.task_output import TaskOutput, completed_task
from omnina.errors import UserError
from omnina.tables.table import read_rows

CONFIG = {"seed": 0, "ranks": ["phylum"]}
SETTINGS = {"": ShardSettings(rows_per_shard=4)}
KILLED = """
import os, signal
from pathlib import Path
from omnina.corpus.passage import Passage
from omnina.corpus.shards import ShardSettings
from omnina.corpus.task_output import TaskOutput
with TaskOutput(Path({folder!r}), 7, {{"": ShardSettings(rows_per_shard=1)}}, {{}}) as output:
    for start in range(3):
        output.add("", "train", Passage("u.gb", "U1", start, start + 4, "+", "ACGT", {{}}), "A gene.")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def run(folder: Path, task=7, config=CONFIG, settings=SETTINGS, rows=6) -> dict:
    with TaskOutput(folder, task, settings, config) as output:
        for number in range(rows):
            output.counts_of("").kept += 1
            output.add("", "val" if number == 0 else "train", passage(start=number), f"Gene {number}.")
        output.counts_of("").filtered["too short"] += 2
    return completed_task(folder, task, config)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_complete_task(tmp_path):
    record = run(tmp_path / "made" / "here")
    assert names(tmp_path / "made" / "here") == [
        "task-00007.json",
        "train-00007-000.parquet",
        "train-00007-001.parquet",
        "val-00007-000.parquet",
    ]
    assert record["task"] == 7 and record["config"] == CONFIG
    assert Counts.from_json(record["counts"]).summary() == "8 passages = 6 kept + 2 filtered (too short)"
    assert [(shard["split"], shard["rows"], shard["bases"]) for shard in record["shards"]] == [
        ("train", 4, 36),
        ("train", 1, 9),
        ("val", 1, 9),
    ]


def test_the_same_task_writes_the_same_bytes(tmp_path):
    run(tmp_path / "one")
    run(tmp_path / "other")
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_a_task_without_rows_is_complete(tmp_path):
    assert run(tmp_path, rows=0)["shards"] == []
    assert names(tmp_path) == ["task-00007.json"]


def test_a_complete_task_is_not_redone(tmp_path):
    run(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(UserError, match=r"task-00007\.json: the task is complete"):
        run(tmp_path)
    assert contents(tmp_path) == before
    assert completed_task(tmp_path, 8, CONFIG) is None


def test_a_task_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), TaskOutput(tmp_path, 7, SETTINGS, CONFIG) as output:
        for _ in range(5):
            output.add("", "train", passage(), "A gene.")
        raise ZeroDivisionError
    assert names(tmp_path) == []


def test_a_killed_task_leaves_nothing_that_counts(tmp_path):
    folder = tmp_path / "killed"
    killed = subprocess.run([sys.executable, "-c", KILLED.format(folder=str(folder))], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert names(folder) == [".task-00007"]
    assert completed_task(folder, 7, CONFIG) is None
    run(folder)
    run(tmp_path / "fresh")
    assert contents(folder) == contents(tmp_path / "fresh")


def test_shards_moved_by_a_task_killed_before_its_record_are_removed(tmp_path):
    run(tmp_path, task=6)
    for name in ("train-00007-000.parquet", "train-00007-009.parquet", "train-00006-009.csv", "notes.txt"):
        (tmp_path / name).write_text("left behind")
    run(tmp_path)
    assert "train-00007-009.parquet" not in names(tmp_path)
    assert len(list(read_rows(tmp_path / "train-00007-000.parquet"))) == 4
    assert {"train-00006-000.parquet", "train-00006-009.csv", "notes.txt"} < set(names(tmp_path))


def test_another_configuration_is_refused_with_what_differs(tmp_path):
    run(tmp_path)
    with pytest.raises(UserError, match="another configuration:\n  seed: there 0, here 1\nChoose"):
        completed_task(tmp_path, 7, CONFIG | {"seed": 1})
    assert completed_task(tmp_path, 7, {"seed": 0, "ranks": ("phylum",)})


def test_a_record_that_is_not_whole_is_refused(tmp_path):
    (tmp_path / "task-00007.json").write_text('{"task": 7, ')
    with pytest.raises(UserError, match=r"task-00007\.json: not a whole record"):
        completed_task(tmp_path, 7, CONFIG)


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file: no tables can be written there \(File exists\)"):
        run(tmp_path / "file")
    with pytest.raises(UserError, match=r"no tables can be written there \(Not a directory\)"):
        run(tmp_path / "file" / "below")


def test_the_record_is_written_last(tmp_path, monkeypatch):
    moved = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda path, to: (moved.append(to.name), replace(path, to)))
    run(tmp_path)
    assert moved[-1] == "task-00007.json"
    assert json.loads((tmp_path / moved[-1]).read_text())["shards"][0]["file"] == moved[0]
