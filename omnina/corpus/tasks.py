"""Questions with known answers, from the records of the example: the fine-tuning tables.

Three questions: the phylum and the class of a 16S gene, read from its bases 301 to 600 (around the variable
regions 3 and 4 that amplicon studies sequence), and whether a stretch of the genome codes for a protein. For
the last, windows are cut INSIDE coding sequences, without their first and last codon, at a
random phase and on a random strand, against intergenic windows of the same lengths: a coding sequence that
begins with its start codon would be told by its first three letters.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from Bio.Seq import reverse_complement
from Bio.SeqRecord import SeqRecord

from omnina.corpus import genome, rrna16s
from omnina.corpus.entry import Entry, checked_bases
from omnina.corpus.example import RECORD_FILES, Example, csv_line
from omnina.corpus.selection import seeded_key, strand_free

PHYLUM = "Which phylum is this 16S ribosomal RNA gene from?"
CLASS = "Which class is this 16S ribosomal RNA gene from?"
CODING = "Does this sequence code for a protein?"
RANKS = {PHYLUM: 1, CLASS: 2}  # places in a lineage that starts with the domain
AMPLICON = slice(300, 600)  # of a 16S gene: shorter rows, so more genera in a table of a given size
LONGEST_WINDOW, SHORTEST_WINDOW = 300, 200  # bases
CODON = 3
TASK_FILES = {"train": "finetune_train_example.csv", "val": "finetune_val_example.csv"}
TASK_COLUMNS = ("sequence", "question", "response")
# Bytes of rows by question; with the header the training table stays under 2,000,000 bytes.
TASK_BUDGETS = {
    "train": {PHYLUM: 1_000_000, CLASS: 250_000, CODING: 740_000},
    "val": {PHYLUM: 250_000, CLASS: 200_000, CODING: 320_000},
}


@dataclass(frozen=True)
class TaskRow:
    """One row of a fine-tuning table; ``group`` is the genus or contig that stays on one side."""

    sequence: str
    question: str
    response: str
    group: str
    name: str

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as it stands in the table."""
        return self.sequence, self.question, self.response


def make_tasks(example: Example, records: Path, output: Path, seed: int) -> dict[str, list[TaskRow]]:
    """Write both fine-tuning tables; genera and contigs held out in pretraining are held out here too."""
    path = records / RECORD_FILES[genome.SOURCE]
    questions = {question: list(lineage_rows(example.usable, question)) for question in RANKS}
    questions[CODING] = list(coding_rows(genome.read_contigs(path), path, seed))
    tables: dict[str, list[TaskRow]] = {}
    for split, budgets in TASK_BUDGETS.items():
        tables[split] = []
        for question, budget in budgets.items():
            usable = distinct(questions[question])
            pool = [row for row in usable if (row.group in example.held_out) == (split == "val")]
            tables[split] += _sample(pool, budget, seed)
        tables[split].sort(key=lambda row: seeded_key(seed, row.name))
        lines = [TASK_COLUMNS, *(row.cells for row in tables[split])]
        (output / TASK_FILES[split]).write_bytes("".join(map(csv_line, lines)).encode())
    return tables


def distinct(rows: Sequence[TaskRow]) -> list[TaskRow]:
    """Each stretch once, on either strand, and none that several genera or contigs share."""
    groups: dict[str, set[str]] = {}
    for row in rows:
        groups.setdefault(strand_free(row.sequence), set()).add(row.group)
    first = {strand_free(row.sequence): row for row in reversed(rows)}
    return [row for bases, row in reversed(first.items()) if len(groups[bases]) == 1]


def lineage_rows(entries: Iterable[Entry], question: str) -> Iterator[TaskRow]:
    """One row per 16S gene of 600 bases or more: its name at the question's rank, as the file writes it."""
    for entry in entries:
        if entry.source == rrna16s.SOURCE and len(entry.sequence) >= AMPLICON.stop:
            answer = entry.lineage[RANKS[question]]
            name = f"{question} {entry.name}"
            yield TaskRow(entry.sequence[AMPLICON], question, answer, entry.group, name)


def coding_rows(contigs: Iterable[SeqRecord], path: Path, seed: int) -> Iterator[TaskRow]:
    """Pairs of an intergenic window and one of the same length inside a CDS of the same contig."""
    for contig in contigs:
        bases = checked_bases(str(contig.seq), path, contig.id)
        generator = random.Random(seeded_key(seed, contig.id))
        genes = sorted(_coding_spans(contig))
        for start, end in intergenic_windows(contig):
            inside = _window_inside(genes, end - start, generator)
            if inside is not None:
                yield _coding_row(bases, (start, end), "No", contig.id, generator)
                yield _coding_row(bases, inside, "Yes", contig.id, generator)


def intergenic_windows(contig: SeqRecord) -> Iterator[tuple[int, int]]:
    """(start, end) of pieces of 200 to 300 bases that no annotated feature touches."""
    spans = sorted(
        (int(part.start), int(part.end))
        for feature in contig.features
        if feature.type != "source"
        for part in feature.location.parts
    )
    free_from = 0
    for start, end in [*spans, (len(contig.seq), len(contig.seq))]:
        for first in range(free_from, start, LONGEST_WINDOW):
            if min(first + LONGEST_WINDOW, start) - first >= SHORTEST_WINDOW:
                yield first, min(first + LONGEST_WINDOW, start)
        free_from = max(free_from, end)


def _coding_spans(contig: SeqRecord) -> Iterator[tuple[int, int]]:
    """(start, end) of the inner codons of each whole, uninterrupted CDS that is no pseudo gene."""
    for feature in contig.features:
        if feature.type == "CDS" and len(feature.location.parts) == 1 and "pseudo" not in feature.qualifiers:
            yield int(feature.location.start) + CODON, int(feature.location.end) - CODON


def _window_inside(
    genes: list[tuple[int, int]], length: int, generator: random.Random
) -> tuple[int, int] | None:
    """A place in a random gene that is long enough, at a random phase; None if there is no such gene."""
    fitting = [(start, end) for start, end in genes if end - start >= length]
    if not fitting:
        return None
    start, end = generator.choice(fitting)
    first = generator.randint(start, end - length)
    return first, first + length


def _coding_row(
    bases: str, span: tuple[int, int], answer: str, contig: str, generator: random.Random
) -> TaskRow:
    sequence = bases[slice(*span)]
    if generator.random() < 0.5:
        sequence = reverse_complement(sequence)
    return TaskRow(sequence, CODING, answer, contig, f"{contig}:{span[0]}-{span[1]}:{answer}")


def _sample(pool: list[TaskRow], budget: int, seed: int) -> list[TaskRow]:
    """Rows in seeded order up to the first that would exceed ``budget`` (bytes)."""
    taken = []
    for row in sorted(pool, key=lambda row: seeded_key(seed, row.name)):
        budget -= len(csv_line(row.cells).encode())
        if budget < 0:
            break
        taken.append(row)
    return taken
