"""A VCF file in, the same records with scores out, as VCF and CSV.

job = VariantJob(Path("x.vcf.gz"), Reference(Path("genome.fa")), Path("scores.csv"), Path("scores.vcf"))
scorer = VariantScorer(PackedReader(Path("output/pretrain")), VariantSettings())
job.run(scorer, IndelControls(scorer, job.reference, count=50))
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from omnina.errors import UserError
from omnina.inference.variants.haplotypes import Windows, windows
from omnina.inference.variants.indel_controls import IndelControls
from omnina.inference.variants.records import Alternative, alternatives, opened_variants, records
from omnina.inference.variants.reference import Reference, required_pysam
from omnina.inference.variants.scoring import VariantScorer

RECORDS_AT_ONCE = 64
COLUMNS = ("chrom", "pos", "id", "ref", "alt", "score", "raw_score", "control_sd", "note")
SCORE, RAW, NOTE = "OMNINA_SCORE", "OMNINA_RAW", "OMNINA_NOTE"
DEFINITIONS = (
    f"##INFO=<ID={SCORE},Number=A,Type=Float,Description="
    '"OMNINA_RAW, for indels less the mean of random ones of the same length, by OmniNA">',
    f"##INFO=<ID={RAW},Number=A,Type=Float,Description="
    '"Log-likelihood of the alternative less that of the reference, natural logarithm, by OmniNA">',
    f"##INFO=<ID={NOTE},Number=.,Type=String,Description="
    '"Why an alternative has no score, or what to know of it, by OmniNA">',
)
INFO, ABSENT = 7, "."  # a column's place, and what stands for nothing
SHORT = "the contig is shorter than the window"
UNKNOWN = "N in the window"
UNCONTROLLED = "not corrected for its length: the genome has no place for random indels like it"


class VariantJob:
    """A command's input and outputs, checked without a model.

    Args:
        variants: VCF or BCF.
        reference: that its records refer to.
        table: the CSV to write.
        copy: the VCF to write; None: none.

    Raises UserError for an output that exists, or a record that cannot be read.
    """

    def __init__(self, variants: Path, reference: Reference, table: Path, copy: Path | None) -> None:
        self.variants, self.reference, self.table, self.copy = variants, reference, table, copy
        for path in filter(None, (table, copy)):
            if path.exists():
                raise UserError(f"{path}: this file exists; choose another name, or remove it.")
            path.parent.mkdir(parents=True, exist_ok=True)
        if copy is not None and not copy.name.endswith((".vcf", ".vcf.gz")):
            raise UserError(f"{copy}: give --output_vcf a name that ends in .vcf or .vcf.gz.")
        with opened_variants(variants) as source:
            for _ in records(source, variants):  # a broken one is found before a model is loaded
                pass

    def run(self, scorer: VariantScorer, controls: IndelControls | None) -> Counter[str]:
        """Write the outputs; counts records, alternatives, and those that were not scored.

        Args:
            scorer: of the checkpoint.
            controls: correct indels for their length; None: none are corrected.
        """
        tally: Counter[str] = Counter()
        with ExitStack() as stack:
            source = stack.enter_context(opened_variants(self.variants))
            table = csv.writer(
                stack.enter_context(_aside(self.table).open("w", encoding="utf-8", newline="")),
                lineterminator="\n",
            )
            table.writerow(COLUMNS)
            copy = stack.enter_context(self._opened_copy()) if self.copy else None
            if copy:
                copy.write(_header(str(source.header)))
            for record, rows in self._scored(source, scorer, controls):
                unscored = sum(row.score is None for row in rows)
                tally.update(records=1, alternatives=len(rows), unscored=unscored)
                table.writerows(_cells(record, row) for row in rows)
                if copy:
                    copy.write(_with_scores(str(record), rows))
        for path in filter(None, (self.table, self.copy)):
            _aside(path).replace(path)
        return tally

    def _opened_copy(self) -> BinaryIO:
        if self.copy.name.endswith(".gz"):
            return required_pysam().BGZFile(str(_aside(self.copy)), "wb")
        return _aside(self.copy).open("wb")

    def _scored(
        self, source, scorer: VariantScorer, controls: IndelControls | None
    ) -> Iterator[tuple[object, list["_Row"]]]:
        """Each record with its alternatives' scores."""
        stream = records(source, self.variants)
        while group := list(islice(stream, RECORDS_AT_ONCE)):
            of_records = [list(alternatives(record, self.reference)) for record in group]
            changes = [found for found in chain.from_iterable(of_records) if found.change is not None]
            pairs = [windows(found.contig, found.change, scorer.settings.window) for found in changes]
            raw = scorer.scores(pairs).tolist()
            scored = map(partial(_row, controls), changes, pairs, raw)
            for record, of_record in zip(group, of_records, strict=True):
                yield (
                    record,
                    [
                        _Row(found.text, found.reason) if found.change is None else next(scored)
                        for found in of_record
                    ],
                )


@dataclass(frozen=True)
class _Row:
    """An alternative with its scores, or the reason why it has none."""

    text: str
    note: str
    score: float | None = None
    raw: float | None = None
    deviation: float | None = None


def _row(controls: IndelControls | None, found: Alternative, pair: Windows, raw: float) -> _Row:
    control = controls.control(found.change) if controls else None
    notes = _notes(pair)
    if control is None:
        if controls and found.change.grows_by:
            notes.append(UNCONTROLLED)
        return _Row(found.text, "; ".join(notes), raw, raw)
    return _Row(found.text, "; ".join(notes), raw - control.mean, raw, control.deviation)


def _notes(pair: Windows) -> list[str]:
    texts = ["".join(window) for window in (*pair.ref, *pair.alt)]
    notes = [SHORT] if len(set(map(len, texts))) > 1 else []
    return [*notes, UNKNOWN] if any("N" in text for text in texts) else notes


def _aside(path: Path) -> Path:
    """Where it is written until it is whole; the suffixes say how, so they stay."""
    return path.with_name(f".partial-{path.name}")


def _cells(record, row: _Row) -> list[str]:
    figures = ["" if value is None else f"{value:.6g}" for value in (row.score, row.raw, row.deviation)]
    return [record.chrom, str(record.pos), record.id or "", record.ref, row.text, *figures, row.note]


def _header(text: str) -> bytes:
    """A VCF's header with our two entries before its line of columns."""
    *entries, columns = text.splitlines()
    return "".join(f"{line}\n" for line in (*entries, *DEFINITIONS, columns)).encode()


def _with_scores(line: str, rows: Sequence[_Row]) -> bytes:
    """A record's line with scores and notes in its INFO; nothing else of it changes."""
    cells = line.rstrip("\n").split("\t")
    entries = [
        f"{name}={','.join(ABSENT if value is None else f'{value:.6g}' for value in values)}"
        for name, values in ((SCORE, [row.score for row in rows]), (RAW, [row.raw for row in rows]))
    ]
    notes = dict.fromkeys(_as_info(row.note) for row in rows if row.note)
    if notes:
        entries.append(f"{NOTE}={','.join(notes)}")
    own = [] if cells[INFO] == ABSENT else [cells[INFO]]
    cells[INFO] = ";".join([*own, *entries])
    return ("\t".join(cells) + "\n").encode()


def _as_info(note: str) -> str:
    """Without spaces, and what INFO reserves: semicolons, commas and equals signs."""
    return "_".join(note.split()).translate(str.maketrans(";,=", ":::"))
