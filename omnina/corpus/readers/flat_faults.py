"""Why a flat-file record cannot be trusted: Biopython's errors, its warnings, and what it passes over."""

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from Bio import BiopythonParserWarning
from Bio.SeqFeature import Location
from Bio.SeqRecord import SeqRecord

from omnina.corpus.readers.parts import Span
from omnina.corpus.reject import BAD_LOCATION, CUT_SHORT, NO_SEQUENCE, NOT_NUCLEOTIDE

FlatFormat = Literal["genbank", "embl"]
WRONG_LENGTH = "wrong length"
NOT_PARSED = "not parsed"
# What biopython raises at broken records: ValueError by intent, the others by running off broken text.
PARSE_ERRORS = (ValueError, LookupError, AssertionError, TypeError, AttributeError)

# Its warnings that mean lost data, and the kinds of reject that they become; the others are about layout.
_LOSSES = {
    "Expected sequence length": WRONG_LENGTH,
    "Premature end": CUT_SHORT,
    "setting feature location to None": BAD_LOCATION,
    "in malformed feature location": BAD_LOCATION,
    "in feature location": BAD_LOCATION,
    "line too short to contain a feature": NOT_PARSED,
}
_SOURCE_FEATURE = {"genbank": "     source ", "embl": "FT   source "}
_FEATURE = re.compile(r"(?:     |FT   )([A-Za-z]\S*) +(\S.*)")
_CONTINUED = re.compile(r"(?:  |FT) {19}([^/\s].*)")
_REASON_LETTERS = 200


@dataclass
class RecordText:
    """The lines of one record of a span.

    Attributes:
        number: of its first line in the span, from 1.
        fault: (kind, reason) if it is none that parses.
    """

    number: int
    lines: list[str] = field(default_factory=list)
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


def error_fault(error: Exception, text: RecordText) -> tuple[int, str, str]:
    """(line, kind, reason) for what Biopython raised."""
    message = _shortened(str(error))
    kind = CUT_SHORT if "Premature end" in message else NOT_PARSED
    known = text.line, kind, message or f"biopython gives up on it ({type(error).__name__})"
    return known if kind == CUT_SHORT else _bad_location(text) or known


def warning_fault(messages: Iterable[str], text: RecordText) -> tuple[int, str, str] | None:
    """(line, kind, reason) for the first of Biopython's warnings that means lost data."""
    for message in messages:
        kind = next((kind for words, kind in _LOSSES.items() if words in message), None)
        if kind:
            known = text.line, kind, _shortened(message)
            return known if kind != BAD_LOCATION else _bad_location(text) or known
    return None


def silent_fault(record: SeqRecord, text: RecordText, flat_format: FlatFormat) -> tuple[int, str, str] | None:
    """(line, kind, reason) for what Biopython does not complain of."""
    if not record.seq.defined or not len(record.seq):
        return text.line, NO_SEQUENCE, "the record holds no bases (fetch the full record, with sequence)"
    if record.annotations.get("molecule_type") == "protein":
        return text.line, NOT_NUCLEOTIDE, "the record is a protein"
    # A feature table under a heading that it does not know is skipped.
    sign = _SOURCE_FEATURE[flat_format]
    if not record.features and any(line.startswith(sign) for line in text.lines):
        return text.line, NOT_PARSED, "the feature table was not found, though the record has features"
    return None


def _shortened(message: str) -> str:
    return " ".join(message.split())[:_REASON_LETTERS].rstrip(".")


def _bad_location(text: RecordText) -> tuple[int, str, str] | None:
    """The first feature whose location cannot be read, with its line."""
    for line, kind, location in _locations(text):
        if not _is_location(location):
            return line, BAD_LOCATION, f"{location[:80]!r} of a {kind} is no location on a record"
    return None


def _is_location(location: str) -> bool:
    if location.count("(") != location.count(")"):  # biopython takes an open join's last letter for its ")"
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("error", BiopythonParserWarning)
        try:
            Location.fromstring(location)
        except (*PARSE_ERRORS, BiopythonParserWarning):
            return False
    return True


def _locations(text: RecordText) -> Iterator[tuple[int, str, str]]:
    """(line, feature type, location) of each feature."""
    for index, line in enumerate(text.lines):
        feature = _FEATURE.match(line)
        if not feature or line.startswith("FH"):
            continue
        pieces = [feature[2]]
        for further in text.lines[index + 1 :]:
            continued = _CONTINUED.match(further)
            if not continued:
                break
            pieces.append(continued[1])
        yield text.line + index, feature[1], "".join("".join(pieces).split())
