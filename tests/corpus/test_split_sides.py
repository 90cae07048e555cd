"""What a split keeps together: no side holds the bases of another, whatever the passages are."""

import random
from pathlib import Path

import pytest
import yaml
from Bio import SeqIO
from Bio.Seq import Seq
from Bio.SeqFeature import SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord
from planted import copy_of, dna, reverse_complement

pytest.importorskip("datatrove")

from omnina.corpus.build import build_corpus
from omnina.corpus.dedup.contamination import find_contamination
from omnina.corpus.executors import ExecutorSettings
from omnina.tables.table import read_rows

SHARES = {"train": 0.5, "val": 0.25, "test": 0.25}
GENE, DISTANCE = 300, 400


def write_genbank(path: Path, records: dict[str, str]) -> None:
    """Records of these names, versions included, with a gene every 400 bases and a small one inside each."""
    made = []
    for accession, bases in records.items():
        record = SeqRecord(Seq(bases), accession, accession.partition(".")[0], "a test record")
        record.annotations = {"molecule_type": "DNA", "organism": f"Genus{accession.partition('.')[0]} sp"}
        for start in range(50, len(bases) - GENE, DISTANCE):
            for begin, end in ((start, start + GENE), (start + 100, start + 200)):
                record.features.append(SeqFeature(SimpleLocation(begin, end, 1), type="CDS"))
        made.append(record)
    SeqIO.write(made, path, "genbank")


def build(folder: Path, by: str, *sources: dict, tasks: int = 2) -> dict[str, list[dict[str, str]]]:
    """Rows of each side that has some."""
    values = {
        "sources": list(sources),
        "templates": {"annotations": [{"response": "{accession}"}]},
        "filters": {"min_bases": 60},
        "split": {"by": by, "shares": SHARES, "seed": 2},
        "output": {"format": "csv"},
    }
    (folder / "corpus.yaml").write_text(yaml.safe_dump(values))
    build_corpus(folder / "corpus.yaml", folder, folder / "out", ExecutorSettings(tasks=tasks))
    paths = {side: sorted((folder / "out").glob(f"{side}-*.csv")) for side in SHARES}
    return {side: [row for path in found for _, row in read_rows(path)] for side, found in paths.items()}


def twins(folder: Path) -> int:
    """Rows outside training that have a twin in it."""
    train, *held_out = (sorted((folder / "out").glob(f"{side}-*.csv")) for side in SHARES)
    rows, found = find_contamination(train, [path for paths in held_out for path in paths]).rows()
    assert rows > 20  # else nothing is shown
    return found


@pytest.fixture
def records() -> dict[str, str]:
    rng = random.Random(7)
    return {f"A{n}.1": dna(rng, 3000) for n in range(16)}


@pytest.mark.parametrize(
    "passages",
    [
        {"passages": "both"},
        {"passages": "both", "window": 500, "overlap": 200},
        {"passages": "whole", "window": 500, "overlap": 200},
        {"passages": "features", "flank": 200},
        {"passages": "features"},
    ],
    ids=str,
)
def test_no_cluster_s_bases_are_on_two_sides(tmp_path, records, passages):
    write_genbank(tmp_path / "a.gb", records)
    build(
        tmp_path,
        "cluster",
        {"path": "a.gb", "feature_types": ["CDS"]} | passages
        if passages["passages"] != "whole"
        else {"path": "a.gb"} | passages,
    )
    assert twins(tmp_path) == 0


def test_accessions_that_a_duplicate_links_are_on_one_side(tmp_path, records):
    """Each record has the turned first gene of the one before it, which is left out there or here."""
    names = list(records)
    gene = slice(50, 50 + GENE)
    for first, second in zip(names[::2], names[1::2], strict=True):
        bases = records[second]
        records[second] = bases[:850] + reverse_complement(records[first][gene]) + bases[850 + GENE :]
    write_genbank(tmp_path / "a.gb", records)
    build(tmp_path, "cluster", {"path": "a.gb", "passages": "both", "feature_types": ["CDS"]})
    assert twins(tmp_path) == 0


@pytest.mark.parametrize("by", ["accession", "cluster"])
def test_versions_of_a_record_are_on_one_side(tmp_path, records, by):
    rng = random.Random(8)
    write_genbank(tmp_path / "old.gb", records)
    renewed = {name.replace(".1", ".2"): copy_of(rng, bases, 0.01) for name, bases in records.items()}
    write_genbank(tmp_path / "new.gb", renewed)
    build(tmp_path, by, {"path": "*.gb", "passages": "features", "feature_types": ["CDS"]})
    assert twins(tmp_path) == 0


def test_contigs_of_a_file_are_on_one_side_and_those_of_other_files_elsewhere(tmp_path):
    rng = random.Random(9)
    for genome in range(20):
        (tmp_path / f"g{genome}").mkdir()
        contigs = {f"contig_{n}": dna(rng, 800) for n in range(3)}
        write_genbank(tmp_path / f"g{genome}" / "genome.gb", contigs)
    sides = build(tmp_path, "file", {"path": "*/genome.gb"})
    files = {side: {row["source_file"] for row in rows} for side, rows in sides.items()}
    assert all(files.values())
    assert sum(map(len, files.values())) == 20 == len(set.union(*files.values()))
    assert sum(map(len, sides.values())) == 60


def test_a_copy_without_a_taxon_does_not_stand_for_one_that_has_it(tmp_path, records):
    text = "".join(f">f{name}\n{bases}\n" for name, bases in records.items())
    (tmp_path / "a.fa").write_text(text)
    write_genbank(tmp_path / "b.gb", records)
    sides = build(tmp_path, "taxon", {"path": "a.fa"}, {"path": "b.gb"})
    assert {row["accession"] for rows in sides.values() for row in rows} == set(records)
