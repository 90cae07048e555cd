"""Why a flat-file record cannot be trusted, its features aside."""

import re

from Bio.SeqRecord import SeqRecord

from omnina.corpus.readers.flat_table import table_start
from omnina.corpus.readers.flat_text import FlatFormat, RecordText
from omnina.corpus.readers.streams import not_utf8
from omnina.corpus.reject import CUT_SHORT, NO_SEQUENCE, NOT_NUCLEOTIDE

WRONG_LENGTH = "wrong length"
NOT_PARSED = "not parsed"
# What biopython raises at broken text: ValueError by intent, the others by running off it. Only for calls of
# biopython alone, as these hide our own mistakes.
PARSE_ERRORS = (ValueError, LookupError, AssertionError, TypeError, AttributeError)

Fault = tuple[int, str, str]  # line, kind, reason

_NO_BASES = NO_SEQUENCE, "the record holds no bases (fetch the full record, with sequence)"
_SOURCE_FEATURE = "     source "
_ELSEWHERE = ("CONTIG", "CO   ", "WGS", "TSA ", "TLS ")  # lines that say where the bases are instead
_PROTEIN = re.compile(r"^ID .*\bAA\.\s*$")
_REASON_LETTERS = 200


def text_fault(text: RecordText, flat_format: FlatFormat) -> Fault | None:
    """What can be said before parsing."""
    if text.fault:
        return text.line, *text.fault
    if _PROTEIN.match(text.lines[0]):
        return text.line, NOT_NUCLEOTIDE, "the record is a protein"
    start = table_start(text.lines, flat_format)
    for index, line in enumerate(text.lines[:start]):
        if fault := not_utf8(line):
            return text.line + index, NOT_PARSED, fault
    if text.bases is None and not any(line.startswith(_ELSEWHERE) for line in text.lines):
        return text.line, CUT_SHORT, "between its first line and '//' there is none that bases stand under"
    if not text.bases:
        return text.line, *_NO_BASES
    # A feature table under a heading that is not known is taken for something else.
    if start == len(text.lines) and any(line.startswith(_SOURCE_FEATURE) for line in text.lines):
        return text.line, NOT_PARSED, "the feature table was not found, though the record has features"
    return None


def header_fault(error: Exception, text: RecordText) -> Fault:
    """What Biopython raised at the lines above the feature table."""
    message = " ".join(str(error).split())[:_REASON_LETTERS].rstrip(".")
    return text.line, NOT_PARSED, f"{message or 'biopython gives up on it'} ({type(error).__name__})"


def sequence_fault(header: SeqRecord, sequence: str, text: RecordText) -> Fault | None:
    """What the header says of the bases and is not so; a length that it does not give is 0 there."""
    if header.annotations.get("molecule_type") == "protein":
        return text.line, NOT_NUCLEOTIDE, "the record is a protein"
    if len(header.seq) not in (0, len(sequence)):
        reason = f"the first line says {len(header.seq)} bases, there are {len(sequence)}"
        return text.line, WRONG_LENGTH, reason
    return None
