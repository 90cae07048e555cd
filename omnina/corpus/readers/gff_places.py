"""Where a feature of a GFF file lies: its lines' parts in reading order, over the origin of a circle too."""

from collections.abc import Iterable
from dataclasses import replace

from omnina.corpus.readers.gff_lines import GffLine
from omnina.corpus.readers.record import Part


def reading_order(lines: list[GffLine], circle: int | None = None) -> list[GffLine]:
    """Lines in the order in which the gene is read, on a circle of so many bases if given.

    By their numbers where trans-spliced parts have them (``part=1/3``); else from left to right, or from
    right to left on the reverse strand, as files list them in either way; else, on both, as in the file. On
    a circle the widest gap between parts is outside, be it at the origin or not.
    """
    if all(line.first("part") for line in lines):
        return sorted(lines, key=_part_number)
    strands = {line.part.strand for line in lines}
    if len(strands) > 1:
        return lines
    ordered = sorted(lines, key=lambda line: line.part.start)
    if circle:
        ordered = _from_widest_gap(ordered, circle)
    return ordered[::-1] if strands == {"-"} else ordered


def over_origin(parts: Iterable[Part], circle: int) -> tuple[Part, ...]:
    """Parts on a circle of so many bases: GFF3 counts on over the origin, here they start anew."""
    cut: list[Part] = []
    for part in parts:
        if not part.start < circle < part.end <= 2 * circle:
            cut.append(part)
            continue
        halves = [replace(part, end=circle), replace(part, start=0, end=part.end - circle)]
        cut += reversed(halves) if part.strand == "-" else halves
    return tuple(cut)


def with_stop_codon(parts: tuple[Part, ...], stop: Iterable[Part]) -> tuple[Part, ...]:
    """A coding sequence with its stop codon, which GTF gives apart, and some programs twice."""
    for codon in stop:
        if any(part.start <= codon.start and codon.end <= part.end for part in parts):
            continue
        last = parts[-1]
        if codon.strand == last.strand and codon.start == last.end and codon.strand != "-":
            parts = (*parts[:-1], replace(last, end=codon.end))
        elif codon.strand == last.strand == "-" and codon.end == last.start:
            parts = (*parts[:-1], replace(last, start=codon.start))
        else:
            parts = (*parts, codon)
    return parts


def _from_widest_gap(ordered: list[GffLine], circle: int) -> list[GffLine]:
    places = range(len(ordered))
    gaps = [ordered[at].part.start - ordered[at - 1].part.end for at in places]
    gaps[0] += circle  # from the last, over the origin
    first = max(places, key=gaps.__getitem__)  # of equal gaps the one at the origin
    return ordered[first:] + ordered[:first]


def _part_number(line: GffLine) -> int:
    number = line.first("part").split("/")[0]
    return int(number) if number.isdecimal() else 0
