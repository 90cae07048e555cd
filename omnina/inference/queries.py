"""Files of sequences: tables, or FASTA; and those with questions, of their own or one for all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from io import TextIOWrapper
from pathlib import Path

from Bio.SeqIO.FastaIO import SimpleFastaParser

from omnina.chunking import Nucleotides, parse_cell
from omnina.corpus.readers.source import RECORD_SUFFIXES
from omnina.corpus.readers.streams import COMPRESSIONS, opened_bytes
from omnina.errors import UserError
from omnina.tables.table import expand_paths, read_rows
from omnina.tables.text import SUPPORTED

FASTA_SUFFIXES = RECORD_SUFFIXES["fasta"]
FASTA_COLUMNS = ("id", "description", "sequence")


@dataclass(frozen=True)
class InputRow:
    """A row as it stands in the file, and what is asked of it.

    Attributes:
        number: of the row or record, from 0.
        place: file and line, and in FASTA the record's name: for messages.
        cells: as they stand in the file.
        sequence: as it stands in the file.
        question: what is asked of it; empty where nothing is.
    """

    number: int
    place: str
    cells: tuple[str, ...]
    sequence: str
    question: str = ""

    def cell(self, columns: Sequence[str], name: str) -> str | None:
        """What stands in a column; None if there is no such column."""
        return self.cells[columns.index(name)] if name in columns else None


class SequenceFile:
    """A table with the column ``sequence``, or a FASTA file.

    Args:
        path: ``.csv``, ``.tsv``, both also ``.gz``, ``.parquet``, or a FASTA file as the corpus reads them.

    Raises UserError for a file that is missing or malformed.
    """

    required = ("sequence",)

    def __init__(self, path: Path) -> None:
        self.path, *others = expand_paths([str(path)])
        if others:
            raise UserError(f"{path}: names {len(others) + 1} files; give one at a time.")
        self.is_fasta = _is_fasta(self.path)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the cells."""
        if self.is_fasta:
            return FASTA_COLUMNS
        _, first = next(iter(read_rows(self.path, required=list(self.required))))
        return tuple(first)

    def rows(self) -> Iterator[InputRow]:
        """Each row in order; one is in memory at a time."""
        return self._fasta_rows() if self.is_fasta else self._table_rows()

    def checked_length(self, skip_bad_rows: bool) -> int:
        """Read the file once and count its rows: seconds now for hours of answering a file that is broken.

        Raises UserError for a malformed file, and for the first row that cannot be asked unless such rows
        are skipped.
        """
        row = None
        for row in self.rows():
            try:
                self.checked(row)
            except ValueError as error:
                if not skip_bad_rows:
                    raise bad_row(row, str(error)) from error
        assert row is not None, "a file without rows is refused by its reader"
        return row.number + 1

    def checked(self, row: InputRow) -> Nucleotides:
        """The row's sequence; ValueError with the reason if the row cannot be used."""
        return parse_cell(row.sequence)

    def _table_rows(self) -> Iterator[InputRow]:
        for number, (line, cells) in enumerate(read_rows(self.path, required=list(self.required))):
            yield InputRow(number, f"{self.path}:{line}", tuple(cells.values()), cells["sequence"])

    def _fasta_rows(self) -> Iterator[InputRow]:
        headers: list[int] = []
        with opened_bytes(self.path) as stream:
            records = SimpleFastaParser(_noted_lines(self.path, stream, headers))
            for number, (title, sequence) in enumerate(records):
                name, description = (*title.split(maxsplit=1), "", "")[:2]  # spaces or tabs
                place = f"{self.path}:{headers.pop(0)}: record '{name}'"
                yield InputRow(number, place, (name, description, sequence), sequence)


class QueryFile(SequenceFile):
    """A table with the column ``question`` too, unless one question is given for all.

    Args:
        path: as of a ``SequenceFile``.
        question: asked of every row.

    Raises UserError, too, for a FASTA file without a question, or a table that has questions of its own
    beside one given for all.
    """

    def __init__(self, path: Path, question: str | None) -> None:
        super().__init__(path)
        if question is not None and not question.strip():
            raise UserError("--question is empty; write the question, or leave it out.")
        self.question = question
        if question is None:
            self.required = ("sequence", "question")
        if self.is_fasta and question is None:
            raise UserError(f"{path}: FASTA holds no questions; give one with --question.")
        if question is not None and "question" in self.columns:
            raise UserError(f"{path}: the table has a column 'question'; leave out --question, or rename it.")

    def rows(self) -> Iterator[InputRow]:
        """Each row in order, with its question."""
        for row in super().rows():
            own = self.question if self.question is not None else row.cell(self.columns, "question")
            yield replace(row, question=own)

    def checked(self, row: InputRow) -> Nucleotides:
        """The row's sequence; ValueError with the reason if the row cannot be asked."""
        if not row.question.strip():
            raise ValueError("the question is empty")
        return super().checked(row)


def bad_row(row: InputRow, reason: str) -> UserError:
    """The error for a row that cannot be used."""
    return UserError(f"{row.place}: {reason}. Mend the row, or add --bad_rows skip to note it and go on.")


def _is_fasta(path: Path) -> bool:
    """Whether the name says so; UserError if it says nothing that is known."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    kind = suffixes[-1] if suffixes else ""
    if kind not in (*FASTA_SUFFIXES, ".csv", ".tsv", ".parquet"):
        raise UserError(
            f"{path}: its name does not say what it holds; supported are {SUPPORTED}, and FASTA as "
            f"{', '.join(FASTA_SUFFIXES)}, each also with {', '.join(COMPRESSIONS)}."
        )
    return kind in FASTA_SUFFIXES


def _noted_lines(path: Path, stream: object, headers: list[int]) -> Iterator[str]:
    """The lines of a FASTA file; the number of each header's line is appended to ``headers``.

    Raises UserError for text before the first header, a byte that is not UTF-8, or no header at all.
    """
    number, found = 0, False
    try:
        for number, line in enumerate(TextIOWrapper(stream, encoding="utf-8-sig"), 1):
            if line.startswith(">"):
                headers.append(number)
                found = True
            elif line.strip() and not found:
                raise UserError(
                    f"{path}:{number}: this line stands before the first FASTA record (a line that starts "
                    "with '>'); add the record's header, or remove the line."
                )
            yield line
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}:{number + 1}: byte 0x{error.object[error.start]:02x} about here is not text; a "
            f"compressed file's name ends in {', '.join(COMPRESSIONS)}, any other is UTF-8."
        ) from error
    if not found:
        raise UserError(f"{path}: there is no FASTA record (a line that starts with '>') in it.")
