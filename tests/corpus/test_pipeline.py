"""A corpus run: the same bytes however it is run, every passage accounted for."""

import csv
import hashlib
import json
from pathlib import Path

import pytest
from corpus_runs import CONFIG, build, contents, rows

from omnina.corpus.build import summary
from omnina.corpus.choice import DUPLICATE
from omnina.corpus.filters import Counts
from omnina.corpus.manifest import damaged_shards
from omnina.tables.table import expand_paths, read_rows

ROOT = Path(__file__).parents[2]


def test_counts_add_up_and_every_row_says_where_it_is_from(records, tmp_path):
    output = tmp_path / "out"
    manifest = build(records, output)
    counts = Counts.from_json(manifest["counts"])
    assert counts.filtered == {DUPLICATE: 3, "shorter than 40 bases": 1}
    assert counts.rejected.total() == 2
    assert counts.read == 5 * 30 + 3 + 3 == len(rows(output)) + 4 + 2
    assert sum(split["rows"] for split in manifest["splits"].values()) == counts.kept == len(rows(output))
    for row in rows(output):
        assert row["response"] == f"gene {row['accession']}."
        assert row["source_file"] in {f"{name}.fa" for name in "abcde"}
        assert (int(row["start"]), int(row["end"]), row["strand"]) == (0, len(row["sequence"]), ".")


def test_the_first_of_equal_passages_stays_whichever_task_reads_it(records, tmp_path):
    for tasks in (1, 3, 7):
        output = tmp_path / f"out{tasks}"
        build(records, output, tasks=tasks)
        found = {row["accession"] for row in rows(output)}
        assert {"a3.1", "a4.1", "late.1"} <= found
        assert not {"again.1", "turned.1", "b5.1"} & found


def test_the_number_of_tasks_moves_rows_between_shards_only(records, tmp_path):
    for tasks in (1, 4):
        build(records, tmp_path / str(tasks), tasks=tasks)
    one, four = (
        {
            (split, *row.values())
            for split in CONFIG["split"]["shares"]
            for row in rows(tmp_path / name, split)
        }
        for name in "14"
    )
    assert one == four


def test_a_side_with_a_share_is_named_though_it_is_empty(records, tmp_path):
    split = {"shares": {"train": 0.999999, "val": 0.000001, "test": 0}}
    manifest = build(records, tmp_path / "out", CONFIG | {"split": split})
    assert {side: sizes["rows"] for side, sizes in manifest["splits"].items()} == {"train": 150, "val": 0}
    assert "\nval: 0 rows, 0 bases, 0 shards\n" in summary(tmp_path / "out")


def test_a_broken_record_is_listed(records, tmp_path):
    build(records, tmp_path / "out")
    with (tmp_path / "out" / "rejected.csv").open(newline="") as stream:
        listed = list(csv.DictReader(stream))
    assert [(line["file"], line["record"], line["kind"]) for line in listed] == [
        ("c.fa", "broken.1", "not a nucleotide"),
        ("c.fa", "nothing.1", "no sequence"),
    ]
    assert "X" in listed[0]["reason"]


def test_two_workers_write_the_bytes_of_one(records, tmp_path):
    build(records, tmp_path / "one", workers=1)
    build(records, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_two_workers_on_one_file_write_the_bytes_of_one(records, tmp_path):
    sources = [{"path": "a.fa", "format": "nt_fasta"}]
    config = CONFIG | {"sources": sources, "range_bytes": 500}
    for workers in (1, 2):
        manifest = build(records, tmp_path / str(workers), config, workers=workers)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    assert sum(1 for shard in manifest["shards"] if shard["file"].split("-")[1] != "00000") > 1
    build(records, tmp_path / "whole", CONFIG | {"sources": sources}, tasks=1)
    in_parts, whole = ({tuple(row.values()) for row in rows(tmp_path / name)} for name in ("1", "whole"))
    assert in_parts == whole


def test_the_manifest_has_the_sha256_of_every_shard(records, tmp_path):
    manifest = build(records, tmp_path)
    assert len(manifest["shards"]) > 5
    for shard in manifest["shards"]:
        assert hashlib.sha256((tmp_path / shard["file"]).read_bytes()).hexdigest() == shard["sha256"]
    assert manifest["config"]["split"] == CONFIG["split"] | {"rank": "organism"}
    (tmp_path / manifest["shards"][0]["file"]).write_text("")
    assert damaged_shards(tmp_path, manifest["shards"]) == [manifest["shards"][0]["file"]]


def test_the_shards_are_what_training_reads(records, tmp_path):
    build(records, tmp_path, CONFIG | {"output": {"format": "parquet"}})
    paths = expand_paths(str(tmp_path / "train-*.parquet"))
    read = [row for path in paths for _, row in read_rows(path, required=["sequence", "response"])]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert len(read) == manifest["splits"]["train"]["rows"] > 0


@pytest.mark.slow
def test_ray_writes_the_bytes_of_one_worker(records, tmp_path):
    import ray
    from ray.cluster_utils import Cluster

    build(records, tmp_path / "one")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, runtime_env={"env_vars": {"PYTHONPATH": str(ROOT)}})
        build(records, tmp_path / "ray", kind="ray", workers=2, memory_per_cpu=1)
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")
