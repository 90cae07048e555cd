"""FASTA with GFF3 or GTF -> annotated records.

Memory: one record's sequence at a time, and of the whole GFF file the lines of the chosen types and what
genes and transcripts hand down, since a GFF file need not follow the order of its FASTA file: about 1.8 KB
for a feature and 0.3 KB for each further part.
"""

from collections.abc import Container, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from omnina.corpus.readers.bases import BadRecord
from omnina.corpus.readers.fasta import FastaRecord, read_fasta
from omnina.corpus.readers.features import GENE_FEATURES
from omnina.corpus.readers.gff_lines import GffFormat, GffLine, further_part, read_gff_lines
from omnina.corpus.readers.gff_parents import Parents, says_yes
from omnina.corpus.readers.record import AnnotatedRecord, Feature, Part
from omnina.corpus.readers.streams import COMPRESSIONS, numbered_lines, source_name
from omnina.corpus.readers.windowed import described_fields
from omnina.corpus.reject import BAD_LOCATION, Reject
from omnina.errors import UserError

UNKNOWN_SEQUENCE = "unknown sequence"


@dataclass
class FeatureLines:
    """The features of a GFF file by sequence, and what was wrong with lines of it.

    ``lines`` holds, for each sequence, each feature's lines by what they share; both in file order.
    ``circular`` names the sequences that the file says are (``Is_circular=true`` at their region).
    """

    lines: dict[str, dict[tuple[str, str], list[GffLine]]] = field(default_factory=dict)
    circular: set[str] = field(default_factory=set)
    parents: Parents = field(default_factory=Parents)
    rejects: list[Reject] = field(default_factory=list)
    found: bool = False

    def take(self, line: GffLine) -> None:
        """Add a line to its feature; a line that shares nothing is a feature of its own."""
        key = (line.kind, line.group or f"line {line.number}")
        lines = self.lines.setdefault(line.seqid, {}).setdefault(key, [])
        lines.append(further_part(line) if lines else line)

    def features(self, seqid: str) -> tuple[Feature, ...]:
        """Hand over a sequence's features; they are forgotten here."""
        return tuple(feature_from(lines, self.parents) for lines in self.lines.pop(seqid, {}).values())


def read_gff(
    fasta: str | Path, annotation: str | Path, feature_types: Container[str] = GENE_FEATURES
) -> Iterator[AnnotatedRecord | Reject]:
    """Yield the FASTA file's records with their features of these types.

    Rejects come for broken GFF lines first, then for FASTA records in file order, and at the end for
    features whose sequence is not in the FASTA file. Raises UserError, naming the file, for one that
    cannot be read, and for a GFF file without a feature line.
    """
    known = read_feature_lines(annotation, feature_types)
    yield from known.rejects
    source, feature_file = source_name(fasta), source_name(annotation)
    for record in read_fasta(fasta):
        features = known.features(record.accession if isinstance(record, FastaRecord) else record.record)
        if isinstance(record, FastaRecord):
            circular = record.accession in known.circular
            yield _annotated(record, features, circular, source, feature_file)
        else:
            yield record
    yield from _unknown(known, source, feature_file)


def read_feature_lines(annotation: str | Path, feature_types: Container[str]) -> FeatureLines:
    """Read a GFF3 or (by its name) GTF file; raises UserError if it has no feature line."""
    known, source = FeatureLines(), source_name(annotation)
    for line in read_gff_lines(numbered_lines(annotation), source, gff_format_of(annotation)):
        known.found = True
        if isinstance(line, Reject):
            known.rejects.append(line)
            continue
        known.parents.take(line)
        if says_yes(line, "Is_circular"):
            known.circular.add(line.seqid)
        if line.kind in feature_types:
            known.take(line)
    if not known.found:
        raise UserError(f"{annotation}: no feature line in it; fetch the annotation file again.")
    return known


def gff_format_of(path: str | Path) -> GffFormat:
    """GTF if the name says so, below any compression; else GFF3."""
    name = Path(path)
    suffix = Path(name.stem).suffix if name.suffix in COMPRESSIONS else name.suffix
    return "gtf" if suffix == ".gtf" else "gff3"


def feature_from(lines: list[GffLine], parents: Parents) -> Feature:
    """One feature from its lines; what they say is the first line's, as GFF3 repeats it in each.

    Gene and product come from its parents where it has none.
    """
    first = lines[0]
    parts = tuple(line.part for line in reading_order(lines))
    backwards = next((part for part in parts if part.start >= part.end), None)
    return Feature(
        kind=first.kind,
        name=f"{first.kind} {first.group or f'{first.part.start + 1}..{first.part.end}'}",
        parts=parts,
        fields=parents.fields(first),
        partial=any(_is_partial(line) for line in lines),
        pseudo=parents.pseudo(first),
        line=backwards.line if backwards else first.number,
        fault=_backwards(backwards) if backwards else None,
    )


def reading_order(lines: list[GffLine]) -> list[GffLine]:
    """Lines in the order in which the gene is read.

    By their numbers where trans-spliced parts have them (``part=1/3``); else from left to right, or from
    right to left on the reverse strand, as files list them in either way; else, on both, as in the file.
    """
    if all(line.first("part") for line in lines):
        return sorted(lines, key=_part_number)
    strands = {line.part.strand for line in lines}
    if len(strands) > 1:
        return lines
    return sorted(lines, key=lambda line: line.part.start, reverse=strands == {"-"})


def over_origin(feature: Feature, length: int) -> Feature:
    """The feature on a circle of ``length`` bases: GFF3 counts on over the origin, here parts start anew."""
    parts: list[Part] = []
    for part in feature.parts:
        if not part.start < length < part.end <= 2 * length:
            parts.append(part)
            continue
        halves = [replace(part, end=length), replace(part, start=0, end=part.end - length)]
        parts += reversed(halves) if part.strand == "-" else halves
    return replace(feature, parts=tuple(parts))


def _part_number(line: GffLine) -> int:
    number = line.first("part").split("/")[0]
    return int(number) if number.isdecimal() else 0


def _backwards(part: Part) -> tuple[str, str]:
    return BAD_LOCATION, f"the start, {part.start + 1}, lies after the end, {part.end}"


def _is_partial(line: GffLine) -> bool:
    return says_yes(line, "partial") or any(line.first(name) for name in ("start_range", "end_range"))


def _annotated(
    record: FastaRecord, features: tuple[Feature, ...], circular: bool, source: str, feature_file: str
) -> AnnotatedRecord | Reject:
    try:
        sequence = b"".join(record.blocks).decode("ascii")
    except BadRecord as error:
        reason = f"{error.reason}; its {len(features)} features are left out with it"
        return Reject(source, record.accession, None, error.kind, reason)
    if circular:
        features = tuple(over_origin(feature, len(sequence)) for feature in features)
    fields = described_fields(record)
    return AnnotatedRecord(source, record.accession, sequence, fields, features, feature_file)


def _unknown(known: FeatureLines, source: str, feature_file: str) -> Iterator[Reject]:
    for seqid, groups in known.lines.items():
        for lines in groups.values():
            reason = f"a {lines[0].kind} of a sequence that is not in {source}"
            yield Reject(feature_file, seqid, lines[0].number, UNKNOWN_SEQUENCE, reason)
