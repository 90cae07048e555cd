"""A file of sequences in, the same rows with their likelihoods out.

source = SequenceFile(Path("genes.fasta"))
plan = LikelihoodPlan(source, Path("scores.csv"))  # checks without a model
plan.run(PackedReader(Path("output/pretrain")))
"""

from collections import Counter
from pathlib import Path

from omnina.errors import UserError
from omnina.inference.answer_file import AnswerFile
from omnina.inference.likelihood import Likelihood, Scored, likelihoods
from omnina.inference.packed import PackedReader
from omnina.inference.queries import InputRow, SequenceFile, bad_row
from omnina.inference.row_job import RowJob

OF_SEQUENCE = {
    "log_likelihood": lambda found: found.sequence,
    "log_likelihood_per_base": lambda found: found.sequence / found.bases,
    "log_likelihood_per_token": lambda found: found.sequence / found.tokens,
    "bits_per_base": lambda found: found.bits_per_base,
    "perplexity": lambda found: found.perplexity,
    "tokens": lambda found: found.tokens,
    "windows": lambda found: found.windows,
}
OF_ANNOTATION = {
    "annotation_log_likelihood": lambda found: found.annotation,
    "annotation_perplexity": lambda found: found.annotation_perplexity,
    "log_likelihood_given_annotation": lambda found: found.sequence_given_annotation,
    "perplexity_given_annotation": lambda found: found.perplexity_given_annotation,
}
NOTE = "note"


class LikelihoodPlan:
    """A command's input and output, checked against each other; knows no model.

    Args:
        source: the rows; read once, to the end.
        output: the CSV to write.
        annotations: the column that holds them; None: sequences alone.
        skip_bad_rows: note what is wrong with a row instead of stopping at it.
        column_prefix: put before the names of the columns that are added.

    Raises UserError for an output that cannot be written, a column that is missing or would be there twice,
    or a row that cannot be read (unless skipped).
    """

    def __init__(
        self,
        source: SequenceFile,
        output: Path,
        *,
        annotations: str | None = None,
        skip_bad_rows: bool = False,
        column_prefix: str = "",
    ) -> None:
        self.source, self.annotations, self.skip_bad_rows = source, annotations, skip_bad_rows
        self.figures = OF_SEQUENCE | (OF_ANNOTATION if annotations else {})
        self.added = [column_prefix + name for name in (*self.figures, NOTE)]
        self._check_columns()
        self.output = AnswerFile(output)
        self.length = source.checked_length(skip_bad_rows)

    def run(self, reader: PackedReader) -> Counter[str]:
        """Write the output; returns how many rows there were, and how many got a note."""
        columns = [*self.source.columns, *self.added]
        stamp = {
            "checkpoint": str(reader.folder.resolve()),
            "model": reader.digest,
            "resolution": reader.resolution,
            "dtype": str(reader.dtype),
            "options": [self.annotations, self.skip_bad_rows, self.added],
        }
        job = RowJob(self.source, self.output, self.length, "scoring")
        return job.run(columns, lambda rows: self._scored(reader, rows), stamp)

    def _check_columns(self) -> None:
        columns, path = self.source.columns, self.source.path
        if self.annotations and self.annotations not in columns:
            raise UserError(
                f"{path}: there is no column '{self.annotations}' with annotations; its columns are "
                f"{', '.join(columns)}."
            )
        taken = sorted(set(columns) & set(self.added))
        if taken:
            raise UserError(
                f"{path}: the column '{taken[0]}' would be written twice; rename it, or give the added "
                "columns another name: --column_prefix model_"
            )

    def _scored(self, reader: PackedReader, rows: list[InputRow]) -> tuple[list[list[str]], Counter[str]]:
        read = [self._read(row) for row in rows]
        good = [row for row in read if isinstance(row, Scored)]
        of_good = iter(likelihoods(reader, good))
        found = [next(of_good) if isinstance(row, Scored) else row for row in read]
        bad = [(row, error) for row, error in zip(rows, found, strict=True) if isinstance(error, ValueError)]
        if bad and not self.skip_bad_rows:
            raise bad_row(bad[0][0], str(bad[0][1]))
        return [self._cells(*pair) for pair in zip(rows, found, strict=True)], Counter(noted=len(bad))

    def _read(self, row: InputRow) -> Scored | ValueError:
        try:
            nucleotides = self.source.checked(row)
        except ValueError as error:
            return error
        annotation = row.cell(self.source.columns, self.annotations) if self.annotations else ""
        return Scored(nucleotides, annotation.strip())

    def _cells(self, row: InputRow, found: Likelihood | ValueError) -> list[str]:
        if isinstance(found, ValueError):
            return [*row.cells, *[""] * len(self.figures), str(found)]
        values = [figure(found) for figure in self.figures.values()]
        return [*row.cells, *("" if value is None else f"{value:.8g}" for value in values), ""]
