"""A record with features -> passages: the whole record (cut if asked), its features, or both.

A feature is read along its coding strand: parts on ``-`` are reverse complements, parts of a join are
spliced in the order in which the gene is read. ``flank`` adds the bases of the genome before the first part
and after the last one, each on that part's strand, as far as the record reaches.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from Bio.Seq import reverse_complement

from omnina.corpus.passage import Passage
from omnina.corpus.readers.fasta import BLOCK_BYTES
from omnina.corpus.readers.record import AnnotatedRecord, Feature, Part, Strand
from omnina.corpus.readers.windowed import WHOLE, Cutting, RecordCutter
from omnina.corpus.reject import BAD_LOCATION, PSEUDO, TOO_SHORT, Reject

# A gene is a CDS or RNA feature; ``gene`` features only repeat their places.
GENE_FEATURES = ("CDS", "tRNA", "rRNA", "ncRNA", "tmRNA")


@dataclass(frozen=True)
class Selection:
    """Which passages an annotated record gives.

    Attributes:
        whole: the record itself, cut by ``cutting``?
        feature_types: of the features that become passages; none if empty.
        flank: bases added on both sides of a feature.
        min_bases: features with fewer, flanks not counted, are left out and counted.
        include_pseudo: keep features that are marked as pseudo genes?
    """

    whole: bool = False
    feature_types: tuple[str, ...] = GENE_FEATURES
    flank: int = 0
    min_bases: int = 0
    include_pseudo: bool = False
    cutting: Cutting = WHOLE


def passages_of(record: AnnotatedRecord, selection: Selection) -> Iterator[Passage | Reject]:
    """Yield the record's passages, whole ones first, and a reject for each chosen feature left out."""
    if selection.whole:
        cutter = RecordCutter(record.source_file, record.accession, record.fields, selection.cutting)
        yield from cutter.cut(_blocks(record.sequence))
    for feature in record.features:
        if feature.kind in selection.feature_types:
            yield feature_passage(record, feature, selection)


def feature_passage(record: AnnotatedRecord, feature: Feature, selection: Selection) -> Passage | Reject:
    """One feature as a passage, or why it gives none."""
    fault = _fault(record, feature, selection)
    if fault:
        name = f"{record.accession} {feature.name}"
        return Reject(record.feature_file, name, _faulty_line(record, feature), *fault)
    pieces = flanked(feature.parts, selection.flank, len(record.sequence))
    fields = _fields(record, feature)
    if len(pieces) > 1:  # start and end alone do not say which bases
        fields["parts"] = written_parts(pieces)
    return Passage(
        source_file=record.source_file,
        accession=record.accession,
        start=min(piece.start for piece in pieces),
        end=max(piece.end for piece in pieces),
        strand=strand_of(feature.parts),
        sequence=spliced(record.sequence, pieces),
        fields=fields,
    )


def written_parts(parts: Iterable[Part]) -> str:
    """Parts as text, in reading order: ``60-90(-),12-40(-)``, bases from 0, end exclusive, strand."""
    return ",".join(f"{part.start}-{part.end}({part.strand})" for part in parts)


def spliced(sequence: str, parts: tuple[Part, ...]) -> str:
    """The parts' bases, each along its strand, one after another."""
    pieces = (sequence[part.start : part.end] for part in parts)
    return "".join(
        reverse_complement(bases) if part.strand == "-" else bases
        for part, bases in zip(parts, pieces, strict=True)
    )


def _blocks(sequence: str) -> Iterator[bytes]:
    """A chromosome's bases without a second copy of it."""
    for start in range(0, len(sequence), BLOCK_BYTES):
        yield sequence[start : start + BLOCK_BYTES].encode("ascii")


def strand_of(parts: tuple[Part, ...]) -> Strand:
    """The strand that all parts are on; ``.`` for none or for both, as in trans-splicing."""
    strands = {part.strand for part in parts}
    return strands.pop() if len(strands) == 1 else "."


def flanked(parts: tuple[Part, ...], flank: int, length: int) -> tuple[Part, ...]:
    """The parts with their outer ends moved outwards by ``flank`` bases, within a record of ``length``."""
    first = _extended(parts[0], flank, length, before=True)
    if len(parts) == 1:
        return (_extended(first, flank, length, before=False),)
    return (first, *parts[1:-1], _extended(parts[-1], flank, length, before=False))


def _extended(part: Part, flank: int, length: int, before: bool) -> Part:
    """``before`` the part in the direction of reading, which is to its right on the reverse strand."""
    if before == (part.strand == "-"):
        return Part(part.start, min(length, part.end + flank), part.strand, part.line)
    return Part(max(0, part.start - flank), part.end, part.strand, part.line)


def _fault(record: AnnotatedRecord, feature: Feature, selection: Selection) -> tuple[str, str] | None:
    """(kind, reason) for leaving the feature out."""
    if feature.pseudo and not selection.include_pseudo:
        return PSEUDO, f"the {feature.kind} is marked as a pseudo gene"
    if feature.fault:
        return feature.fault
    outside = _outside(record, feature)
    if outside:
        ends = f"{outside.start + 1}..{outside.end}"
        return BAD_LOCATION, f"{ends} is outside the record's 1..{len(record.sequence)}"
    bases = sum(part.end - part.start for part in feature.parts)
    if bases < max(1, selection.min_bases):
        return TOO_SHORT, f"the {feature.kind} is shorter than {max(1, selection.min_bases)} bases"
    return None


def _outside(record: AnnotatedRecord, feature: Feature) -> Part | None:
    length = len(record.sequence)
    return next((part for part in feature.parts if part.start < 0 or part.end > length), None)


def _faulty_line(record: AnnotatedRecord, feature: Feature) -> int | None:
    outside = None if feature.fault else _outside(record, feature)
    line = outside.line if outside and outside.line else feature.line
    # What is before the span is counted here and not for each record, as it takes a look at all of it.
    return line + record.span.lines_before if line and record.span else line


def _fields(record: AnnotatedRecord, feature: Feature) -> dict[str, str]:
    strand = strand_of(feature.parts)
    fields = {**record.fields, **feature.fields, "feature_type": feature.kind}
    if strand != ".":
        fields["strand"] = strand
    if feature.partial:
        fields["partial"] = "yes"
    return fields
