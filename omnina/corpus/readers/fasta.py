"""FASTA records of any length, streamed: a chromosome is never held whole.

Cost: one pass of ``bytes.translate`` over blocks of about 1 MB. On one core of an AMD EPYC: 960 million bases
per second (200 million in lines of 80, not compressed), 160 million from gzip with windows cut, and 80,000
records per second where they are short. Memory: a block, and the accessions seen so far (a set of strings,
about 100 bytes each: 10 MB for a hundred thousand records, which in 256 MB are those of 2,500 bases).
"""

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from omnina.corpus.readers.bases import BadRecord, checked_bases
from omnina.corpus.readers.parts import WHOLE_FILE, FilePart, Span, span_of
from omnina.corpus.readers.streams import not_utf8, opened_bytes, source_name
from omnina.corpus.reject import DUPLICATE, NO_SEQUENCE, Reject
from omnina.errors import UserError

BLOCK_BYTES = 1 << 20
NO_ACCESSION = "no accession"
NOT_TEXT = "header is not text"

_LINE_END = re.compile(rb"[\r\n]")


@dataclass(frozen=True)
class FastaRecord:
    """One record, whose bases are yet to be read.

    Attributes:
        accession: the header up to the first blank.
        description: the header after it; of several joined by Ctrl-A (as in nt and nr) the first.
        blocks: its bases, upper case with T for U, in blocks of up to ``block_bytes``; at least one base.
            To be read before the next record is asked for. Raises BadRecord after those before a letter
            that is no nucleotide code; the next record can be read all the same.
    """

    accession: str
    description: str
    blocks: Iterator[bytes]


class Blocks:
    """A record's bases block by block; ``bad`` once a wrong letter was found among them."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self.bad = blocks, False

    def __iter__(self) -> "Blocks":
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._blocks)
        except BadRecord:
            self.bad = True
            raise


def read_fasta(
    path: str | Path, block_bytes: int = BLOCK_BYTES, part: FilePart = WHOLE_FILE
) -> Iterator[FastaRecord | Reject]:
    """Yield the records in file order; rejects for those without bases or accession, or with a used one.

    An accession is used by a record that has bases and, as far as it was read, no wrong letter. Of a part of
    the file those that begin in it, which may be none.

    Raises UserError, naming the file, for a file that cannot be read, has no record, or has text before
    the first header.
    """
    span = span_of(path, part, b">")
    if span is None:
        return
    with opened_bytes(path, span) as stream:
        number = yield from _records(stream, block_bytes, span)
    if not number and span.end is None:
        raise UserError(f"{path}: no FASTA record in it; fetch the record file again.")


def read_embedded_fasta(path: str | Path) -> Iterator[FastaRecord | Reject]:
    """Yield the records below the ``##FASTA`` line of a GFF3 file; raises UserError if there is none."""
    with opened_bytes(path) as stream:
        while stream.peek(1)[:1] not in (b">", b""):  # GFF3 lets the line be left out before a header
            if stream.readline().startswith(b"##FASTA"):
                break
        number = yield from _records(stream, BLOCK_BYTES, Span(path, b">"))
    if not number:
        raise UserError(
            f"{path}: no sequences below a '##FASTA' line in it; name their file as 'path' and this one as "
            "'annotation'."
        )


def _records(stream: BinaryIO, block_bytes: int, span: Span) -> Generator[FastaRecord | Reject, None, int]:
    """Yield a span's records and rejects; returns how many headers there were."""
    name, seen, number = source_name(span.path), set(), 0
    cursor = _Cursor(stream, block_bytes)
    for number, header in enumerate(_headers(cursor, span), 1):
        accession, description = _parted(header)
        fault = _fault(header, accession, seen, number, span)
        if fault:
            yield Reject(name, _printable(accession), None, *fault)
            continue
        blocks = Blocks(checked_bases(cursor.sequence()))
        record = _first_block_read(name, accession, description, blocks)
        yield record
        if isinstance(record, FastaRecord) and not blocks.bad:
            seen.add(accession)
    return number


def _fault(header: str, accession: str, seen: set[str], number: int, span: Span) -> tuple[str, str] | None:
    not_text = not_utf8(header)
    if not_text:
        return NOT_TEXT, f"in the header of record {span.records_before + number}, {not_text}"
    if not accession:
        return NO_ACCESSION, f"the header of record {span.records_before + number} is empty"
    if accession in seen:
        return DUPLICATE, f"record {span.records_before + number} has the accession of an earlier record"
    return None


def _printable(accession: str) -> str:
    return accession.encode("utf-8", "replace").decode()  # surrogates could not be written


def _first_block_read(name: str, accession: str, description: str, blocks: Blocks) -> FastaRecord | Reject:
    try:
        first = next(blocks, b"")
    except BadRecord as error:
        return Reject(name, accession, None, error.kind, error.reason, error.bases)
    if not first:
        return Reject(name, accession, None, NO_SEQUENCE, "there is a header without bases below it")
    return FastaRecord(accession, description, chain([first], blocks))


def _parted(header: str) -> tuple[str, str]:
    accession, *description = header.split("\x01")[0].split(maxsplit=1)[:2] or [""]
    return accession, description[0].strip() if description else ""


def _headers(cursor: "_Cursor", span: Span) -> Iterator[str]:
    before = next((piece for piece in cursor.sequence() if piece.strip()), None)
    if before is not None:
        raise UserError(
            f"{span.path}: there is text before the first header, which must start with '>'; "
            "add the header line or fetch the record file again."
        )
    while (header := cursor.header()) is not None:
        yield header.decode("utf-8", "surrogateescape")


class _Cursor:
    """A place in a FASTA file: in a block, at a header or in the lines below it."""

    def __init__(self, stream: BinaryIO, block_bytes: int) -> None:
        self._stream, self._block_bytes = stream, block_bytes
        self._block, self._at = b"", 0
        self._line_start = True  # does the block begin a line?
        self._record = 0

    def header(self) -> bytes | None:
        """The next header without ``>`` and line end, whatever of the record before it is unread skipped."""
        for _ in self.sequence():
            pass
        self._record += 1
        if not self._more():
            return None
        self._at += 1  # the ">"
        parts = []
        while self._more():
            end = _LINE_END.search(self._block, self._at)
            parts.append(self._taken(end.start() if end else len(self._block)))
            if end:
                break
        return b"".join(parts)

    def sequence(self) -> Iterator[bytes]:
        """The file's text from here to the next header, in pieces of at most one block."""
        record = self._record
        while self._is_at(record) and self._more():
            end = self._next_header()
            piece = self._taken(len(self._block) if end < 0 else end)
            if piece:
                yield piece
            if end >= 0:
                return

    def _is_at(self, record: int) -> bool:
        if record != self._record:
            raise RuntimeError("a FASTA record's blocks must be read before the next record is asked for")
        return True

    def _more(self) -> bool:
        if self._at < len(self._block):
            return True
        self._line_start = not self._block or self._block.endswith((b"\n", b"\r"))
        self._block, self._at = self._stream.read(self._block_bytes), 0
        return bool(self._block)

    def _taken(self, end: int) -> bytes:
        start, self._at = self._at, end
        return self._block[start:end]

    def _next_header(self) -> int:
        """Where the next ``>`` at the start of a line stands in the block, or -1."""
        found = self._block.find(b">", self._at)
        while found >= 0 and not self._starts_line(found):
            found = self._block.find(b">", found + 1)
        return found

    def _starts_line(self, at: int) -> bool:
        return self._block[at - 1] in b"\r\n" if at else self._line_start
