"""Lines of GFF3 and GTF files: nine columns, and the two ways to write attributes."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import unquote

from omnina.corpus.readers.record import Part, Strand
from omnina.corpus.readers.streams import not_utf8
from omnina.corpus.reject import Reject

GffFormat = Literal["gff3", "gtf"]
BROKEN_LINE = "broken line"

_COLUMNS = 9
_FASTA = "##FASTA"
_STRANDS: dict[str, Strand] = {"+": "+", "-": "-", ".": ".", "?": "."}
# Of GFF3's attributes only these hold several values between commas (GFF3 specification 1.26).
_SEVERAL = ("Parent", "Alias", "Note", "Dbxref", "Ontology_term")
# What is read of the attributes; the others would double the memory.
_READ = frozenset(
    (
        *("ID", "Parent", "transcript_id", "gene_id", "Name", "gene", "gene_name", "locus_tag", "product"),
        *("Note", "note", "Dbxref", "EC_number", "eC_number", "ec_number", "part", "partial", "start_range"),
        *("end_range", "pseudo", "pseudogene", "gene_biotype", "transcript_biotype", "gene_type", "biotype"),
        *("Is_circular", "protein_id", "db_xref"),
    )
)
# Of a feature's second and further lines only these are read.
_READ_OF_PARTS = ("part", "partial", "start_range", "end_range")
_PHASES = {".": None, "0": 0, "1": 1, "2": 2}
_GTF_ATTRIBUTE = re.compile(r'\s*([\w.-]+)\s+(?:"([^"]*)"|([^\s";]+))\s*(?:;|$)')

Attributes = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class GffLine:
    """One line: a feature or a part of one.

    Attributes:
        part: bases from 0, end exclusive.
        phase: bases of the part before its first whole codon; None where that means nothing.
        attributes: those that the readers use; the others are checked and let go.
    """

    number: int
    seqid: str
    kind: str
    part: Part
    attributes: Attributes
    phase: int | None = None

    def first(self, *names: str) -> str:
        """The first value of the first of these attributes that is there, or an empty string."""
        return next((self.attributes[name][0] for name in names if self.attributes.get(name)), "")

    @property
    def name(self) -> str:
        """What others call it: the ID, in GTF that of the transcript; an empty string if it has none."""
        return self.first("ID", "transcript_id")

    @property
    def parents(self) -> tuple[str, ...]:
        """What it is a part of: parents by ID, in GTF its transcript."""
        return tuple(self.attributes.get("Parent") or filter(None, [self.first("transcript_id")]))


def further_part(line: GffLine) -> GffLine:
    """The line with only what is read where another line of its feature came before: it saves memory."""
    attributes = {name: line.attributes[name] for name in _READ_OF_PARTS if name in line.attributes}
    return replace(line, attributes=attributes)


def read_gff_lines(
    numbered: Iterable[tuple[int, str]], source: str, gff_format: GffFormat
) -> Iterator[GffLine | Reject]:
    """Yield each feature line, a reject for each broken one; an embedded FASTA section ends the features.

    What is no feature line (comments, directives) is passed over, whatever is in it.
    """
    for number, text in numbered:
        line = text.rstrip("\n")
        if line.startswith((_FASTA, ">")):
            return
        if line.strip() and not line.startswith("#"):
            yield _parsed(number, line, source, gff_format)


def _parsed(number: int, line: str, source: str, gff_format: GffFormat) -> GffLine | Reject:
    columns = line.split("\t")
    seqid = columns[0].encode("utf-8", "replace").decode()[:60]  # surrogates could not be written
    fault = not_utf8(line)
    if not fault and len(columns) != _COLUMNS:
        fault = f"{len(columns)} columns between tabs, not {_COLUMNS}"
    if fault:
        return Reject(source, seqid, number, BROKEN_LINE, fault)
    seqid, _, kind, start, end, _, strand, phase, attributes = columns
    for value, known, what in ((strand, _STRANDS, "strand"), (phase, _PHASES, "phase")):
        if value not in known:
            reason = f"the {what} is {value!r}, not one of {' '.join(known)}"
            return Reject(source, seqid, number, BROKEN_LINE, reason)
    try:
        part = Part(int(start) - 1, int(end), _STRANDS[strand], number)
        parsed = _gff3_attributes(attributes) if gff_format == "gff3" else _gtf_attributes(attributes)
        name = _unquoted(seqid) if gff_format == "gff3" else seqid
    except ValueError as error:
        return Reject(source, seqid, number, BROKEN_LINE, str(error))
    return GffLine(number, sys.intern(name), sys.intern(kind), part, parsed, _PHASES[phase])


def _gff3_attributes(text: str) -> Attributes:
    attributes: dict[str, list[str]] = {}
    for pair in text.split(";"):
        name, equals, value = pair.strip().partition("=")
        if not equals and name not in ("", "."):
            raise ValueError(f"the attribute {name[:40]!r} has no '='")
        if name in _READ:
            values = value.split(",") if name in _SEVERAL else [value]
            attributes.setdefault(sys.intern(name), []).extend(map(_unquoted, values))
    return attributes


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError as error:
        raise ValueError(f"{text[:40]!r} has percent codes that are not UTF-8") from error


def _gtf_attributes(text: str) -> Attributes:
    attributes: dict[str, list[str]] = {}
    at = 0
    while text[at:].strip(" ;"):
        match = _GTF_ATTRIBUTE.match(text, at)
        if not match:
            raise ValueError(f"the attribute at {text[at:].strip()[:40]!r} is not 'name \"value\";'")
        name, quoted, bare = match.groups()
        if name in _READ:
            attributes.setdefault(sys.intern(name), []).append(bare if quoted is None else quoted)
        at = match.end()
    return attributes
