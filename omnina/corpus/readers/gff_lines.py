"""Lines of GFF3 and GTF files: nine columns, and the two ways to write attributes."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import unquote

from omnina.corpus.readers.record import Part, Strand
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
        "Is_circular",
    )
)
# Of a feature's second and further lines only these are read.
_READ_OF_PARTS = ("part", "partial", "start_range", "end_range")
_GTF_ATTRIBUTE = re.compile(r'\s*([\w.-]+)\s+(?:"([^"]*)"|([^\s";]+))\s*(?:;|$)')

Attributes = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class GffLine:
    """One line: a feature or a part of one. ``part`` has bases from 0, end exclusive.

    ``attributes`` are those that the readers use; the others are checked and let go.
    """

    number: int
    seqid: str
    kind: str
    part: Part
    attributes: Attributes

    def first(self, *names: str) -> str:
        """The first value of the first of these attributes that is there, or an empty string."""
        return next((self.attributes[name][0] for name in names if self.attributes.get(name)), "")

    @property
    def group(self) -> str:
        """What the lines of one feature share, or an empty string where a line stands alone.

        In GFF3 the ID. In GTF, which has none, the transcript and the type (exons, parts of a CDS).
        """
        return self.first("ID", "transcript_id")


def further_part(line: GffLine) -> GffLine:
    """The line with only what is read where another line of its feature came before: it saves memory."""
    attributes = {name: line.attributes[name] for name in _READ_OF_PARTS if name in line.attributes}
    return replace(line, attributes=attributes)


def read_gff_lines(
    numbered: Iterable[tuple[int, str]], source: str, gff_format: GffFormat
) -> Iterator[GffLine | Reject]:
    """Yield each feature line, a reject for each broken one; an embedded FASTA section ends the features."""
    for number, text in numbered:
        line = text.rstrip("\n")
        if line.startswith((_FASTA, ">")):
            return
        if line.strip() and not line.startswith("#"):
            yield _parsed(number, line, source, gff_format)


def _parsed(number: int, line: str, source: str, gff_format: GffFormat) -> GffLine | Reject:
    columns = line.split("\t")
    if len(columns) != _COLUMNS:
        reason = f"{len(columns)} columns between tabs, not {_COLUMNS}"
        return Reject(source, columns[0][:60], number, BROKEN_LINE, reason)
    seqid, _, kind, start, end, _, strand, _, attributes = columns
    try:
        part = Part(int(start) - 1, int(end), _STRANDS[strand], number)
        parsed = _gff3_attributes(attributes) if gff_format == "gff3" else _gtf_attributes(attributes)
    except KeyError:
        return Reject(source, seqid, number, BROKEN_LINE, f"the strand is {strand!r}, not one of + - . ?")
    except ValueError as error:
        return Reject(source, seqid, number, BROKEN_LINE, str(error))
    name = unquote(seqid) if gff_format == "gff3" else seqid
    return GffLine(number, sys.intern(name), sys.intern(kind), part, parsed)


def _gff3_attributes(text: str) -> Attributes:
    attributes: dict[str, list[str]] = {}
    for pair in text.split(";"):
        name, equals, value = pair.strip().partition("=")
        if not equals and name not in ("", "."):
            raise ValueError(f"the attribute {name[:40]!r} has no '='")
        if name in _READ:
            values = value.split(",") if name in _SEVERAL else [value]
            attributes.setdefault(sys.intern(name), []).extend(map(unquote, values))
    return attributes


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
