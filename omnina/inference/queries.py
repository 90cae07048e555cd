"""Files of sequences to answer: tables, or FASTA with one question for all."""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TextIO

from Bio.SeqIO.FastaIO import SimpleFastaParser

from omnina.errors import UserError
from omnina.table import expand_paths, read_rows

FASTA_SUFFIXES = (".fa", ".fna", ".fasta", ".fa.gz", ".fna.gz", ".fasta.gz")
FASTA_COLUMNS = ("id", "description", "sequence")


@dataclass(frozen=True)
class InputRow:
    """A row as it stands in the file, and what is asked of it; ``line`` in FASTA is the record's number."""

    line: int
    cells: tuple[str, ...]
    sequence: str
    question: str


class QueryFile:
    """A table with the column ``sequence`` and, unless one question is given for all, ``question``.

    Args:
        path: ``.csv``, ``.tsv``, ``.fa``, ``.fna``, ``.fasta``, all of these also ``.gz``, or ``.parquet``.
        question: asked of every row.

    Raises UserError for a file that is missing or malformed, a FASTA file without a question, or a table
    that has questions of its own beside one given for all.
    """

    def __init__(self, path: Path, question: str | None) -> None:
        self.path, *others = expand_paths([str(path)])
        if others:
            raise UserError(f"{path}: names {len(others) + 1} files; answer one at a time.")
        self.question = question
        self.is_fasta = self.path.name.endswith(FASTA_SUFFIXES)
        if self.is_fasta and question is None:
            raise UserError(f"{path}: FASTA holds no questions; give one with --question.")
        if question is not None and "question" in self.columns:
            raise UserError(f"{path}: the table has a column 'question'; leave out --question, or rename it.")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the cells."""
        if self.is_fasta:
            return FASTA_COLUMNS
        _, first = next(iter(read_rows(self.path, required=self._required)))
        return tuple(first)

    def rows(self) -> Iterator[InputRow]:
        """Each row in order; one is in memory at a time."""
        return self._fasta_rows() if self.is_fasta else self._table_rows()

    @property
    def _required(self) -> list[str]:
        return ["sequence"] if self.question is not None else ["sequence", "question"]

    def _table_rows(self) -> Iterator[InputRow]:
        for line, cells in read_rows(self.path, required=self._required):
            question = cells["question"] if self.question is None else self.question
            yield InputRow(line, tuple(cells.values()), cells["sequence"], question)

    def _fasta_rows(self) -> Iterator[InputRow]:
        number = 0
        try:
            with _opened(self.path) as stream:
                for number, (title, sequence) in enumerate(SimpleFastaParser(stream), 1):
                    name, description = (*title.split(maxsplit=1), "", "")[:2]  # spaces or tabs
                    yield InputRow(number, (name, description, sequence), sequence, self.question)
        except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError) as error:
            raise UserError(
                f"{self.path}: cannot be read after record {number} ({error}); make or fetch it again."
            ) from error
        if not number:
            raise UserError(f"{self.path}: there is no FASTA record (a line that starts with '>') in it.")


def _opened(path: Path) -> TextIO:
    return gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8")
