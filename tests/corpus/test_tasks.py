import csv
from collections import Counter

import pytest
from Bio.Seq import Seq, reverse_complement
from Bio.SeqFeature import FeatureLocation, SeqFeature
from Bio.SeqRecord import SeqRecord

from omnina.corpus import genome, rrna16s
from omnina.corpus.example import RECORD_FILES
from omnina.corpus.selection import strand_free
from omnina.corpus.tasks import (
    CLASS,
    CODING,
    PHYLUM,
    TASK_COLUMNS,
    TASK_FILES,
    TaskRow,
    coding_rows,
    distinct,
    intergenic_windows,
    lineage_rows,
)


@pytest.fixture(scope="module")
def tables(data) -> dict[str, list[dict[str, str]]]:
    found = {}
    for split, name in TASK_FILES.items():
        with (data / name).open(newline="", encoding="utf-8") as stream:
            found[split] = list(csv.DictReader(stream))
    return found


@pytest.fixture(scope="module")
def contigs(data):
    return genome.read_contigs(data / "records" / RECORD_FILES[genome.SOURCE])


def contig_of(features: list[tuple[int, int, str]], bases: str) -> SeqRecord:
    found = [SeqFeature(FeatureLocation(start, end, 1), type=kind) for start, end, kind in features]
    return SeqRecord(Seq(bases), id="c", features=found)


def test_intergenic_windows_touch_no_feature():
    contig = contig_of([(0, 1500, "source"), (210, 600, "CDS"), (590, 700, "tRNA")], "A" * 1500)
    assert list(intergenic_windows(contig)) == [(0, 210), (700, 1000), (1000, 1300), (1300, 1500)]


def test_a_gap_of_199_bases_is_no_window():
    contig = contig_of([(199, 600, "CDS")], "A" * 799)
    assert list(intergenic_windows(contig)) == []


def test_16s_rows_are_bases_301_to_600_of_genes_that_reach_so_far(data):
    entries = list(rrna16s.read_rrna16s(data / "records" / RECORD_FILES[rrna16s.SOURCE]))
    rows = list(lineage_rows(entries, CLASS))
    assert len(rows) == sum(len(entry.sequence) >= 600 for entry in entries)
    assert all(len(row.sequence) == 300 for row in rows)
    assert rows[0].sequence == entries[0].sequence[300:600]
    assert rows[0].response == entries[0].lineage[2]


def test_coding_windows_lie_inside_a_gene_without_its_first_and_last_codon(contigs, tmp_path):
    inner = {}
    for contig in contigs:
        genes = [f.location for f in contig.features if f.type == "CDS" and len(f.location.parts) == 1]
        inner[contig.id] = [(int(place.start) + 3, int(place.end) - 3) for place in genes]
    rows = [row for row in coding_rows(contigs, tmp_path, seed=0) if row.response == "Yes"]
    for row in rows:
        start, end = map(int, row.name.split(":")[1].split("-"))
        assert any(first <= start and end <= last for first, last in inner[row.group])
        assert end - start == len(row.sequence)


def test_windows_of_both_answers_have_the_same_lengths_and_strands(contigs, tmp_path):
    rows = list(coding_rows(contigs, tmp_path, seed=0))
    lengths = {
        answer: Counter(len(r.sequence) for r in rows if r.response == answer) for answer in ("Yes", "No")
    }
    assert lengths["Yes"] == lengths["No"]
    bases = {contig.id: str(contig.seq).upper() for contig in contigs}
    for answer in ("Yes", "No"):
        asked = [row for row in rows if row.response == answer]
        forward = 0
        for row in asked:
            start, end = map(int, row.name.split(":")[1].split("-"))
            stretch = bases[row.group][start:end]
            assert row.sequence in (stretch, reverse_complement(stretch))
            forward += row.sequence == stretch
        assert 0.47 < forward / len(asked) < 0.53


def test_no_genus_and_no_contig_is_on_both_sides(tables, contigs, data, tmp_path):
    entries = rrna16s.read_rrna16s(data / "records" / RECORD_FILES[rrna16s.SOURCE])
    groups: dict[str, set[str]] = {}
    for row in [*lineage_rows(entries, PHYLUM), *coding_rows(contigs, tmp_path, seed=0)]:
        groups.setdefault(row.sequence, set()).add(row.group)
    sides = {split: set().union(*(groups[row["sequence"]] for row in rows)) for split, rows in tables.items()}
    assert min(map(len, sides.values())) > 100
    assert not sides["train"] & sides["val"]


def test_no_stretch_is_on_both_sides_on_either_strand(tables):
    train = {strand_free(row["sequence"]) for row in tables["train"]}
    assert not train & {strand_free(row["sequence"]) for row in tables["val"]}


def test_equal_stretches_count_once_and_shared_ones_not_at_all():
    rows = [
        TaskRow("AACG", "?", "x", "one", "a"),
        TaskRow("CGTT", "?", "x", "one", "b"),  # the reverse complement of the first
        TaskRow("GGG", "?", "x", "one", "c"),
        TaskRow("CCC", "?", "y", "two", "d"),
        TaskRow("TTA", "?", "y", "two", "e"),
    ]
    assert [row.name for row in distinct(rows)] == ["a", "e"]


def test_no_validation_stretch_of_the_genome_was_pretrained_on(tables, data):
    with (data / "pretrain_train_example.csv").open(newline="", encoding="utf-8") as stream:
        genome = " ".join(row["sequence"] for row in csv.DictReader(stream) if row["source"] == "genome")
    for row in tables["val"]:
        if row["question"] == CODING:
            assert row["sequence"] not in genome
            assert reverse_complement(row["sequence"]) not in genome


def test_tables_are_small_and_ask_three_questions(tables, data):
    for split, rows in tables.items():
        assert (data / TASK_FILES[split]).stat().st_size <= 2_000_000
        assert tuple(rows[0]) == TASK_COLUMNS
        assert {row["question"] for row in rows} == {PHYLUM, CLASS, CODING}
        answers = Counter(row["response"] for row in rows if row["question"] == CODING)
        assert 0.48 < answers["Yes"] / answers.total() < 0.52
