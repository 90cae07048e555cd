"""GenBank and EMBL flat files -> annotated records, one record's text in memory at a time.

The file is cut into records at their ``//`` lines here and each is parsed by Biopython on its own, so that
one broken record is one reject and those after it are read.
"""

import io
import warnings
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from Bio import BiopythonParserWarning, SeqIO
from Bio.SeqRecord import SeqRecord

from omnina.corpus.readers.bases import BadRecord, checked_bases
from omnina.corpus.readers.features import GENE_FEATURES
from omnina.corpus.readers.flat_features import features_of, first_source
from omnina.corpus.readers.record import AnnotatedRecord, stated
from omnina.corpus.readers.streams import numbered_lines, source_name
from omnina.corpus.reject import BAD_LOCATION, CUT_SHORT, DUPLICATE, NO_SEQUENCE, NOT_NUCLEOTIDE, Reject
from omnina.errors import UserError

FlatFormat = Literal["genbank", "embl"]
NO_FIRST_LINE = "no first line"
WRONG_LENGTH = "wrong length"
NOT_PARSED = "not parsed"

_FIRST_LINE = {"genbank": "LOCUS ", "embl": "ID   "}
_END = "//"
# What biopython raises at broken records: ValueError by intent, the others by running off broken text.
_PARSE_ERRORS = (ValueError, LookupError, AssertionError, TypeError, AttributeError)
# Its warnings that mean lost data, and the kinds of reject that they become; the others are about layout.
_LOSSES = {
    "Expected sequence length": WRONG_LENGTH,
    "Premature end": CUT_SHORT,
    "setting feature location to None": BAD_LOCATION,
    "in malformed feature location": BAD_LOCATION,
    "in feature location": BAD_LOCATION,
    "line too short to contain a feature": NOT_PARSED,
}
_REASON_LETTERS = 200


@dataclass
class RecordText:
    """The lines of one record; ``line`` is the number of its first. ``fault`` if it is none that parses."""

    line: int
    lines: list[str] = field(default_factory=list)
    fault: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """The name on the record's first line."""
        words = self.lines[0].split(maxsplit=2) if self.lines else []
        return words[1].rstrip(";") if len(words) > 1 else ""


def read_flat(
    path: str | Path, flat_format: FlatFormat, feature_types: Container[str] = GENE_FEATURES
) -> Iterator[AnnotatedRecord | Reject]:
    """Yield the records in file order with their features of these types, and a reject for each not whole.

    Raises UserError, naming the file, for one that cannot be read or has no record.
    """
    source, seen, found = source_name(path), set(), False
    for text in record_texts(numbered_lines(path), flat_format):
        found = True
        record = _parsed(text, source, flat_format, feature_types)
        if isinstance(record, AnnotatedRecord) and record.accession in seen:
            reason = "an earlier record has the same accession"
            record = Reject(source, record.accession, text.line, DUPLICATE, reason)
        elif isinstance(record, AnnotatedRecord):
            seen.add(record.accession)
        yield record
    if not found:
        raise UserError(
            f"{path}: no {flat_format} record in it (none starts with '{_FIRST_LINE[flat_format].strip()}'); "
            "check the format, or fetch the record file again."
        )


def record_texts(lines: Iterable[tuple[int, str]], flat_format: FlatFormat) -> Iterator[RecordText]:
    """Cut a file's numbered lines into records; what stands before a record's first line is not part of it.

    Releases start with a header, which is skipped; but text that ends in ``//`` was a record, and so was
    any left over at the end of a file that has records.
    """
    first, inside, stray, found = _FIRST_LINE[flat_format], None, None, False
    for number, line in lines:
        if line.startswith(first):
            if inside:
                yield _cut_short(inside, f"the next record starts at line {number} before this one's '//'")
            inside, stray, found = RecordText(number, [line]), None, True
        elif inside:
            inside.lines.append(line)
            if line.rstrip() == _END:
                yield inside
                inside = None
        elif line.rstrip() == _END and stray:
            yield _headless(stray, first)
            stray = None
        elif line.strip() and line.rstrip() != _END:
            stray = stray or number
    if inside:
        yield _cut_short(inside, "the file ends before the record's '//'")
    elif stray and found:
        yield _headless(stray, first)


def _cut_short(text: RecordText, reason: str) -> RecordText:
    return RecordText(text.line, text.lines, (CUT_SHORT, reason))


def _headless(line: int, first: str) -> RecordText:
    return RecordText(line, [], (NO_FIRST_LINE, f"text that is part of no record: no '{first.strip()}' line"))


def _parsed(
    text: RecordText, source: str, flat_format: FlatFormat, feature_types: Container[str]
) -> AnnotatedRecord | Reject:
    if text.fault:
        return Reject(source, text.name, text.line, *text.fault)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", BiopythonParserWarning)
        try:
            record = SeqIO.read(io.StringIO("".join(text.lines)), flat_format)
        except _PARSE_ERRORS as error:
            return Reject(source, text.name, text.line, *_explained(error))
    fault = _loss(str(warning.message) for warning in caught) or _sequence_fault(record)
    if fault:
        return Reject(source, text.name, text.line, *fault)
    try:
        sequence = b"".join(checked_bases([bytes(record.seq)])).decode("ascii")
    except BadRecord as error:
        return Reject(source, text.name, text.line, error.kind, error.reason)
    fields, features = _record_fields(record), features_of(record, feature_types)
    return AnnotatedRecord(source, record.id, sequence, fields, features, source)


def _explained(error: Exception) -> tuple[str, str]:
    message = " ".join(str(error).split())[:_REASON_LETTERS] or type(error).__name__
    kind = CUT_SHORT if "Premature end" in message else NOT_PARSED
    return (BAD_LOCATION if "location" in message else kind), message


def _loss(messages: Iterable[str]) -> tuple[str, str] | None:
    for message in messages:
        kind = next((kind for words, kind in _LOSSES.items() if words in message), None)
        if kind:
            return kind, " ".join(message.split())[:_REASON_LETTERS].rstrip(".")
    return None


def _sequence_fault(record: SeqRecord) -> tuple[str, str] | None:
    if not record.seq.defined or not len(record.seq):
        return NO_SEQUENCE, "the record holds no bases (fetch the full record, with sequence)"
    if record.annotations.get("molecule_type") == "protein":
        return NOT_NUCLEOTIDE, "the record is a protein"
    return None


def _record_fields(record: SeqRecord) -> dict[str, str]:
    known = {name: value for name, value in record.annotations.items() if value not in (".", "")}
    description = record.description.rstrip(".")
    return stated(
        accession=record.id,
        description="" if description == "<unknown description>" else description,
        organism=_organism(record, known.get("organism", "")),
        lineage=[rank for rank in known.get("taxonomy", []) if rank != "."],
        molecule_type=known.get("molecule_type"),
    )


def _organism(record: SeqRecord, header: str) -> str:
    """The header's organism without the common name that EMBL adds to it: "Homo sapiens (human)"."""
    source = first_source(record)
    return source if source and header.startswith(f"{source} (") else header or source
