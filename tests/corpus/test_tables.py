"""Runs of several tables, sampled, with one file a split: the same bytes however they are run."""

import csv
import json
import random
from pathlib import Path

import pytest
import yaml
from killed_run import run_and_kill

pytest.importorskip("datatrove")

from omnina.corpus.build import build_corpus
from omnina.corpus.choice import DUPLICATE
from omnina.corpus.corpus_config import read_corpus_config
from omnina.corpus.executors import ExecutorSettings
from omnina.corpus.placing import NOT_SAMPLED, SHARED
from omnina.errors import UserError

TEXT = {
    "sources": [
        {"path": "**/one.fa", "format": "nt_fasta", "source": "one"},
        {"path": "**/two.fa", "format": "nt_fasta", "source": "two"},
    ],
    "templates": {"annotations": [{"response": "{annotation}"}]},
    "filters": {"min_bases": 50},
    "sample": {"bytes": {"train": {"one": 2000}}},
    "output": {"format": "csv", "file": "text_{split}.csv", "columns": ["sequence", "response", "source"]},
}
ASKED = {
    "sources": [{"path": "**/one.fa", "format": "nt_fasta", "region": "1-60"}],
    "templates": {"questions": [{"name": "which", "question": "Which?", "response": "{accession}"}]},
    "filters": {"min_bases": 50},
    "dedup": {"shared": True},
    "output": {"format": "csv", "file": "asked_{split}.csv"},
}
CONFIG = {
    "tables": {"text": TEXT, "asked": ASKED},
    "split": {
        "shares": {"train": 0.75, "val": 0.25},
        "fill": True,
        "train_only": [{"annotation": "kept back"}],
    },
}


@pytest.fixture
def records(tmp_path) -> Path:
    """Forty records of 100 bases; two of them begin alike; one that is too short is to be trained on."""
    folder = tmp_path / "records" / "below"
    folder.mkdir(parents=True)
    for seed, name in enumerate(("one", "two")):
        draw = random.Random(seed)
        bases = ["".join(draw.choices("ACGT", k=100)) for _ in range(40)]
        bases[7] = bases[3][:70] + bases[7][70:]
        lines = [f">{name}{n} gene {n}\n{one}\n" for n, one in enumerate(bases)]
        (folder / f"{name}.fa").write_text("".join(lines) + f">{name}short kept back\nACGT\n")
    (folder / "three.fa").write_text("not a FASTA file")
    return tmp_path / "records"


def build(records: Path, output: Path, config=CONFIG, **executor) -> dict:
    path = records.parent / "corpus.yaml"
    path.write_text(yaml.safe_dump(config))
    build_corpus(path, records, output, ExecutorSettings(**executor))
    return json.loads((output / "manifest.json").read_text())


def tables(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in sorted(folder.glob("*.csv")) if path.name != "rejected.csv"
    }


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_file_for_each_table_and_split_whatever_tasks_and_workers(records, tmp_path):
    build(records, tmp_path / "1")
    build(records, tmp_path / "3", tasks=3)
    build(records, tmp_path / "2", tasks=3, workers=2)
    names = [f"{table}_{split}.csv" for table in ("asked", "text") for split in ("train", "val")]
    assert list(tables(tmp_path / "1")) == names
    assert tables(tmp_path / "1") == tables(tmp_path / "3") == tables(tmp_path / "2")


def test_files_read_in_parts_give_the_same_bytes(records, tmp_path):
    build(records, tmp_path / "whole")
    build(records, tmp_path / "parts", CONFIG | {"range_bytes": 700}, tasks=5)
    assert len(list((tmp_path / "parts" / "progress" / "rejected").iterdir())) > 3 * 5
    assert tables(tmp_path / "parts") == tables(tmp_path / "whole")


def test_counts_rows_and_columns(records, tmp_path):
    manifest = build(records, tmp_path / "out")
    counts = manifest["counts_by_source"]
    assert counts["asked"]["filtered"] == {SHARED: 1, DUPLICATE: 1, "shorter than 50 bases": 1}
    assert set(counts["text one"]["filtered"]) == {NOT_SAMPLED, "shorter than 50 bases"}
    assert counts["text two"]["kept"] == 40  # no limit is named
    rows = {name: read(tmp_path / "out" / name) for name in tables(tmp_path / "out")}
    assert {shard["file"]: shard["rows"] for shard in manifest["shards"]} == {
        k: len(v) for k, v in rows.items()
    }
    assert list(rows["text_val.csv"][0]) == ["sequence", "response", "source"]
    assert all(len(row["sequence"]) == 60 for row in rows["asked_train.csv"])
    assert all((int(row["start"]), int(row["end"])) == (0, 60) for row in rows["asked_train.csv"])


def test_a_sample_fills_its_bytes_and_is_no_beginning_of_the_file(records, tmp_path):
    build(records, tmp_path / "out")
    lines = (tmp_path / "out" / "text_train.csv").read_bytes().splitlines(keepends=True)[1:]
    sampled = [line for line in lines if line.endswith(b",one\n")]
    assert 2000 - 120 < sum(map(len, sampled)) <= 2000
    numbers = [int(line.split(b",")[1].split()[1]) for line in sampled]
    assert numbers != sorted(numbers) and max(numbers) > len(numbers)


def test_the_first_table_decides_the_sides_of_all(records, tmp_path):
    build(records, tmp_path / "out")
    held_out = {r["response"] for r in read(tmp_path / "out" / "text_val.csv") if r["source"] == "one"}
    assert len(held_out) == 10  # a quarter of forty, of each source
    for split, held in (("train", False), ("val", True)):
        asked = {row["response"].removeprefix("one") for row in read(tmp_path / "out" / f"asked_{split}.csv")}
        assert asked and all((f"gene {number}" in held_out) == held for number in asked)


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        ("files.durable", "publish", 3),  # notes are there, keys are not; the first is of the configuration
        ("corpus.leaving_out", "draw_among", 1),
        ("files.durable", "publish", 7),  # what was drawn is there, duplicates are not
        ("corpus.task_output", "write_json", 1),  # parts are moved, their record is not written
        ("corpus.joined", "write_table", 1),
        ("corpus.joined", "publish", 1),
        ("corpus.manifest", "write_json", 1),
    ],
)
def test_killed_and_started_again_gives_the_same_bytes(records, tmp_path, module, name, call):
    build(records, tmp_path / "whole", tasks=2)
    output = tmp_path / "out"
    run_and_kill(records.parent / "corpus.yaml", records, output, 2, module, name, call)
    build(records, output, tasks=2)
    assert tables(output) == tables(tmp_path / "whole")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"sample": {"bytes": {"trian": {}}}},
            "tables.text.sample.bytes: unknown key 'trian'. Did you mean 'train'",
        ),
        ({"sample": {"bytes": {"train": {"tow": 1}}}}, "bytes.train: unknown key 'tow'. Did you mean 'two'"),
        ({"sample": {"by": "question", "bytes": {"train": {"one": 1}}}}, "bytes.train: unknown key 'one'"),
        ({"sample": {"bytes": {"train": {"one": -1}}}}, "bytes.train.one: -1 is less than 0"),
        ({"sample": {}}, "sample.bytes: expected lines"),
        ({"output": {"file": "a.csv"}}, "output.file: 'a.csv' must be a name with '{split}'"),
        ({"output": {"file": "../{split}.csv"}}, "without folders"),
        ({"output": {"file": "{split}.csv"}}, "must end in .parquet"),
        (
            {"output": {"columns": ["sequense"]}},
            "output.columns: 'sequense' is unknown. Did you mean 'sequence'",
        ),
        ({"output": {"columns": ["question"]}}, "output.columns: 'question' is unknown"),
        ({"dedup": {"near": True}}, "clusters are found for one table"),
        ({"sources": [*TEXT["sources"], ASKED["sources"][0]]}, "some have a 'source' and some do not"),
        ({"sources": [{"path": "**/one.fa", "region": "60"}]}, "region: '60' must be the first and the last"),
    ],
)
def test_mistakes_are_named(records, changes, message):
    config = CONFIG | {"tables": {"text": TEXT | changes}}
    with pytest.raises(UserError, match=message):
        read_corpus_config(config, records, (), "corpus.yaml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tables": []}, "tables: expected tables by name"),
        ({"tables": {"a_b": TEXT}}, "the table's name 'a_b' must be letters and digits"),
        ({"sources": []}, "unknown key 'sources'"),
        ({"split": {"fill": True, "by": "cluster"}}, "split.fill: it needs a side 'train'"),
        ({"split": {"train_only": [{"gene": "a"}]}}, "split.train_only: it concerns fill"),
        ({"split": {"fill": True, "train_only": [{"gen": "a"}]}}, r"train_only\[0\]: unknown field 'gen'"),
    ],
)
def test_mistakes_in_what_tables_share_are_named(records, changes, message):
    with pytest.raises(UserError, match=message):
        read_corpus_config(CONFIG | changes, records, (), "corpus.yaml")
