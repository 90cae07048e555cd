"""A corpus run: the same bytes however it is run, every passage accounted for, nothing on both sides."""

import csv
import hashlib
import json
import random
from pathlib import Path

import pytest
import yaml
from datatrove.executor.base import PipelineExecutor
from killed_run import run_and_kill

from omnina.checkout import git_commit
from omnina.corpus import pipeline
from omnina.corpus.build import build_corpus, summary
from omnina.corpus.choice import DUPLICATE, NEAR_DUPLICATE
from omnina.corpus.dedup.exact import reverse_complement_bytes
from omnina.corpus.dedup.forbid import ForbiddenSequences
from omnina.corpus.executors import ExecutorSettings
from omnina.corpus.filters import Counts
from omnina.corpus.lock import Lock
from omnina.corpus.manifest import damaged_shards
from omnina.corpus.task_output import TaskOutput
from omnina.errors import UserError
from omnina.tables.table import expand_paths, read_rows

ROOT = Path(__file__).parents[2]
CONFIG = {
    "sources": [{"path": "*.fa", "format": "nt_fasta"}],
    "templates": {"annotations": [{"response": "{annotation}."}]},
    "filters": {"min_bases": 40},
    "split": {"by": "accession", "shares": {"train": 0.6, "val": 0.2, "test": 0.2}, "seed": 1},
    "output": {"format": "csv", "rows_per_shard": 10},
}
FORBIDDEN = {"EXACT": "exact", "TURNED": "reverse complement", "NEAR": "near"}


def dna(bases: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=bases))


def turned(sequence: str) -> str:
    return reverse_complement_bytes(sequence.encode()).decode()


def fasta(folder: Path, name: str, records: dict[str, str]) -> None:
    text = "".join(f">{accession} gene {accession}\n{bases}\n" for accession, bases in records.items())
    (folder / name).write_text(text)


@pytest.fixture
def records(tmp_path) -> Path:
    """Five files of 30 records; b repeats two of a, once on the other strand; c has a short and a bad one."""
    folder = tmp_path / "records"
    folder.mkdir()
    files = {
        name: {f"{name}{n}.1": dna(120 + n, 100 * place + n) for n in range(30)}
        for place, name in enumerate("abcde")
    }
    files["b"] |= {"again.1": files["a"]["a3.1"], "turned.1": turned(files["a"]["a4.1"])}
    files["a"]["late.1"] = files["b"]["b5.1"]  # the first file's stays although it is its last record
    files["c"] |= {"short.1": "ACGTACGT", "broken.1": "ACGTXACGT" * 10, "nothing.1": ""}
    for name, sequences in files.items():
        fasta(folder, f"{name}.fa", sequences)
    return folder


def build(records: Path, output: Path, config=CONFIG, tasks=3, workers=1, forbid=(), **settings) -> dict:
    path = records.parent / "corpus.yaml"
    path.write_text(yaml.safe_dump(config))
    executor = ExecutorSettings(tasks=tasks, workers=workers, **settings)
    build_corpus(path, records, output, executor, forbid=forbid)
    return json.loads((output / "manifest.json").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    """All that a run gives; its notes on progress are its own affair."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def rows(folder: Path, split: str = "*") -> list[dict[str, str]]:
    return [row for path in sorted(folder.glob(f"{split}-*-*.csv")) for _, row in read_rows(path)]


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


@pytest.mark.parametrize("damage", ["a line gone", "a line twice", "another kind", "cut", "gone"])
def test_a_list_of_rejects_that_is_not_what_was_counted_is_told_and_made_again(records, tmp_path, damage):
    build(records, tmp_path / "out")
    path = tmp_path / "out" / "rejected.csv"
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    damaged = {
        "a line gone": lines[:-1],
        "a line twice": [*lines, lines[-1]],
        "another kind": [*lines[:-1], lines[-1].replace("no sequence", "no text")],
        "cut": [*lines[:-1], lines[-1][:6]],
        "gone": [],
    }[damage]
    path.write_text("".join(damaged)) if damaged else path.unlink()
    with pytest.raises(UserError, match=r"rejected\.csv: .*; remove manifest\.json and run again\.$"):
        summary(tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    build(records, tmp_path / "out")
    assert path.read_text() == whole


def test_a_list_of_a_unit_that_lost_lines_ends_no_run(records, tmp_path):
    build(records, tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    for path in (tmp_path / "out" / "progress" / "rejected").iterdir():
        path.write_text("")
    with pytest.raises(UserError, match="0 lines say 'no sequence', the manifest counts 1"):
        build(records, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


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


def test_the_same_command_again_changes_nothing(records, tmp_path, monkeypatch):
    build(records, tmp_path / "out")
    before = contents(tmp_path / "out")
    monkeypatch.setattr(PipelineExecutor, "_run_for_rank", None)
    build(records, tmp_path / "out")
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_failed_task_is_run_again_and_no_other(records, tmp_path, monkeypatch, broken):
    build(records, tmp_path / "whole")
    entered = []
    enter = TaskOutput.__enter__

    def failing(output):
        entered.append(output.task)
        if output.task == broken and entered.count(broken) == 1:
            raise RuntimeError("power cut")
        return enter(output)

    monkeypatch.setattr(TaskOutput, "__enter__", failing)
    with pytest.raises(RuntimeError, match="power cut"):
        build(records, tmp_path / "out")
    build(records, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert sorted(entered) == sorted([0, 1, 2, broken])


@pytest.mark.parametrize(
    "module, name, call",
    [
        ("corpus.leaving_out", "write_arrays", 2),  # in the stage of keys
        ("corpus.leaving_out", "duplicates_of", 1),
        ("corpus.pipeline", "_count_and_write", 80),  # in the midst of the second task's rows
        ("corpus.task_output", "write_json", 2),  # shards are moved, their record is not written
        ("corpus.pipeline", "write_manifest", 1),
    ],
)
def test_killed_and_started_again_gives_the_bytes_of_an_uninterrupted_run(
    records, tmp_path, module, name, call
):
    build(records, tmp_path / "whole")
    output = tmp_path / "out"
    run_and_kill(records.parent / "corpus.yaml", records, output, 3, module, name, call)
    assert not (output / "manifest.json").exists()
    build(records, output)
    assert contents(output) == contents(tmp_path / "whole")


def test_our_records_are_the_truth_about_what_is_complete(records, tmp_path):
    output = tmp_path / "out"
    build(records, output)
    before = contents(output)
    for name in ("task-00001.json", "manifest.json"):  # datatrove's marks say that both are done
        (output / name).unlink()
    build(records, output)
    assert contents(output) == before


def test_the_manifest_has_the_sha256_of_every_shard(records, tmp_path):
    manifest = build(records, tmp_path)
    assert len(manifest["shards"]) > 5
    for shard in manifest["shards"]:
        assert hashlib.sha256((tmp_path / shard["file"]).read_bytes()).hexdigest() == shard["sha256"]
    assert manifest["config"]["split"] == CONFIG["split"] | {"rank": "organism"}
    (tmp_path / manifest["shards"][0]["file"]).write_text("")
    assert damaged_shards(tmp_path, manifest["shards"]) == [manifest["shards"][0]["file"]]


def test_another_configuration_is_refused(records, tmp_path):
    build(records, tmp_path / "out")
    with pytest.raises(UserError, match="another configuration:\n  filters: there"):
        build(records, tmp_path / "out", CONFIG | {"filters": {"min_bases": 50}})
    with pytest.raises(UserError, match="tasks: there 3, here 2"):
        build(records, tmp_path / "out", tasks=2)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_cannot_be_read_is_told_without_a_traceback(records, tmp_path, capfd, workers):
    (records / "e.fa").write_text("no header\n")
    with pytest.raises(UserError, match=r"e\.fa"):
        build(records, tmp_path / "out", workers=workers)
    printed = capfd.readouterr().err
    assert "Traceback" not in printed and "ERROR" not in printed
    logs = (tmp_path / "out" / "progress" / "logs" / "keys" / "logs").glob("*.log")
    assert any("e.fa" in line for path in logs for line in path.read_text().splitlines() if "DEBUG" in line)


def test_a_folder_that_another_run_writes_to_is_left_alone(records, tmp_path):
    with Lock(tmp_path / "out" / "progress"), pytest.raises(UserError, match="is writing there"):
        build(records, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["lock.guard", "progress"]
    build(records, tmp_path / "out")


def test_a_file_that_has_the_name_of_a_table_is_not_replaced(records, tmp_path):
    theirs = tmp_path / "out" / "train-00000-000.csv"
    theirs.parent.mkdir()
    theirs.write_text("mine")
    with pytest.raises(UserError, match=r"train-00000-000.csv: this has the name of a table, but no run"):
        build(records, tmp_path / "out")
    assert theirs.read_text() == "mine"


def test_versions_are_recorded_and_not_mixed(records, tmp_path, monkeypatch):
    manifest = build(records, tmp_path / "out")
    assert set(manifest["config"]["versions"]) == {"omnina", "biopython", "pyarrow", "datatrove"}
    assert manifest["git_commit"] == git_commit()
    monkeypatch.setattr(pipeline, "version", lambda package: "0.0")
    with pytest.raises(UserError, match="another configuration:\n  versions: there"):
        build(records, tmp_path / "out")


def test_forbidden_sequences_are_not_in_training(records, tmp_path, monkeypatch):
    sequences = {name: dna(600, 5000 + place) for place, name in enumerate(FORBIDDEN)}
    near = sequences["NEAR"][:300] + "ACGT" + sequences["NEAR"][300:]
    fasta(records, "f.fa", {name: sequences[name] for name in ("EXACT", "TURNED")} | {"NEAR": near})
    test = tmp_path / "test.csv"
    test.write_text(f"sequence\n{sequences['EXACT']}\n{turned(sequences['TURNED'])}\n{sequences['NEAR']}\n")
    config = CONFIG | {"split": {"shares": {"train": 1, "val": 0}}}
    manifest = build(records, tmp_path / "out", config, forbid=(str(test),))
    assert not {row["accession"] for row in rows(tmp_path / "out", "train")} & set(FORBIDDEN)
    left = {f"forbidden in train: {kind} twin of a test sequence": 1 for kind in FORBIDDEN.values()}
    assert left.items() <= manifest["counts"]["filtered"].items()
    # Indexed once, whoever needs it.
    monkeypatch.setattr(ForbiddenSequences, "from_tables", None)
    for task in range(3):
        (tmp_path / "out" / f"task-{task:05d}.json").unlink()
    assert build(records, tmp_path / "out", config, forbid=(str(test),))["counts"] == manifest["counts"]
    monkeypatch.undo()
    # Only training stays away from the test set.
    held_out = CONFIG | {"split": {"shares": {"train": 0, "test": 1}}}
    build(records, tmp_path / "held_out", held_out, forbid=(str(test),))
    assert {row["accession"] for row in rows(tmp_path / "held_out", "test")} >= set(FORBIDDEN)


def test_windows_of_a_record_are_on_one_side(records, tmp_path):
    fasta(records, "long.fa", {f"long{n}": dna(900, 1000 + n) for n in range(12)})
    windowed = {"path": "long.fa", "format": "nt_fasta", "window": 100}
    build(records, tmp_path / "out", CONFIG | {"sources": [windowed]})
    sides = {}
    for split in CONFIG["split"]["shares"]:
        for row in rows(tmp_path / "out", split):
            sides.setdefault(row["accession"], set()).add(split)
    assert len(sides) == 12 and all(len(side) == 1 for side in sides.values())
    assert len(set.union(*sides.values())) > 1


@pytest.fixture
def families(records) -> Path:
    """Twelve families of three copies, each copy 3 % from the first, in different files."""
    for copy in range(3):
        sequences = {}
        for family in range(12):
            bases = list(dna(500, 2000 + family))
            for place in random.Random(copy).sample(range(500), 15 * (copy > 0)):
                bases[place] = "A" if bases[place] != "A" else "C"
            sequences[f"family{family}_{copy}"] = "".join(bases)
        fasta(records, f"copy{copy}.fam", sequences)
    return records


@pytest.mark.parametrize("tasks", [1, 3])
def test_near_duplicates_are_on_one_side_or_left_out(families, tmp_path, tasks):
    sources = [{"path": "*.fam", "format": "nt_fasta"}]
    by_cluster = CONFIG | {"sources": sources, "split": CONFIG["split"] | {"by": "cluster"}}
    build(families, tmp_path / "out", by_cluster, tasks=tasks)
    sides = {}
    for split in CONFIG["split"]["shares"]:
        for row in rows(tmp_path / "out", split):
            sides.setdefault(row["accession"].split("_")[0], []).append(split)
    assert len(sides) == 12
    assert all(len(side) == 3 and len(set(side)) == 1 for side in sides.values())
    manifest = build(families, tmp_path / "near", by_cluster | {"dedup": {"near": True}}, tasks=tasks)
    assert manifest["counts"]["filtered"] == {NEAR_DUPLICATE: 24}
    assert {row["accession"] for row in rows(tmp_path / "near")} == {f"family{n}_0" for n in range(12)}


@pytest.fixture
def near(families) -> dict:
    """A configuration that looks for near-duplicates in two ways."""
    sources = [{"path": "*.fam", "format": "nt_fasta"}, {"path": "*.fa", "format": "nt_fasta"}]
    split = CONFIG["split"] | {"by": "cluster"}
    return CONFIG | {"sources": sources, "dedup": {"near": True}, "split": split}


def test_near_duplicates_do_not_depend_on_tasks_and_workers(families, near, tmp_path):
    found = []
    for tasks, workers in ((1, 1), (7, 1), (7, 2)):
        output = tmp_path / f"{tasks}_{workers}"
        manifest = build(families, output, near, tasks=tasks, workers=workers)
        assert manifest["counts"]["filtered"][NEAR_DUPLICATE] == 24
        sides = CONFIG["split"]["shares"]
        found.append({(side, *row.values()) for side in sides for row in rows(output, side)})
    assert found[0] == found[1] == found[2]
    assert contents(tmp_path / "7_1") == contents(tmp_path / "7_2")


@pytest.mark.parametrize(
    "module, name, call",
    [
        ("corpus.cluster_stages", "write_passages", 2),
        ("corpus.passage_files", "place_of", 70),  # in the midst of the second task's signatures
        ("corpus.cluster_stages", "write_whole", 3),  # links of the third task
        ("corpus.cluster_stages", "write_groups", 1),
        ("corpus.pipeline", "_count_and_write", 80),
    ],
)
def test_a_search_for_near_duplicates_that_is_killed_goes_on(families, near, tmp_path, module, name, call):
    build(families, tmp_path / "whole", near)
    output = tmp_path / "out"
    run_and_kill(families.parent / "corpus.yaml", families, output, 3, module, name, call)
    assert not (output / "manifest.json").exists()
    build(families, output, near)
    assert contents(output) == contents(tmp_path / "whole")
    left = [path for name in ("signatures", "links") for path in (output / "progress" / name).glob(".*")]
    assert left == []


@pytest.fixture
def genbank(tmp_path) -> Path:
    folder = tmp_path / "genbank"
    folder.mkdir()
    written = (ROOT / "tests" / "corpus" / "readers" / "data" / "ecoli_2_records.gb").read_bytes()
    (folder / "ecoli.gb").write_bytes(written)
    return folder


def test_questions_are_rows_and_a_taxon_is_on_one_side(genbank, tmp_path):
    config = {
        "sources": [{"path": "*.gb", "passages": "features"}],
        "templates": {
            "questions": [
                {"name": "kind", "question": "What is it?", "response": "{feature_type}"},
                {"name": "organism", "question": "Whose is it?", "response": "{organism}"},
            ]
        },
        "split": {"by": "taxon", "shares": {"train": 0.5, "val": 0.5}},
        "output": {"format": "csv"},
    }
    manifest = build(genbank, tmp_path / "out", config)
    sides = {row["response"]: split for split in ("train", "val") for row in rows(tmp_path / "out", split)}
    found = rows(tmp_path / "out")
    for split in ("train", "val"):
        assert all(
            sides[row["response"]] == split
            for row in rows(tmp_path / "out", split)
            if "Whose" in row["question"]
        )
    assert len(found) == 2 * manifest["counts"]["kept"] > 0
    assert {row["question"] for row in found} == {"What is it?", "Whose is it?"}
    ranked = config | {"split": config["split"] | {"rank": "lineage.99"}}
    nothing = rf"none of \d+ passages was kept, {len(found) // 2} for this reason: no lineage.99 to split by"
    with pytest.raises(UserError, match=nothing):
        build(genbank, tmp_path / "ranked", ranked)


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
