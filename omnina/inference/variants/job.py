"""A VCF file in, the same records with scores out, as VCF and CSV.

job = VariantJob(Path("x.vcf.gz"), Reference(Path("genome.fa")), Path("scores.csv"), Path("scores.vcf"))
scorer = VariantScorer(PackedReader(Path("output/pretrain")), VariantSettings())
job.run(AlternativeScorer(scorer, IndelControls(scorer, job.reference, count=50)))
"""

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from omnina.errors import UserError
from omnina.files.new_file import check_new_file
from omnina.inference.variants.alternatives import AlternativeScorer
from omnina.inference.variants.outputs import (
    CHANGE,
    COLUMNS,
    ScoredAlternative,
    cells_of,
    header_with_scores,
    record_with_scores,
)
from omnina.inference.variants.records import alternatives, opened_variants, record_lines, records
from omnina.inference.variants.reference import Reference, required_pysam
from omnina.progress import progress_bar

RECORDS_AT_ONCE = 64


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
        if copy is not None and not copy.name.endswith((".vcf", ".vcf.gz")):
            raise UserError(f"{copy}: give --output_vcf a name that ends in .vcf or .vcf.gz.")
        if table == copy:
            raise UserError(f"{table}: --output is the CSV file, --output_vcf another one.")
        check_new_file(table, "--output")
        if copy is not None:
            check_new_file(copy, "--output_vcf")
        self.count = 0
        with opened_variants(variants) as source:
            for _ in records(source, variants):  # a broken one is found before a model is loaded
                self.count += 1

    def run(self, scorer: AlternativeScorer) -> Counter[str]:
        """Write the outputs; counts records, alternatives, and those that were not scored."""
        try:
            tally = self._write(scorer)
            for path in self._outputs():
                _aside(path).replace(path)
        finally:
            for path in self._outputs():
                _aside(path).unlink(missing_ok=True)
        return tally

    def _write(self, scorer: AlternativeScorer) -> Counter[str]:
        tally: Counter[str] = Counter()
        with ExitStack() as stack:
            source = stack.enter_context(opened_variants(self.variants))
            stream = stack.enter_context(_aside(self.table).open("w", encoding="utf-8", newline=""))
            copy = stack.enter_context(self._opened_copy()) if self.copy else None
            table = csv.writer(stream, lineterminator="\n")
            table.writerow([*COLUMNS, *map(CHANGE.format, scorer.labels)])
            if copy:
                question = scorer.answers.question if scorer.answers else None
                copy.write(header_with_scores(str(source.header), question))
            lines = record_lines(self.variants)
            for record, rows in self._scored(source, scorer):
                unscored = sum(row.score is None for row in rows)
                tally.update(records=1, alternatives=len(rows), unscored=unscored)
                table.writerows(cells_of(record, row, len(scorer.labels)) for row in rows)
                if copy:
                    line = next(lines) if lines else str(record)
                    copy.write(record_with_scores(line, rows, scorer.labels))
        return tally

    def _outputs(self) -> list[Path]:
        return [path for path in (self.table, self.copy) if path is not None]

    def _opened_copy(self) -> BinaryIO:
        if self.copy.name.endswith(".gz"):
            return required_pysam().BGZFile(str(_aside(self.copy)), "wb")
        return _aside(self.copy).open("wb")

    def _scored(self, source, scorer: AlternativeScorer) -> Iterator[tuple[object, list[ScoredAlternative]]]:
        """Each record with its alternatives' scores."""
        stream = records(source, self.variants)
        with progress_bar("scoring", "records", self.count) as bar:
            while group := list(islice(stream, RECORDS_AT_ONCE)):
                of_records = [list(alternatives(record, self.reference)) for record in group]
                scored = iter(scorer.score(list(chain.from_iterable(of_records))))
                for record, found in zip(group, of_records, strict=True):
                    yield record, list(islice(scored, len(found)))
                bar.update(len(group))


def _aside(path: Path) -> Path:
    """Where it is written until it is whole; the suffixes say how, so they stay."""
    return path.with_name(f".partial-{path.name}")
