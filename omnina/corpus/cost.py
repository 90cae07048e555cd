"""What a corpus of a given size costs, from measured rates: core-hours, disk, memory, nodes.

    print(cost_table(Corpus(), MEASURED))

A rate stands once, in ``Rates``; each line of the table shows its formula with the numbers in it.
"""

from dataclasses import dataclass
from typing import NamedTuple

from omnina.corpus.clustering import BYTES_A_PASSAGE

HOUR = 3600  # s
KEY_BYTES = 24  # of a window, on disk between the two passes
DUPLICATE_BYTES = 16  # of memory in the step between
STEP_BYTES = 64 * (4 << 20)  # the keys that the step holds at a time
LINK_BYTES = 4  # of a window, its parent among the clusters
GROUP_BYTES = 28  # parent, place and name of its group
TOKEN_BYTES = 2  # uint16


@dataclass(frozen=True)
class Corpus:
    """The published pretraining data: NCBI's nucleotide database to April 2023.

    Attributes:
        header_bytes: of a record in FASTA, about.
        window: bases.
        duplicates: share of windows that are left out as duplicates; an assumption, for memory only.
    """

    bases: float = 1.0762e12
    records: float = 91.7e6
    header_bytes: int = 90
    window: int = 3000
    duplicates: float = 0.1

    @property
    def windows(self) -> float:
        """A record's last window is half full on average."""
        return self.bases / self.window + self.records / 2


@dataclass(frozen=True)
class Rates:
    """Per core, from ``scripts/benchmark.py corpus`` on FASTA; bases are those of the records.

    Attributes:
        keys, rows: bases a second of the first pass (read, cut, filter, digest) and of the second (read, cut,
            filter, leave out duplicates, split, write).
        choice: windows a second of the step between.
        signatures: bases a second of the pass that near-duplicates take, bands sorted.
        bands: windows a second whose bands are compared; clusters: those that are joined.
        bases_written: bases of the tables for each base of the records: last windows reach back.
        table_bytes: of Parquet, for each base of the records.
        tokens: bases a second from table to shards of token ids, from ``scripts/benchmark.py tokenize``.
        bases_per_token: of a vocabulary of 4,096.
        cores_per_node: of the cluster.
    """

    keys: float
    rows: float
    choice: float
    signatures: float
    bands: float
    clusters: float
    bases_written: float
    table_bytes: float
    tokens: float = 6.7e6
    bases_per_token: float = 4.9
    cores_per_node: int = 64


# One core of an AMD EPYC virtual machine, Python 3.11, pyarrow's zstd; see docs/corpus_cost.md.
MEASURED = Rates(
    keys=97e6,
    rows=65e6,
    choice=3.2e6,
    signatures=13.7e6,
    bands=34.1e3,
    clusters=0.8e6,
    bases_written=1.096,
    table_bytes=0.318,
)


class Line(NamedTuple):
    """A line of the table."""

    what: str
    formula: str
    result: str


def cost_table(corpus: Corpus, rates: Rates) -> str:
    """All lines as a Markdown table."""
    lines = [*core_hours(corpus, rates), *storage(corpus, rates), *near_duplicates(corpus, rates)]
    header = "| what | formula | result |\n|---|---|---:|\n"
    return header + "".join(f"| {line.what} | {line.formula} | {line.result} |\n" for line in lines)


def core_hours(corpus: Corpus, rates: Rates) -> list[Line]:
    """Processor time of each step, their sum, and how many nodes do it in a day."""
    written = corpus.bases * rates.bases_written
    steps = [
        ("read, cut, filter, digest", corpus.bases, "bases", rates.keys),
        ("choose the first of equal windows", corpus.windows, "windows", rates.choice),
        ("read again, split, write Parquet", corpus.bases, "bases", rates.rows),
        ("tokenise", written, "bases", rates.tokens),
    ]
    total = sum(amount / rate / HOUR for _, amount, _, rate in steps)
    cores = rates.cores_per_node
    return [
        *map(_hours, steps),
        Line("all of it", "sum", f"{total:.1f} core-hours"),
        Line(
            f"nodes of {cores} cores for one day",
            f"{total:.1f} / 24 / {cores}",
            f"{total / 24 / cores:.2f} nodes",
        ),
    ]


def storage(corpus: Corpus, rates: Rates) -> list[Line]:
    """Disk of what goes in, between and out, and memory of the step between."""
    fasta = corpus.bases * 81 / 80 + corpus.records * corpus.header_bytes
    tables = corpus.bases * rates.table_bytes
    tokens = corpus.bases * rates.bases_written / rates.bases_per_token
    duplicates = corpus.windows * corpus.duplicates
    return [
        Line(
            "disk: FASTA, lines of 80",
            f"{corpus.bases:.4g} x 81 / 80 + {corpus.records:.3g} x {corpus.header_bytes}",
            f"{fasta / 1e12:.2f} TB",
        ),
        Line(
            "disk: keys between the passes",
            f"{corpus.windows:.3g} windows x {KEY_BYTES}",
            f"{corpus.windows * KEY_BYTES / 1e9:.1f} GB",
        ),
        Line("disk: tables", f"{corpus.bases:.4g} x {rates.table_bytes:.3g}", f"{tables / 1e12:.2f} TB"),
        Line(
            "disk: tokens (uint16)",
            f"{corpus.bases:.4g} x {rates.bases_written:.3g} / {rates.bases_per_token} x {TOKEN_BYTES}",
            f"{tokens * TOKEN_BYTES / 1e12:.2f} TB",
        ),
        Line(
            f"memory: the step between, {corpus.duplicates:.0%} duplicates",
            f"{STEP_BYTES / 1e9:.2f} GB + {duplicates:.3g} x {DUPLICATE_BYTES}",
            f"{(STEP_BYTES + duplicates * DUPLICATE_BYTES) / 1e9:.1f} GB",
        ),
    ]


def near_duplicates(corpus: Corpus, rates: Rates) -> list[Line]:
    """What ``dedup.near``, or a split by cluster, takes on top: processor time, disk, memory."""
    steps = [
        ("near-duplicates: read, sign, sort bands", corpus.bases, "bases", rates.signatures),
        ("near-duplicates: compare by bands", corpus.windows, "windows", rates.bands),
        ("near-duplicates: join clusters", corpus.windows, "windows", rates.clusters),
    ]
    return [
        *map(_hours, steps),
        Line(
            "near-duplicates: disk until the tables are there",
            f"{corpus.windows:.3g} windows x {BYTES_A_PASSAGE:,}",
            f"{corpus.windows * BYTES_A_PASSAGE / 1e12:.2f} TB",
        ),
        Line(
            "near-duplicates: mapped by a task for bands",
            f"{corpus.windows:.3g} windows x {LINK_BYTES}",
            f"{corpus.windows * LINK_BYTES / 1e9:.1f} GB",
        ),
        Line(
            "near-duplicates: mapped by the task that joins",
            f"{corpus.windows:.3g} windows x {GROUP_BYTES}",
            f"{corpus.windows * GROUP_BYTES / 1e9:.1f} GB",
        ),
    ]


def _hours(step: tuple[str, float, str, float]) -> Line:
    what, amount, unit, rate = step
    hours = amount / rate / HOUR
    return Line(what, f"{amount:.4g} {unit} / {rate:.3g} a second / 3,600", f"{hours:.2f} core-hours")
