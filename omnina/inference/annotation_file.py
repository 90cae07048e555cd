"""A file of sequences in, a CSV of their annotations out, and the same as GFF3.

plan = AnnotationPlan(SequenceFile(Path("contigs.fasta")), Path("annotations.csv"))
plan.run(Annotator(PackedReader(Path("output/pretrain")), Decoding()))
write_gff3(Path("annotations.csv"), Path("annotations.gff3"))
"""

import csv
from collections import Counter
from dataclasses import asdict
from math import exp
from pathlib import Path
from urllib.parse import quote

from omnina.chunking import Nucleotides
from omnina.errors import UserError
from omnina.files.new_file import check_new_file
from omnina.inference.annotation import Annotation, Annotator
from omnina.inference.answer_file import AnswerFile
from omnina.inference.queries import InputRow, SequenceFile, bad_row
from omnina.inference.row_job import RowJob

COLUMNS = ("id", "start", "end", "annotation", "log_likelihood", "perplexity", "tokens", "note")
ID_COLUMN = "id"
CUT_OFF = "cut off"
GFF_HEADER = "##gff-version 3\n"
UNRESERVED = "!$'()*+-./:<>?@^_|~ "  # in GFF3's attributes, beside letters and digits


class AnnotationPlan:
    """A command's input and output, checked without a model.

    Args:
        source: the sequences; read once, to the end. A table's ids are in its column ``id``, else its rows
            are numbered from 0.
        output: the CSV to write.
        skip_bad_rows: note what is wrong with a row instead of stopping at it.

    Raises UserError for an output that cannot be written, or a row that cannot be read (unless skipped).
    """

    def __init__(self, source: SequenceFile, output: Path, *, skip_bad_rows: bool = False) -> None:
        self.source, self.skip_bad_rows = source, skip_bad_rows
        self.output = AnswerFile(output)
        self.length = source.checked_length(skip_bad_rows)

    def run(self, annotator: Annotator) -> Counter[str]:
        """Write the CSV, a line for each annotation; counts rows, annotations, and rows with a note."""
        reader = annotator.reader
        stamp = {
            "checkpoint": str(reader.folder.resolve()),
            "model": reader.digest,
            "resolution": reader.resolution,
            "dtype": str(reader.dtype),
            "decoding": asdict(annotator.decoding),
            "options": [annotator.each, self.skip_bad_rows],
        }
        job = RowJob(self.source, self.output, self.length, "annotating")
        return job.run(COLUMNS, lambda rows: self._annotated(annotator, rows), stamp)

    def _annotated(self, annotator: Annotator, rows: list[InputRow]) -> tuple[list[list[str]], Counter[str]]:
        read = [self._read(annotator, row) for row in rows]
        good = [
            row for row, nucleotides in zip(rows, read, strict=True) if isinstance(nucleotides, Nucleotides)
        ]
        sequences = [nucleotides for nucleotides in read if isinstance(nucleotides, Nucleotides)]
        found = iter(annotator.annotate(sequences, [row.number for row in good]))
        lines: list[list[str]] = []
        counts: Counter[str] = Counter(noted=len(rows) - len(good))
        for row, nucleotides in zip(rows, read, strict=True):
            if isinstance(nucleotides, ValueError):
                lines.append([self._id(row), *[""] * (len(COLUMNS) - 2), str(nucleotides)])
                continue
            annotations = next(found)
            counts["annotations"] += len(annotations)
            lines += [[self._id(row), *_cells(annotation)] for annotation in annotations]
        return lines, counts

    def _read(self, annotator: Annotator, row: InputRow) -> Nucleotides | ValueError:
        """The row's sequence, or why it cannot be annotated; UserError unless such rows are skipped."""
        try:
            nucleotides = self.source.checked(row)
            annotator.check(nucleotides)
        except ValueError as error:
            if not self.skip_bad_rows:
                raise bad_row(row, str(error)) from error
            return error
        return nucleotides

    def _id(self, row: InputRow) -> str:
        return row.cell(self.source.columns, ID_COLUMN) or str(row.number)


def check_gff3(path: Path, annotations: Path) -> None:
    """Make its folder; UserError for a GFF3 file that exists or is the CSV file."""
    if path == annotations:
        raise UserError(f"{path}: --output is the CSV file; give --gff3 another name.")
    check_new_file(path, "--gff3")


def write_gff3(annotations: Path, path: Path) -> None:
    """The lines of an annotation CSV as GFF3 regions, scored by log-likelihood, without rows not annotated.

    The format: https://github.com/The-Sequence-Ontology/Specifications/blob/master/gff3.md
    """
    aside = path.with_name(path.name + ".partial")
    with annotations.open(newline="", encoding="utf-8") as source, aside.open("w", encoding="utf-8") as out:
        out.write(GFF_HEADER)
        for number, row in enumerate(csv.DictReader(source), 1):
            if row["start"]:
                out.write(_gff_line(number, row))
    aside.replace(path)


def _cells(annotation: Annotation) -> list[str]:
    perplexity = exp(-annotation.log_likelihood / annotation.tokens)
    return [
        str(annotation.start + 1),
        str(annotation.end),
        annotation.text,
        f"{annotation.log_likelihood:.6g}",
        f"{perplexity:.6g}",
        str(annotation.tokens),
        "" if annotation.whole else CUT_OFF,
    ]


def _gff_line(number: int, row: dict[str, str]) -> str:
    note = quote(row["annotation"], safe=UNRESERVED)
    attributes = f"ID=annotation{number};Note={note};perplexity={row['perplexity']}"
    name = quote(row["id"], safe=".:^*$@!+_?-|")
    place = (row["start"], row["end"], row["log_likelihood"], ".", ".")
    return "\t".join([name, "OmniNA", "region", *place, attributes]) + "\n"
