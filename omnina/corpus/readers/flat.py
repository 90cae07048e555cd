"""GenBank and EMBL flat files -> annotated records, one record's text in memory at a time.

The file is cut into records at their ``//`` lines here, and of each Biopython reads the lines above the
feature table, locations and qualifiers, so that one broken record, or feature, is one reject and those after
it are read. Memory: at most four bytes a base of one record, and its feature table.
"""

import io
import re
import warnings
from collections.abc import Container, Iterator
from pathlib import Path

from Bio import BiopythonParserWarning, SeqIO
from Bio.SeqRecord import SeqRecord

from omnina.corpus.readers.bases import BadRecord, checked_bases
from omnina.corpus.readers.features import GENE_FEATURES
from omnina.corpus.readers.flat_faults import (
    PARSE_ERRORS,
    Fault,
    header_fault,
    sequence_fault,
    text_fault,
)
from omnina.corpus.readers.flat_features import Surroundings, features_of, source_qualifiers
from omnina.corpus.readers.flat_table import entries, table_start, unwrapped
from omnina.corpus.readers.flat_text import FIRST_LINE, FlatFormat, RecordText, record_texts
from omnina.corpus.readers.parts import WHOLE_FILE, FilePart, span_of
from omnina.corpus.readers.record import AnnotatedRecord, stated
from omnina.corpus.readers.streams import numbered_lines, source_name
from omnina.corpus.reject import DUPLICATE, Reject
from omnina.errors import UserError

# What stands below the header for Biopython, whose bases are read here.
_NO_BASES = {"genbank": "ORIGIN\n//\n", "embl": "SQ   Sequence\n//\n"}
_DESCRIPTION = {"genbank": re.compile("DEFINITION  | {12}"), "embl": re.compile("DE   ")}
_PLACEHOLDERS = ("", ".", "unknown", "<unknown id>")  # for an accession, by programs that have none


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
    span = span_of(path, part, FIRST_LINE[flat_format].encode())
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
            f"{path}: no {flat_format} record in it (none starts with '{FIRST_LINE[flat_format].strip()}'); "
            "check the format, or fetch the record file again."
        )


def _parsed(
    text: RecordText, source: str, flat_format: FlatFormat, feature_types: Container[str] | None
) -> AnnotatedRecord | Reject:
    fault = text_fault(text, flat_format)
    if fault:
        return _reject(text, source, fault)
    start = table_start(text.lines, flat_format)
    try:
        header = _header(text.lines[:start], flat_format)
    except PARSE_ERRORS as error:
        return _reject(text, source, header_fault(error, text))
    try:
        sequence = _taken_bases(text)
    except BadRecord as error:
        return _reject(text, source, (text.line, error.kind, error.reason))
    fault = sequence_fault(header, sequence, text)
    if fault:
        return _reject(text, source, fault)
    table = list(entries(text.lines, start, flat_format))
    surroundings = Surroundings(
        len(sequence), "circular" in header.annotations.get("topology", ""), text.number
    )
    features = features_of(table, feature_types, surroundings)
    accession = text.name if header.id.lower() in _PLACEHOLDERS else header.id
    fields = _record_fields(header, source_qualifiers(table)) | {"accession": accession}
    return AnnotatedRecord(source, accession, sequence, fields, features, source, text.span)


def _taken_bases(text: RecordText) -> str:
    """The checked bases, which the text then no longer has: a chromosome's should not be held twice."""
    (bases,) = checked_bases([text.bases])
    text.bases = None
    return bases.decode("ascii")


def _reject(text: RecordText, source: str, fault: Fault) -> Reject:
    line, kind, reason = fault
    name = text.name.encode("utf-8", "replace").decode()  # surrogates could not be written
    return Reject(source, name, line, kind, reason)


def _header(lines: list[str], flat_format: FlatFormat) -> SeqRecord:
    """Biopython's reading of the lines above the feature table, given as a record without bases."""
    text = "".join(_with_whole_description(lines, flat_format)) + _NO_BASES[flat_format]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiopythonParserWarning)  # about layout
        return SeqIO.read(io.StringIO(text), flat_format)


def _with_whole_description(lines: list[str], flat_format: FlatFormat) -> Iterator[str]:
    """The lines, those of the description as one."""
    first, wrapped = _DESCRIPTION[flat_format], []
    for line in lines:
        margin = first.match(line)
        if margin and (wrapped or line.startswith("DE")):
            wrapped.append(line[margin.end() :])
            continue
        if wrapped:
            yield _described(wrapped, flat_format)
            wrapped = []
        yield line
    if wrapped:
        yield _described(wrapped, flat_format)


def _described(wrapped: list[str], flat_format: FlatFormat) -> str:
    return ("DEFINITION  " if flat_format == "genbank" else "DE   ") + unwrapped(wrapped) + "\n"


def _record_fields(header: SeqRecord, source: dict[str, str]) -> dict[str, str]:
    known = {name: value for name, value in header.annotations.items() if value not in (".", "")}
    description = header.description.rstrip(".")
    return stated(
        description="" if description == "<unknown description>" else description,
        organism=_organism(known.get("organism", ""), source.get("organism", "")),
        taxid=source.get("taxid"),
        lineage=[rank for rank in known.get("taxonomy", []) if rank != "."],
        molecule_type=known.get("molecule_type"),
    )


def _organism(header: str, source: str) -> str:
    """The header's organism without the common name that EMBL adds to it: "Homo sapiens (human)"."""
    return source if source and header.startswith(f"{source} (") else header or source
