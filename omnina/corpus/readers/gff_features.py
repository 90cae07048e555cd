"""The lines of a GFF file, kept by sequence until the sequence comes -> its features."""

import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from omnina.corpus.readers.gff_lines import GffFormat, GffLine, further_part, read_gff_lines
from omnina.corpus.readers.gff_parents import Parents, says_yes, taxid_of
from omnina.corpus.readers.gff_places import over_origin, reading_order, with_stop_codon
from omnina.corpus.readers.gff_segments import Group, Key, groups_of, keys_of
from omnina.corpus.readers.record import Feature, Part
from omnina.corpus.readers.streams import numbered_lines, plain_suffix, source_name
from omnina.corpus.reject import BAD_LOCATION, NO_ANNOTATION, Reject
from omnina.errors import UserError

CDS, EXON, STOP_CODON = "CDS", "exon", "stop_codon"
_SPLICED = re.compile(r"RNA|transcript|segment")  # kinds that are their exons


@dataclass
class FeatureLines:
    """What a GFF file says of each sequence, and what was wrong with lines of it.

    ``lines`` holds, for each sequence, each feature's lines by what they share; both in file order.
    ``circular`` names the sequences that the file says are (``Is_circular=true`` at their region).
    ``exons`` and ``stops`` are by sequence and transcript.
    """

    types: Collection[str]
    lines: dict[str, dict[Key, list[GffLine]]] = field(default_factory=dict)
    exons: dict[tuple[str, str], list[GffLine]] = field(default_factory=lambda: defaultdict(list))
    stops: dict[tuple[str, str], list[GffLine]] = field(default_factory=lambda: defaultdict(list))
    circular: set[str] = field(default_factory=set)
    taxids: dict[str, str] = field(default_factory=dict)
    parents: Parents = field(default_factory=Parents)
    rejects: list[Reject] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._splices = any(map(_SPLICED.search, self.types))

    def take(self, line: GffLine) -> None:
        """Keep what is needed of a line."""
        self.parents.take(line)
        if says_yes(line, "Is_circular"):
            self.circular.add(line.seqid)
        if taxid := taxid_of(line):
            self.taxids.setdefault(line.seqid, taxid)
        if line.kind == EXON and self._splices:
            self._take_exon(line)
        elif line.kind == STOP_CODON and CDS in self.types and line.first("transcript_id"):
            self.stops[line.seqid, line.first("transcript_id")].append(further_part(line))
        if line.kind in self.types:
            by_key = self.lines.setdefault(line.seqid, {})
            for key in keys_of(line):
                lines = by_key.setdefault(key, [])
                lines.append(further_part(line) if lines else line)

    def features(self, seqid: str, length: int) -> tuple[Feature, ...]:
        """Hand over the features of a sequence of so many bases; they are forgotten here."""
        circle = length if seqid in self.circular else None
        groups = groups_of(self.lines.pop(seqid, {}))
        return tuple(self._feature(group, circle) for group in groups)

    def _take_exon(self, line: GffLine) -> None:
        """Exons of a transcript whose line came before and is not wanted would fill the memory."""
        for name in line.parents:
            parent = self.parents.known.get(name)
            if parent is None or (parent.kind in self.types and _SPLICED.search(parent.kind)):
                self.exons[line.seqid, name].append(further_part(line))

    def _feature(self, group: Group, circle: int | None) -> Feature:
        """One feature; what its lines say is the first's, as GFF3 repeats it in each.

        Gene and product come from its parents where it has none.
        """
        first = group.lines[0]
        ordered = reading_order(self._spliced(group.lines), circle)
        parts = tuple(line.part for line in ordered)
        backwards = next((part for part in parts if part.start >= part.end), None)
        phase = ordered[0].phase if first.kind == CDS else None
        if first.kind == CDS:
            stops = self.stops.get((first.seqid, first.first("transcript_id")), [])
            parts = with_stop_codon(parts, (line.part for line in reading_order(stops, circle)))
        return Feature(
            kind=first.kind,
            name=f"{first.kind} {_name(first)}",
            parts=over_origin(parts, circle) if circle else parts,
            fields=self.parents.fields(first) | ({} if phase is None else {"codon_start": str(phase + 1)}),
            partial=bool(phase) or any(map(_is_partial, group.lines)),
            pseudo=self.parents.pseudo(first),
            line=backwards.line if backwards else first.number,
            fault=_backwards(backwards) if backwards else group.fault,
        )

    def _spliced(self, lines: list[GffLine]) -> list[GffLine]:
        """A transcript's exons, where it has any; else the feature's own lines."""
        first = lines[0]
        exons = self.exons.get((first.seqid, first.name)) if _SPLICED.search(first.kind) else None
        return exons or lines


def read_feature_lines(annotation: str | Path, feature_types: Collection[str]) -> FeatureLines:
    """Read a GFF3 or (by its name) GTF file.

    One without a feature line is right for a sequence without genes if it has a header; UserError else.
    """
    known, source, found, gff_format = (
        FeatureLines(feature_types),
        source_name(annotation),
        False,
        gff_format_of(annotation),
    )
    for line in read_gff_lines(numbered_lines(annotation), source, gff_format):
        found = True
        if isinstance(line, Reject):
            known.rejects.append(line)
        else:
            known.take(line)
    if not found:
        _check_header(annotation)
        known.rejects.append(Reject(source, "", None, NO_ANNOTATION, "there is no feature line in the file"))
    return known


def gff_format_of(path: str | Path) -> GffFormat:
    """GTF if the name says so, below any compression; else GFF3."""
    return "gtf" if plain_suffix(path) == ".gtf" else "gff3"


def _check_header(annotation: str | Path) -> None:
    if not any(line.startswith("#") for _, line in numbered_lines(annotation)):
        raise UserError(f"{annotation}: no feature line in it; fetch the annotation file again.")


def _name(line: GffLine) -> str:
    return line.name or ", ".join(line.parents) or f"{line.part.start + 1}..{line.part.end}"


def _backwards(part: Part) -> tuple[str, str]:
    return BAD_LOCATION, f"the start, {part.start + 1}, lies after the end, {part.end}"


def _is_partial(line: GffLine) -> bool:
    return says_yes(line, "partial") or any(line.first(name) for name in ("start_range", "end_range"))
