"""Nothing is on both sides of a split: windows, near-duplicates, taxa, forbidden sequences."""

import random
from pathlib import Path

import pytest
from corpus_records import dna, fasta, turned
from corpus_runs import CONFIG, build, contents, rows
from killed_run import run_and_kill

from omnina.corpus.choice import NEAR_DUPLICATE
from omnina.corpus.dedup.forbid import ForbiddenSequences
from omnina.errors import UserError

ROOT = Path(__file__).parents[2]
FORBIDDEN = {"EXACT": "exact", "TURNED": "reverse complement", "NEAR": "near"}


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
