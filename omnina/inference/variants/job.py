"""A VCF file in, the same records with scores out, as VCF and CSV.

job = VariantJob(Path("x.vcf.gz"), Reference(Path("genome.fa")), Path("scores.csv"), Path("scores.vcf"))
scorer = VariantScorer(PackedReader(Path("output/pretrain")), VariantSettings())
job.run(scorer, IndelControls(scorer, job.reference, count=50), None)
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from omnina.errors import UserError
from omnina.inference.variants.answers import AnswerScorer
from omnina.inference.variants.haplotypes import Windows, windows
from omnina.inference.variants.indel_controls import IndelControls
from omnina.inference.variants.outputs import (
    CHANGE,
    COLUMNS,
    ScoredAlternative,
    cells_of,
    header_with_scores,
    record_with_scores,
)
from omnina.inference.variants.records import Alternative, alternatives, opened_variants, records
from omnina.inference.variants.reference import Reference, required_pysam
from omnina.inference.variants.scoring import VariantScorer

RECORDS_AT_ONCE = 64
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

    def run(
        self, scorer: VariantScorer, controls: IndelControls | None, answers: AnswerScorer | None
    ) -> Counter[str]:
        """Write the outputs; counts records, alternatives, and those that were not scored.

        Args:
            scorer: of the checkpoint.
            controls: correct indels for their length; None: none are corrected.
            answers: to a question, to be compared too; None: none is asked.
        """
        tally: Counter[str] = Counter()
        with ExitStack() as stack:
            source = stack.enter_context(opened_variants(self.variants))
            table = csv.writer(
                stack.enter_context(_aside(self.table).open("w", encoding="utf-8", newline="")),
                lineterminator="\n",
            )
            labels = answers.labels if answers else []
            table.writerow([*COLUMNS, *map(CHANGE.format, labels)])
            copy = stack.enter_context(self._opened_copy()) if self.copy else None
            if copy:
                copy.write(header_with_scores(str(source.header), answers and answers.question))
            for record, rows in self._scored(source, scorer, controls, answers):
                unscored = sum(row.score is None for row in rows)
                tally.update(records=1, alternatives=len(rows), unscored=unscored)
                table.writerows(cells_of(record, row, len(labels)) for row in rows)
                if copy:
                    copy.write(record_with_scores(str(record), rows, labels))
        for path in filter(None, (self.table, self.copy)):
            _aside(path).replace(path)
        return tally

    def _opened_copy(self) -> BinaryIO:
        if self.copy.name.endswith(".gz"):
            return required_pysam().BGZFile(str(_aside(self.copy)), "wb")
        return _aside(self.copy).open("wb")

    def _scored(
        self,
        source,
        scorer: VariantScorer,
        controls: IndelControls | None,
        answers: AnswerScorer | None,
    ) -> Iterator[tuple[object, list[ScoredAlternative]]]:
        """Each record with its alternatives' scores."""
        stream = records(source, self.variants)
        while group := list(islice(stream, RECORDS_AT_ONCE)):
            of_records = [list(alternatives(record, self.reference)) for record in group]
            changes = [found for found in chain.from_iterable(of_records) if found.change is not None]
            pairs = [windows(found.contig, found.change, scorer.settings.window) for found in changes]
            raw = scorer.scores(pairs).tolist()
            answered = answers.changes(pairs).tolist() if answers else [()] * len(pairs)
            scored = map(partial(_row, controls), changes, pairs, raw, answered)
            for record, of_record in zip(group, of_records, strict=True):
                yield (
                    record,
                    [
                        ScoredAlternative(found.text, found.reason) if found.change is None else next(scored)
                        for found in of_record
                    ],
                )


def _row(
    controls: IndelControls | None,
    found: Alternative,
    pair: Windows,
    raw: float,
    changes: Sequence[float],
) -> ScoredAlternative:
    control = controls.control(found.change) if controls else None
    notes = _notes(pair)
    if control is None:
        if controls and found.change.grows_by:
            notes.append(UNCONTROLLED)
        return ScoredAlternative(found.text, "; ".join(notes), raw, raw, changes=changes)
    figures = (raw - control.mean, raw, control.deviation)
    return ScoredAlternative(found.text, "; ".join(notes), *figures, changes)


def _notes(pair: Windows) -> list[str]:
    texts = ["".join(window) for window in (*pair.ref, *pair.alt)]
    notes = [SHORT] if len(set(map(len, texts))) > 1 else []
    return [*notes, UNKNOWN] if any("N" in text for text in texts) else notes


def _aside(path: Path) -> Path:
    """Where it is written until it is whole; the suffixes say how, so they stay."""
    return path.with_name(f".partial-{path.name}")
