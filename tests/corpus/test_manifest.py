import json

import pytest
from corpus_passages import passage

from omnina.corpus.manifest import damaged_shards, read_manifest, write_manifest
from omnina.corpus.rejected_list import header
from omnina.corpus.shards import ShardSettings
from omnina.corpus.task_output import TaskOutput
from omnina.errors import UserError

CONFIG = {"seed": 0}


@pytest.fixture
def corpus(tmp_path):
    """Three tasks: 0, 1 and 2 rows of training, one of validation each, one passage left out."""
    for task in range(3):
        with TaskOutput(tmp_path, task, {"": ShardSettings(rows_per_shard=1)}, CONFIG) as output:
            for split in ["val", *["train"] * task]:
                output.add("", split, passage("ACGT"), "A gene.")
                output.counts_of("").kept += 1
            output.counts_of("").filtered["too short"] += 1
            output.counts_of("").rejected[f"reason {task}"] += 1
    listed = "".join(f"a.fa,a,,reason {task},why,0\n" for task in range(3))
    (tmp_path / "rejected.csv").write_bytes(header() + listed.encode())
    return tmp_path


def test_sums_over_the_tasks(corpus):
    manifest = write_manifest(corpus, 3, CONFIG)
    assert manifest == json.loads((corpus / "manifest.json").read_text())
    assert (manifest["config"], manifest["tasks"]) == (CONFIG, 3)
    assert manifest["counts"] == {
        "read": 12,
        "kept": 6,
        "filtered": {"too short": 3},
        "rejected": {"reason 0": 1, "reason 1": 1, "reason 2": 1},
    }
    figures = {
        split: {key: value for key, value in values.items() if key != "bytes"}
        for split, values in manifest["splits"].items()
    }
    assert figures == {
        "train": {"shards": 3, "rows": 3, "bases": 12},
        "val": {"shards": 3, "rows": 3, "bases": 12},
    }
    for split, values in manifest["splits"].items():
        assert values["bytes"] == sum(path.stat().st_size for path in corpus.glob(f"{split}-*.parquet"))


def test_a_split_without_a_row_is_named(corpus):
    splits = write_manifest(corpus, 3, CONFIG, ["train", "test"])["splits"]
    assert list(splits) == ["test", "train", "val"]
    assert splits["test"] == {"shards": 0, "rows": 0, "bases": 0, "bytes": 0}
    assert {name: one["rows"] for name, one in splits.items()} == {"test": 0, "train": 3, "val": 3}


def test_written_again_it_is_the_same(corpus):
    write_manifest(corpus, 3, CONFIG)
    before = (corpus / "manifest.json").read_bytes()
    write_manifest(corpus, 3, CONFIG)
    assert (corpus / "manifest.json").read_bytes() == before


def test_missing_tasks_are_named(corpus):
    (corpus / "task-00001.json").unlink()
    with pytest.raises(UserError, match=r"2 of 4 tasks are not complete \(task-00001.json, task-00003.json"):
        write_manifest(corpus, 4, CONFIG)


def test_shards_of_no_task_are_refused(corpus):
    with pytest.raises(UserError, match=r"train-00002-000.parquet: of none of the tasks"):
        write_manifest(corpus, 2, CONFIG)


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1")])
def test_shards_missing_or_cut_short_are_refused(corpus, change):
    change(corpus / "val-00001-000.parquet")
    with pytest.raises(UserError, match=r"val-00001-000.parquet: not the \d+ bytes that were written"):
        write_manifest(corpus, 3, CONFIG)


def test_a_complete_run_without_one_of_its_shards_is_refused(corpus):
    assert write_manifest(corpus, 3, CONFIG) == read_manifest(corpus)
    (corpus / "val-00001-000.parquet").unlink()
    with pytest.raises(UserError, match=r"written; remove task-00001.json and manifest.json and run again"):
        read_manifest(corpus)


def test_another_configuration_is_refused(corpus):
    with pytest.raises(UserError, match="another configuration:\n  seed: there 0, here 1"):
        write_manifest(corpus, 3, {"seed": 1})


def test_damage_is_found(corpus):
    shards = write_manifest(corpus, 3, CONFIG)["shards"]
    assert damaged_shards(corpus, shards) == []
    path = corpus / "train-00001-000.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    (corpus / "val-00002-000.parquet").unlink()
    assert damaged_shards(corpus, shards) == ["train-00001-000.parquet", "val-00002-000.parquet"]
