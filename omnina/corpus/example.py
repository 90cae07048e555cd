"""The committed example tables: a seeded sample of 16S genes and of a genome's genes, split by group.

No genus (16S) and no contig (genome) is on both sides. The genome's own genus and its contigs with
ribosomal RNA stay on the training side, so that no 16S gene of validation has its copy in training.
"""

import csv
import io
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from omnina.corpus import genome, rrna16s
from omnina.corpus.record import AnnotatedSequence, screened

COLUMNS = ("sequence", "response", "source")
RECORDS_16S = "rRNA16S.gold.fasta.gz"
RECORDS_GENOME = "leptospira_kirschneri_H1.gbk.gz"
GENOME_GENUS = "Leptospira"
# Bytes of each table by source: 60 % 16S, 40 % genome; the largest table stays under 2 MB.
TRAIN_BYTES = {rrna16s.SOURCE: 1_195_000, genome.SOURCE: 797_000}
VAL_BYTES = {rrna16s.SOURCE: 276_000, genome.SOURCE: 184_000}


@dataclass
class Tally:
    """Where a source's records went: ``records`` = train + val + sum(dropped) + not sampled."""

    records: int = 0
    train: int = 0
    val: int = 0
    not_sampled: int = 0
    dropped: Counter = field(default_factory=Counter)


@dataclass
class Example:
    """Both tables' rows, and a tally per source."""

    train: list[AnnotatedSequence]
    val: list[AnnotatedSequence]
    tallies: dict[str, Tally]


def build_example(records: Path, seed: int) -> Example:
    """Read, screen, split and sample; the same seed gives the same rows.

    Args:
        records: folder that holds the two record files.
        seed: chooses groups for validation and the rows of each table.
    """
    tallies = {rrna16s.SOURCE: Tally(), genome.SOURCE: Tally()}
    counts = tallies[rrna16s.SOURCE]
    counts.records, genes_16s = rrna16s.read_16s(records / RECORDS_16S, counts.dropped)
    read = genome.read_genome(records / RECORDS_GENOME, tallies[genome.SOURCE].dropped)
    tallies[genome.SOURCE].records = read.features
    train_only = {GENOME_GENUS, *read.ribosomal_contigs}
    generator = random.Random(seed)
    example = Example([], [], tallies)
    for source, rows in ((rrna16s.SOURCE, genes_16s), (genome.SOURCE, read.genes)):
        kept = screened(rows, tallies[source].dropped)
        _split(kept, source, train_only, generator, example)
    generator.shuffle(example.train)
    generator.shuffle(example.val)
    return example


def write_table(rows: list[AnnotatedSequence], path: Path) -> None:
    """Write rows as CSV, UTF-8, LF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(csv_line(*COLUMNS) + "".join(map(_line, rows)), encoding="utf-8", newline="")


def csv_line(*cells: str) -> str:
    """One CSV record with its line end."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _line(row: AnnotatedSequence) -> str:
    return csv_line(row.sequence, row.response, row.source)


def _split(
    rows: list[AnnotatedSequence],
    source: str,
    train_only: set[str],
    generator: random.Random,
    example: Example,
) -> None:
    """Whole groups to validation until it is full; then the training sample from the groups left."""
    groups = sorted({row.group for row in rows} - train_only)
    generator.shuffle(groups)
    by_group = {group: [row for row in rows if row.group == group] for group in groups}
    val, chosen = [], set()
    for group in groups:
        if _size(val) + _size(by_group[group]) <= VAL_BYTES[source]:
            val += by_group[group]
            chosen.add(group)
    train = _sample([row for row in rows if row.group not in chosen], TRAIN_BYTES[source], generator)
    example.train += train
    example.val += val
    tally = example.tallies[source]
    tally.train, tally.val = len(train), len(val)
    tally.not_sampled = len(rows) - len(train) - len(val)


def _sample(rows: list[AnnotatedSequence], budget: int, generator: random.Random) -> list[AnnotatedSequence]:
    """Rows in random order, each taken if it still fits the budget (bytes)."""
    sample, size = [], 0
    for row in generator.sample(rows, len(rows)):
        added = len(_line(row).encode())
        if size + added <= budget:
            sample.append(row)
            size += added
    return sample


def _size(rows: list[AnnotatedSequence]) -> int:
    return sum(len(_line(row).encode()) for row in rows)
