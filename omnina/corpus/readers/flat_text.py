"""The lines of a flat file -> the text of its records, bases apart: they are by far the most of it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from omnina.corpus.readers.parts import Span
from omnina.corpus.reject import CUT_SHORT

FlatFormat = Literal["genbank", "embl"]
NO_FIRST_LINE = "no first line"
FIRST_LINE = {"genbank": "LOCUS ", "embl": "ID   "}
END = "//"

_ABOVE_BASES = {"genbank": "ORIGIN", "embl": "SQ   "}
_AFTER_BASES = "CONTIG"
_NUMBERS = " \t\n0123456789"  # what stands before a line's bases in GenBank, after them in EMBL


@dataclass
class RecordText:
    """One record of a span.

    Attributes:
        number: of its first line in the span, from 1.
        lines: those above its bases; bytes that are not UTF-8 stand in them as surrogates.
        bases: their letters, unchecked, with blanks; None if there is no line that they stand under.
        fault: (kind, reason) if it is none that parses.
    """

    number: int
    lines: list[str] = field(default_factory=list)
    bases: bytearray | None = None
    fault: tuple[str, str] | None = None
    span: Span = field(kw_only=True)

    @property
    def line(self) -> int:
        """The number of its first line in the file, from 1."""
        return self.span.lines_before + self.number

    @property
    def name(self) -> str:
        """The name on the record's first line."""
        words = self.lines[0].split(maxsplit=2) if self.lines else []
        return words[1].rstrip(";") if len(words) > 1 else ""

    def take(self, line: str, above_bases: str) -> None:
        """Add a line that is not the end mark."""
        if self.bases is None and line.startswith(above_bases):
            self.bases = bytearray()
        elif self.bases is None:
            self.lines.append(line)
        elif not line.startswith(_AFTER_BASES):
            self.bases += line.strip(_NUMBERS).encode("utf-8", "surrogateescape")


def record_texts(
    lines: Iterable[tuple[int, str]], flat_format: FlatFormat, span: Span
) -> Iterator[RecordText]:
    """Cut a span's numbered lines into records; what stands before a record's first line is not part of it.

    Releases start with a header, which is skipped; but text that ends in ``//`` was a record, and so was
    any left over at the end of a file that has records.
    """
    first, above_bases = FIRST_LINE[flat_format], _ABOVE_BASES[flat_format]
    inside, stray, found, number = None, None, False, 0
    for number, line in lines:
        if line.startswith(first):
            if inside:
                yield _cut_short_by(inside, number)
            inside, stray, found = RecordText(number, [line], span=span), None, True
        elif line.rstrip() == END:
            if inside:
                yield inside
            elif stray:
                yield _headless(stray, first, span)
            inside = stray = None
        elif inside:
            inside.take(line, above_bases)
        elif line.strip():
            stray = stray or number
    if inside:
        yield _cut_short_by(inside, None if span.end is None else number + 1)
    elif stray and found and span.end is None:
        yield _headless(stray, first, span)


def _cut_short_by(text: RecordText, next_record: int | None) -> RecordText:
    """What ends a record before its end mark: the line where the next begins, or the file's end."""
    reason = "the file ends before the record's '//'"
    if next_record is not None:
        line = text.span.lines_before + next_record
        reason = f"the next record starts at line {line} before this one's '//'"
    return replace(text, fault=(CUT_SHORT, reason))


def _headless(number: int, first: str, span: Span) -> RecordText:
    reason = f"text that is part of no record: no '{first.strip()}' line"
    return RecordText(number, fault=(NO_FIRST_LINE, reason), span=span)
