"""The committed example: what its command writes, nothing on both sides, the README's figures."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from Bio.Seq import reverse_complement
from strands import strand_free

from omnina.corpus.build import build_corpus
from omnina.corpus.executors import ExecutorSettings

RECORDS_SHA256 = {
    "rRNA16S.gold.fasta.gz": "c5ea383ae2300e599fe7ac216592c76c4d545c4437f85a72b3d71fd3b26f919d",
    "leptospira_kirschneri_H1.gbk.gz": "321919e452f88665a597b5c31813b7b99ab0f60ce3706e25eadd2309f9e3d93b",
}
PHYLUM = "Which phylum is this 16S ribosomal RNA gene from?"
CLASS = "Which class is this 16S ribosomal RNA gene from?"
CODING = "Does this sequence code for a protein?"
COLUMNS = {"pretrain": ("sequence", "response", "source"), "finetune": ("sequence", "question", "response")}
SPLITS = ("train", "val")


def sha256(path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def path_of(data, stage: str, split: str):
    return data / f"{stage}_{split}_example.csv"


def build_by_command(data, config: str, folder) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/build_corpus.py", f"configs/corpus/{config}"]
    command += ["--input", str(folder), "--output", str(folder / "out")]
    environment = {**os.environ, "PYTHONPATH": str(data.parent)}
    return subprocess.run(command, cwd=data.parent, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def readme(data) -> str:
    return (data / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def counts(remade) -> dict[str, dict]:
    return json.loads((remade / "manifest.json").read_text())["counts_by_source"]


@pytest.fixture(scope="module")
def genera(data) -> dict[str, str]:
    """Genus of each 16S gene by its accession, by no code of ours."""
    with gzip.open(data / "records" / "rRNA16S.gold.fasta.gz", "rt") as stream:
        headers = [line[1:] for line in stream if line.startswith(">")]
    return {header.split()[0]: header.split("; ")[-1].split()[0] for header in headers}


@pytest.fixture(scope="module")
def placed(remade, committed, genera):
    """The committed rows with accession, place and group, by stage and split."""
    found = {}
    for (stage, split), rows in committed.items():
        parts = [pq.read_table(path) for path in (remade / "progress" / "parts").glob(f"{stage}_{split}-*")]
        places = pa.concat_tables(parts).sort_by("order").to_pylist()
        assert [place["sequence"] for place in places] == [row["sequence"] for row in rows]
        groups = ({"group": genera.get(place["accession"], place["accession"])} for place in places)
        found[stage, split] = [place | group for place, group in zip(places, groups, strict=True)]
    return found


def test_record_files_are_the_published_ones(data):
    assert {name: sha256(data / "records" / name) for name in RECORDS_SHA256} == RECORDS_SHA256


@pytest.mark.parametrize("stage", COLUMNS)
@pytest.mark.parametrize("split", SPLITS)
def test_committed_tables_are_what_the_command_writes(data, remade, stage, split):
    assert path_of(remade, stage, split).read_bytes() == path_of(data, stage, split).read_bytes()


def test_the_command_ends_with_one_line_and_status_2_without_records(data, tmp_path):
    pytest.importorskip("datatrove")
    run = build_by_command(data, "example.yaml", tmp_path)
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1 and "rRNA16S.gold.fasta.gz" in run.stderr


@pytest.mark.parametrize("name", ["genbank", "questions"])
def test_every_side_of_the_shipped_configurations_has_rows(data, tmp_path, name):
    pytest.importorskip("datatrove")
    config = data.parent / "configs" / "corpus" / f"{name}.yaml"
    build_corpus(config, data / "records", tmp_path, ExecutorSettings())
    splits = json.loads((tmp_path / "manifest.json").read_text())["splits"]
    assert set(splits) == {"train", "val", "test"}
    assert all(sizes["rows"] > 100 for sizes in splits.values())


def test_a_run_that_keeps_nothing_ends_with_its_reason_and_status_2(data, tmp_path):
    pytest.importorskip("datatrove")
    (tmp_path / "short.fa").write_text(">short gene\nACGT\n")
    run = build_by_command(data, "nt.yaml", tmp_path)
    assert run.returncode == 2
    *progress, reason = run.stderr.splitlines()
    assert "1 for this reason: shorter than 200 bases" in reason
    assert all("ended," in line for line in progress)


def test_every_record_is_used_or_left_out_with_a_reason(counts, committed_rows):
    assert {name: one["read"] for name, one in counts.items() if "pretrain" in name} == {
        "pretrain 16S": 5181,
        "pretrain genome": 4207,  # as the GenBank file's COMMENT says: 4,162 CDS and 45 RNA genes
    }
    written = Counter(row["source"] for rows in committed_rows.values() for row in rows)
    assert written == {source: counts[f"pretrain {source}"]["kept"] for source in written}
    assert counts["pretrain genome"]["rejected"] == {"pseudo gene": 465}


def test_no_group_is_on_both_sides_of_either_table(placed):
    sides = {
        split: {row["group"] for (_, of), rows in placed.items() if of == split for row in rows}
        for split in SPLITS
    }
    assert min(map(len, sides.values())) > 100
    assert not sides["train"] & sides["val"]


def test_no_genus_named_in_a_response_is_on_both_sides(committed_rows):
    named = {
        split: {r["response"].split("; ")[-1].split()[0] for r in rows if r["source"] == "16S"}
        for split, rows in committed_rows.items()
    }
    assert not named["train"] & named["val"]


def test_leptospira_and_contigs_with_rrna_are_trained_on(placed, data):
    with gzip.open(data / "records" / "leptospira_kirschneri_H1.gbk.gz", "rt") as stream:
        contigs = stream.read().split("\n//\n")
    with_rrna = {text.split("VERSION")[1].split()[0] for text in contigs if "\n     rRNA  " in text}
    assert len(with_rrna) == 6
    for stage in COLUMNS:
        assert not (with_rrna | {"Leptospira"}) & {row["group"] for row in placed[stage, "val"]}


def test_no_sequence_is_written_twice_in_either_direction(committed_rows):
    sequences = [strand_free(r["sequence"]) for rows in committed_rows.values() for r in rows]
    assert len(set(sequences)) == len(sequences)


def test_no_validation_sequence_is_part_of_a_training_sequence(committed_rows):
    trained_on = "|".join(row["sequence"] for row in committed_rows["train"])
    for row in committed_rows["val"]:
        assert row["sequence"] not in trained_on
        assert reverse_complement(row["sequence"]) not in trained_on


def test_no_question_s_stretch_is_on_both_sides_on_either_strand(committed):
    train, val = ({strand_free(r["sequence"]) for r in committed["finetune", split]} for split in SPLITS)
    assert not train & val


def test_no_validation_stretch_of_the_genome_was_pretrained_on(committed):
    genome = " ".join(r["sequence"] for r in committed["pretrain", "train"] if r["source"] == "genome")
    for row in committed["finetune", "val"]:
        if row["question"] == CODING:
            assert row["sequence"] not in genome
            assert reverse_complement(row["sequence"]) not in genome


def test_tables_have_the_promised_size(data, committed_rows):
    sizes = {
        key: path_of(data, *key).stat().st_size
        for key in ((stage, split) for stage in COLUMNS for split in SPLITS)
    }
    assert 1_950_000 <= sizes["pretrain", "train"] <= 2_000_000
    assert 400_000 <= sizes["pretrain", "val"] <= 500_000
    assert max(sizes.values()) <= 2_000_000
    records = sum((data / "records" / name).stat().st_size for name in RECORDS_SHA256)
    assert records + sum(sizes.values()) <= 12_000_000
    held_out = Counter(row["source"] for row in committed_rows["val"])
    assert held_out["16S"] >= 120
    assert held_out["genome"] >= 100


def test_cells_are_clean(data, committed):
    for (stage, split), rows in committed.items():
        assert b"\r" not in path_of(data, stage, split).read_bytes()
        assert all(tuple(row) == COLUMNS[stage] for row in rows)
        assert all(set(row["sequence"]) <= set("ACGTRYSWKMBDHVN") for row in rows)
        assert all(len(row["sequence"]) >= 200 and "NN" not in row["sequence"] for row in rows)
        assert all(row["response"] == " ".join(row["response"].split()) for row in rows)
    rows = [*committed["pretrain", "train"], *committed["pretrain", "val"]]
    assert all(row["response"].endswith(".") and ".." not in row["response"] for row in rows)
    assert max(len(row["sequence"]) for row in rows) > 3000  # a long gene is the training's to cut, not ours


def test_committed_coding_sequences_begin_like_genes_and_end_in_stop(committed_rows):
    """Reading the wrong strand, or from one base off, would leave a few per cent of these."""
    whole = [r for rows in committed_rows.values() for r in rows if r["response"].startswith("CDS")]
    assert all(row["sequence"][-3:] in ("TAA", "TAG", "TGA") for row in whole)
    assert sum(row["sequence"][1:3] == "TG" for row in whole) > 0.95 * len(whole)


def test_three_questions_are_asked(committed):
    for split in SPLITS:
        rows = committed["finetune", split]
        assert {row["question"] for row in rows} == {PHYLUM, CLASS, CODING}
        answers = Counter(row["response"] for row in rows if row["question"] == CODING)
        assert 0.48 < answers["Yes"] / answers.total() < 0.52


def test_readme_names_rows_bases_and_sha256_of_each_table(data, committed, readme):
    """Counted from the CSVs alone, by no code of the pipeline."""
    for (stage, split), rows in committed.items():
        path = path_of(data, stage, split)
        bases = sum(len(row["sequence"]) for row in rows)
        cells = (f"`{path.name}`", f"{len(rows):,}", f"{bases:,}", f"{path.stat().st_size:,}")
        assert f"| {' | '.join(cells)} | `{sha256(path)}` |" in readme


def test_readme_names_the_record_files(data, counts, readme):
    for name, source in zip(RECORDS_SHA256, ("16S", "genome"), strict=True):
        size, read = (data / "records" / name).stat().st_size, counts[f"pretrain {source}"]["read"]
        assert f"| `{name}` | {read:,} |  | {size:,} | `{RECORDS_SHA256[name]}` |" in readme


def test_readme_says_what_became_of_each_record(counts, committed_rows, readme):
    for source in ("16S", "genome"):
        one = counts[f"pretrain {source}"]
        for split, rows in committed_rows.items():
            used = sum(row["source"] == source for row in rows)
            assert f"| {source} | used: {split} | {used:,} |" in readme
        lines = {"in the file": one["read"], **one["filtered"], **one["rejected"]}
        for fate, number in lines.items():
            assert f"| {source} | {fate} | {number:,} |" in readme


def test_readme_has_the_shares_of_the_sources(data, placed, readme):
    for split in SPLITS:
        lines = path_of(data, "pretrain", split).read_bytes().splitlines(keepends=True)[1:]
        rows = placed["pretrain", split]
        whole = sum(map(len, lines))
        for source in ("16S", "genome"):
            of = [(row, len(line)) for row, line in zip(rows, lines, strict=True) if row["source"] == source]
            groups, size = len({row["group"] for row, _ in of}), sum(size for _, size in of)
            bases = sum(len(row["sequence"]) for row, _ in of)
            cells = (
                split,
                source,
                f"{len(of):,}",
                f"{groups}",
                f"{bases:,}",
                f"{size:,}",
                f"{size / whole:.1%}",
            )
            assert f"| {' | '.join(cells)} |" in readme


def test_readme_has_the_questions_figures(placed, readme):
    for split in SPLITS:
        for question in (PHYLUM, CLASS, CODING):
            asked = [row for row in placed["finetune", split] if row["question"] == question]
            answers = Counter(row["response"] for row in asked)
            ((answer, count),) = answers.most_common(1)
            figures = (f"{len(asked):,}", str(len({row["group"] for row in asked})), str(len(answers)))
            cells = (split, question, *figures, f"{answer}, {count / len(asked):.1%}")
            assert f"| {' | '.join(cells)} |" in readme


def test_readme_quotes_rows_that_exist(committed_rows, readme):
    quoted = readme.split("```")[3].strip().splitlines()
    assert len(quoted) == 2
    assert set(quoted) <= {row["response"] for rows in committed_rows.values() for row in rows}


def test_readme_states_what_the_tables_are_short_of(committed_rows, readme):
    """The figures in the prose, counted from the CSVs."""

    def count(split: str, phrase: str) -> int:
        return sum(phrase in row["response"] for row in committed_rows[split])

    unknown = "Product: hypothetical protein."
    genes = {split: count(split, "Leptospira kirschneri str. H1.") for split in committed_rows}
    train, val = count("train", unknown), count("val", unknown)
    assert f"{train} of {genes['train']} genome rows in train, {val} of {genes['val']} in val" in readme
    held_out_16s = len(committed_rows["val"]) - genes["val"]
    streptomyces = count("val", "; Streptomyces.")
    assert f"{streptomyces} of the {held_out_16s} validation genes are *Streptomyces*" in readme
    archaea = count("train", "Lineage: Archaea"), count("val", "Lineage: Archaea")
    assert f"Archaea are rare ({archaea[0]} row in train, {archaea[1]} in val)" in readme
