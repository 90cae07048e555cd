"""One annotated sequence on its way from a record file to a table, and how record files are opened."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from omnina.chunking import parse_cell
from omnina.errors import UserError


@dataclass(frozen=True)
class Entry:
    """A sequence with its annotation, or the reason why it has none.

    Attributes:
        source: the record file's short name, ``16S`` or ``genome``.
        name: unique within the source; decides the entry's place in the seeded order.
        group: what must stay on one side of a split: the genus or the contig.
        feature: what kind of gene it is, in GenBank's words (``CDS``, ``rRNA``, ...).
        sequence: upper-case IUPAC bases of the gene's own strand, T for U.
        response: the annotation in English.
        drop_reason: empty if the entry can be used.
        lineage: names from domain to genus; empty where the record has none.
    """

    source: str
    name: str
    group: str
    feature: str
    sequence: str
    response: str
    drop_reason: str = ""
    lineage: tuple[str, ...] = ()

    @property
    def cells(self) -> tuple[str, ...]:
        """The entry as it stands in the pretraining table."""
        return self.sequence, self.response, self.source


@contextmanager
def opened_records(path: Path) -> Iterator[TextIO]:
    """Open a gzipped record file as text; raises UserError if it is absent, broken or not ASCII."""
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such record file; name the folder that holds it with --records."
        )
    try:
        with gzip.open(path, "rt", encoding="ascii") as stream:
            yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: not a whole gzip file ({error}); fetch the record file again.") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte 0x{error.object[error.start]:02x} is not ASCII text; fetch the record file again."
        ) from error


def checked_bases(letters: str, path: Path, name: str) -> str:
    """Upper-case bases with T for U; UserError with file and record for anything but nucleotide codes."""
    try:
        ((_, bases),) = parse_cell(letters).parts
    except ValueError as error:
        raise UserError(f"{path}: record '{name}': {error}; mend or remove the record.") from error
    return bases
