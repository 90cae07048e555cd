"""Entries of a feature table -> features: locations as parts in reading order, qualifiers as fields."""

import warnings
from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from Bio import BiopythonParserWarning
from Bio.SeqFeature import ExactPosition, Location, SimpleLocation

from omnina.corpus.readers.flat_faults import NOT_PARSED, PARSE_ERRORS
from omnina.corpus.readers.flat_table import BadEntry, Entry, ParsedEntry, parsed
from omnina.corpus.readers.record import Feature, Part, Strand, stated
from omnina.corpus.readers.streams import not_utf8
from omnina.corpus.reject import BAD_LOCATION

OTHER_RECORD = "part in another record"
NO_ORDER = "parts without order"
GENE = "gene"
_STRANDS: dict[int | None, Strand] = {1: "+", -1: "-", 0: ".", None: "."}
_PSEUDO = ("pseudo", "pseudogene")


@dataclass(frozen=True)
class Surroundings:
    """What a feature's place is read by: the record's bases, its shape, and the number of its first line."""

    length: int
    circular: bool
    line: int


def features_of(
    table: Iterable[Entry], types: Container[str] | None, surroundings: Surroundings
) -> tuple[Feature, ...]:
    """The features of a table that are of these types, all if None, in file order.

    One is a pseudo gene, too, if its gene's entry says so.
    """
    pseudo_genes, found = PseudoGenes(), []
    for entry in table:
        if entry.kind == GENE and any(line.startswith("/pseudo") for line in entry.lines):
            pseudo_genes.take(*_feature(entry, surroundings))
        if types is None or entry.kind in types:
            found.append(_feature(entry, surroundings))
    return tuple(
        replace(feature, pseudo=True) if pseudo_genes.have(feature, tags) else feature
        for feature, tags in found
    )


def source_qualifiers(table: Iterable[Entry]) -> dict[str, str]:
    """Organism and taxid that the first ``source`` feature with an organism names."""
    for entry in table:
        if entry.kind != "source":
            continue
        try:
            found = _parsed(entry)
        except BadEntry:
            continue
        if found.first("organism"):
            taxids = (
                ref.removeprefix("taxon:") for ref in found.qualifiers.get("db_xref", []) if "taxon:" in ref
            )
            return {"organism": found.first("organism"), "taxid": next(taxids, "")}
    return {}


class PseudoGenes:
    """Genes that are marked as pseudo, by their tags (locus tag and name)."""

    def __init__(self) -> None:
        self._of_tags: dict[str, list[Feature]] = defaultdict(list)
        self._all: list[Feature] = []

    def take(self, gene: Feature, tags: tuple[str, ...]) -> None:
        """Add a gene; one whose place is not known has nothing inside."""
        if gene.parts:
            self._all.append(gene)
            for tag in tags:
                self._of_tags[tag].append(gene)

    def have(self, feature: Feature, tags: tuple[str, ...]) -> bool:
        """Does the feature lie in one of them, on its strand, and have its tag, or none?"""
        genes = [gene for tag in tags for gene in self._of_tags.get(tag, ())] if tags else self._all
        return any(_inside(feature, gene) for gene in genes)


def _inside(feature: Feature, gene: Feature) -> bool:
    begin, end = min(part.start for part in gene.parts), max(part.end for part in gene.parts)
    strands = {part.strand for part in gene.parts}
    return bool(feature.parts) and all(
        begin <= part.start and part.end <= end and part.strand in strands for part in feature.parts
    )


def _feature(entry: Entry, surroundings: Surroundings) -> tuple[Feature, tuple[str, ...]]:
    """A feature and its tags."""
    line = surroundings.line + entry.index
    try:
        found = _parsed(entry)
    except BadEntry as error:
        return _faulty(entry.kind, entry.kind, line, (NOT_PARSED, str(error))), ()
    tags = tuple(filter(None, (found.first("locus_tag"), found.first("gene"))))
    location = _location(found.location, surroundings)
    if location is None:
        shown = found.location[:80]
        reason = f"{shown!r} of a {entry.kind} is no location on a record"
        return _faulty(entry.kind, f"{entry.kind} {shown}", line, (BAD_LOCATION, reason)), tags
    fault = _fault(location)
    feature = Feature(
        kind=entry.kind,
        name=f"{entry.kind} {location}",
        parts=() if fault else tuple(_part(part) for part in location.parts),
        fields=_fields(found) if fault else {"location": str(location), **_fields(found)},
        partial=not fault and not all(map(_is_exact, location.parts)),
        pseudo=any(name in found.qualifiers for name in _PSEUDO),
        line=line,
        fault=fault,
    )
    return feature, tags


def _parsed(entry: Entry) -> ParsedEntry:
    """Raises BadEntry, also for bytes that are not UTF-8: they could not be written to a table."""
    fault = next(filter(None, map(not_utf8, (entry.kind, *entry.lines))), None)
    if fault:
        raise BadEntry(fault)
    return parsed(entry)


def _faulty(kind: str, name: str, line: int, fault: tuple[str, str]) -> Feature:
    return Feature(kind, name, (), {}, line=line, fault=fault)


def _fields(found: ParsedEntry) -> dict[str, str]:
    return stated(
        gene=found.first("gene", "locus_tag"),
        gene_symbol=found.first("gene"),
        product=found.qualifiers.get("product"),
        note=found.qualifiers.get("note"),
        ec_number=found.qualifiers.get("EC_number"),
        protein_id=found.first("protein_id"),
        db_xref=found.qualifiers.get("db_xref"),
        codon_start=found.first("codon_start"),
    )


def _location(text: str, surroundings: Surroundings) -> Location | None:
    """Biopython's reading of a location; None if there is none, or some of the text would be passed over."""
    if text.count("(") != text.count(")"):  # biopython takes an open join's last letter for its ")"
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("error", BiopythonParserWarning)
        # "90..10" on a circle is read over the origin, with a warning.
        warnings.filterwarnings("ignore", "Attempting to fix", BiopythonParserWarning)
        try:
            return Location.fromstring(text, surroundings.length, surroundings.circular)
        except (*PARSE_ERRORS, BiopythonParserWarning):
            return None


def _fault(location: Location) -> tuple[str, str] | None:
    if any(part.ref for part in location.parts):
        return OTHER_RECORD, f"a part of {location} lies in another record"
    if getattr(location, "operator", "join") != "join":
        return NO_ORDER, f"the file does not say how the parts of {location} follow each other"
    ends = [end for part in location.parts for end in (part.start, part.end)]
    if not all(isinstance(end, int) for end in ends):
        return BAD_LOCATION, f"an end of {location} is unknown"
    return None


def _part(location: SimpleLocation) -> Part:
    return Part(int(location.start), int(location.end), _STRANDS[location.strand])


def _is_exact(location: SimpleLocation) -> bool:
    return isinstance(location.start, ExactPosition) and isinstance(location.end, ExactPosition)
