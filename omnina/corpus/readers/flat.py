"""GenBank and EMBL flat files -> annotated records, one record's text in memory at a time.

The file is cut into records at their ``//`` lines here and each is parsed by Biopython on its own, so that
one broken record is one reject and those after it are read.
"""

import io
import warnings
from collections.abc import Container, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from Bio import BiopythonParserWarning, SeqIO
from Bio.SeqRecord import SeqRecord

from omnina.corpus.readers.bases import BadRecord, checked_bases
from omnina.corpus.readers.features import GENE_FEATURES
from omnina.corpus.readers.flat_faults import (
    PARSE_ERRORS,
    FlatFormat,
    RecordText,
    error_fault,
    silent_fault,
    warning_fault,
)
from omnina.corpus.readers.flat_features import features_of, first_source
from omnina.corpus.readers.parts import WHOLE_FILE, FilePart, Span, span_of
from omnina.corpus.readers.record import AnnotatedRecord, stated
from omnina.corpus.readers.streams import numbered_lines, source_name
from omnina.corpus.reject import CUT_SHORT, DUPLICATE, Reject
from omnina.errors import UserError

NO_FIRST_LINE = "no first line"

_FIRST_LINE = {"genbank": "LOCUS ", "embl": "ID   "}
_END = "//"


def read_flat(
    path: str | Path,
    flat_format: FlatFormat,
    feature_types: Container[str] | None = GENE_FEATURES,
    part: FilePart = WHOLE_FILE,
) -> Iterator[AnnotatedRecord | Reject]:
    """Yield the records in file order with their features of these types (None: all), and rejects for others.

    Of a part of the file those that begin in it, which may be none. Raises UserError, naming the file, for
    one that cannot be read or has no record.
    """
    span = span_of(path, part, _FIRST_LINE[flat_format].encode())
    if span is None:
        return
    source, seen, found = source_name(path), set(), False
    for text in record_texts(numbered_lines(path, span), flat_format, span):
        found = found or bool(text.lines)
        record = _parsed(text, source, flat_format, feature_types)
        if isinstance(record, AnnotatedRecord) and record.accession in seen:
            reason = "an earlier record has the same accession"
            record = Reject(source, record.accession, text.line, DUPLICATE, reason)
        elif isinstance(record, AnnotatedRecord):
            seen.add(record.accession)
        yield record
    if not found and span.end is None:
        raise UserError(
            f"{path}: no {flat_format} record in it (none starts with '{_FIRST_LINE[flat_format].strip()}'); "
            "check the format, or fetch the record file again."
        )


def record_texts(
    lines: Iterable[tuple[int, str]], flat_format: FlatFormat, span: Span
) -> Iterator[RecordText]:
    """Cut a span's numbered lines into records; what stands before a record's first line is not part of it.

    Releases start with a header, which is skipped; but text that ends in ``//`` was a record, and so was
    any left over at the end of a file that has records.
    """
    first, inside, stray, found, number = _FIRST_LINE[flat_format], None, None, False, 0
    for number, line in lines:
        if line.startswith(first):
            if inside:
                yield _cut_short_by(inside, number)
            inside, stray, found = RecordText(number, [line], span=span), None, True
        elif inside:
            inside.lines.append(line)
            if line.rstrip() == _END:
                yield inside
                inside = None
        elif line.rstrip() == _END and stray:
            yield _headless(stray, first, span)
            stray = None
        elif line.strip() and line.rstrip() != _END:
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


def _parsed(
    text: RecordText, source: str, flat_format: FlatFormat, feature_types: Container[str] | None
) -> AnnotatedRecord | Reject:
    if text.fault:
        return Reject(source, text.name, text.line, *text.fault)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", BiopythonParserWarning)
        try:
            record = SeqIO.read(io.StringIO("".join(text.lines)), flat_format)
        except PARSE_ERRORS as error:
            return _reject(text, source, error_fault(error, text))
    messages = (str(warning.message) for warning in caught)
    fault = warning_fault(messages, text) or silent_fault(record, text, flat_format)
    if fault:
        return _reject(text, source, fault)
    try:
        sequence = b"".join(checked_bases([bytes(record.seq)])).decode("ascii")
    except BadRecord as error:
        return Reject(source, text.name, text.line, error.kind, error.reason)
    fields, features = _record_fields(record), features_of(record, feature_types)
    return AnnotatedRecord(source, record.id, sequence, fields, features, source)


def _reject(text: RecordText, source: str, fault: tuple[int, str, str]) -> Reject:
    line, kind, reason = fault
    return Reject(source, text.name, line, kind, reason)


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
