"""The example tables: real records -> the small CSVs that are committed under ``data/``.

    python scripts/make_example_data.py --records data/records --output data --seed 0

Takes seconds and writes the same bytes whenever the seed is the same.
"""

import csv
import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from omnina.chunking import SequenceRules
from omnina.corpus import genome, rrna16s
from omnina.corpus.entry import Entry
from omnina.corpus.selection import held_out_groups, seeded_key, seeded_sample, with_drop_reasons

RECORD_FILES = {
    rrna16s.SOURCE: "rRNA16S.gold.fasta.gz",
    genome.SOURCE: "leptospira_kirschneri_H1.gbk.gz",
}
FILE_NAMES = {"train": "pretrain_train_example.csv", "val": "pretrain_val_example.csv"}
COLUMNS = ("sequence", "response", "source")

# Bytes of rows, about 60 % 16S; the two train shares and the header stay under 2,000,000 bytes.
BUDGETS = {
    "train": {rrna16s.SOURCE: 1_195_000, genome.SOURCE: 795_000},
    "val": {rrna16s.SOURCE: 270_000, genome.SOURCE: 180_000},
}
HELD_OUT_SHARE = 0.15  # of a source's usable entries: several times what the val table takes
GENOME_GENUS = "Leptospira"  # the genome's genus: its 16S genes must not be a test of what was learned
NOT_SAMPLED = "usable, not sampled"


@dataclass(frozen=True)
class Example:
    """What was chosen.

    Attributes:
        tables: entries by split, in the order of their rows.
        fates: what became of the records, counted per source.
        held_out: genera and contigs that no training table may hold.
        usable: entries that could have been sampled.
    """

    tables: dict[str, list[Entry]]
    fates: dict[str, Counter[str]]
    held_out: set[str]
    usable: list[Entry]


def make_example(records: Path, output: Path, seed: int) -> Example:
    """Read both record files, write both CSVs and return what became of each entry.

    Raises UserError for record files that are missing or malformed.
    """
    example = select_example(read_records(records), seed)
    output.mkdir(parents=True, exist_ok=True)
    for split, entries in example.tables.items():
        text = csv_line(COLUMNS) + "".join(map(row_text, entries))
        (output / FILE_NAMES[split]).write_bytes(text.encode())
    return example


def read_records(records: Path) -> list[Entry]:
    """All entries of both files, 16S first."""
    rrna_entries = rrna16s.read_rrna16s(records / RECORD_FILES[rrna16s.SOURCE])
    return [*rrna_entries, *genome.read_genome(records / RECORD_FILES[genome.SOURCE])]


def select_example(entries: list[Entry], seed: int) -> Example:
    """Filter, split and sample; whole genera and whole contigs are held out."""
    marked = with_drop_reasons(entries, SequenceRules())
    usable = [entry for entry in marked if not entry.drop_reason]
    tables: dict[str, list[Entry]] = {"train": [], "val": []}
    all_held_out: set[str] = set()
    for source in RECORD_FILES:
        of_source = [entry for entry in usable if entry.source == source]
        held_out = held_out_groups(of_source, HELD_OUT_SHARE, seed, train_only_groups(entries))
        all_held_out |= held_out
        for split, table in tables.items():
            pool = [entry for entry in of_source if (entry.group in held_out) == (split == "val")]
            table += seeded_sample(pool, BUDGETS[split][source], seed, row_bytes)
    for table in tables.values():
        table.sort(key=lambda entry: seeded_key(seed, entry.name))
    return Example(tables, _counted_fates(marked, tables), all_held_out, usable)


def train_only_groups(entries: list[Entry]) -> set[str]:
    """The genome's genus and its contigs with rRNA genes: so like the 16S genes that they would leak."""
    contigs = {entry.group for entry in entries if entry.source == genome.SOURCE and entry.feature == "rRNA"}
    return contigs | {GENOME_GENUS}


def row_text(entry: Entry) -> str:
    """The entry's line in the CSV, line end included."""
    return csv_line(entry.cells)


def row_bytes(entry: Entry) -> int:
    """Bytes that the entry's line takes on disk."""
    return len(row_text(entry).encode())


def csv_line(cells: tuple[str, ...]) -> str:
    """One CSV record, quoted where needed, ending in LF on every system."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _counted_fates(marked: list[Entry], tables: dict[str, list[Entry]]) -> dict[str, Counter[str]]:
    split_of = {(e.source, e.name): split for split, table in tables.items() for e in table}
    fates: dict[str, Counter[str]] = {}
    for entry in marked:
        fate = entry.drop_reason or split_of.get((entry.source, entry.name), NOT_SAMPLED)
        fates.setdefault(entry.source, Counter())[fate] += 1
    return fates
