"""Which lines of a GFF file are one feature: not all files give the parts of a CDS a common ID.

Three ways occur, all for one thing: an ID that the lines share; no ID, but a common Parent; an ID for each
line, and a common Parent. In the last, several coding sequences of one transcript look the same, so lines
are joined only if they can be one: they do not overlap, no protein or product tells them apart, and their
phases follow from each other.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from omnina.corpus.readers.gff_lines import GffLine

SCATTERED = "parts that make no whole"
# Kinds whose lines may be parts of one feature without a common ID; of exons each is one.
_IN_PARTS = re.compile(r"CDS|.*UTR.*")
_TELLING = ("protein_id", "product")
_SLIPPAGE = 2  # bases that neighbouring parts may share: a frame shift reads them twice


class Key(NamedTuple):
    """What the lines of a feature share: ``by`` is ``ID``, ``Parent`` or ``line``."""

    kind: str
    by: str
    name: str


class Group(NamedTuple):
    """The lines of one feature, in file order, or (kind, reason) why they are none."""

    lines: list[GffLine]
    fault: tuple[str, str] | None = None


def keys_of(line: GffLine) -> list[Key]:
    """The groups of a line: several where it is a part for several parents."""
    name = line.first("ID")
    if name:
        return [Key(line.kind, "ID", name)]
    if line.parents and _IN_PARTS.fullmatch(line.kind):
        return [Key(line.kind, "Parent", parent) for parent in line.parents]
    return [Key(line.kind, "line", str(line.number))]


def groups_of(by_key: dict[Key, list[GffLine]]) -> list[Group]:
    """The features of a sequence in file order: groups of one parent's lines with an ID each are joined."""
    found, used = [], set()
    for lines in _of_one_parent(by_key):
        group = _joined(lines)
        if group:
            found.append(group)
            used.update(line.number for line in lines)
    for key, lines in by_key.items():
        if key.by == "Parent":
            found.append(Group(lines, _overlap(lines)))
        elif len(lines) > 1 or lines[0].number not in used:
            found.append(Group(lines))
    # Parents with the same lines (a transcript and its protein) have the same feature.
    distinct = {tuple(line.number for line in group.lines): group for group in found}
    return sorted(distinct.values(), key=lambda group: group.lines[0].number)


def _of_one_parent(by_key: dict[Key, list[GffLine]]) -> Iterator[list[GffLine]]:
    """For each parent and kind, lines with an ID of their own, where there are several."""
    of_parent: dict[tuple[str, str], list[GffLine]] = defaultdict(list)
    for key, lines in by_key.items():
        if key.by == "ID" and len(lines) == 1 and _IN_PARTS.fullmatch(key.kind):
            for parent in lines[0].parents:
                of_parent[key.kind, parent].append(lines[0])
    return (lines for lines in of_parent.values() if len(lines) > 1)


def _joined(lines: list[GffLine]) -> Group | None:
    """Lines with an ID each as one feature, with a fault where it is not whole; None if they are several."""
    told_apart = any(len({line.first(name) for line in lines} - {""}) > 1 for name in _TELLING)
    if told_apart or _overlap(lines):
        return None
    strands = {line.part.strand for line in lines}
    ordered = sorted(lines, key=lambda line: line.part.start, reverse=strands == {"-"})
    if len(strands) == 1 and _phases_follow(ordered):
        return Group(lines)
    kind, parents = lines[0].kind, ", ".join(lines[0].parents)
    reason = f"{len(lines)} {kind} lines of {parents} have an ID each and do not follow from each other"
    return Group(lines, (SCATTERED, reason))


def _overlap(lines: list[GffLine]) -> tuple[str, str] | None:
    ordered = sorted((line.part for line in lines), key=lambda part: part.start)
    for part, following in pairwise(ordered):
        if following.start < part.end - _SLIPPAGE:
            places = f"{part.start + 1}..{part.end} and {following.start + 1}..{following.end}"
            return SCATTERED, f"{places} of one parent overlap"
    return None


def _phases_follow(ordered: Iterable[GffLine]) -> bool:
    """Does each part's phase complete the codon that the one before it ends in? Lines may have none."""
    expected = None
    for line in ordered:
        if expected is not None and line.phase is not None and line.phase != expected:
            return False
        phase = line.phase if line.phase is not None else expected
        if phase is not None:
            expected = (phase - (line.part.end - line.part.start)) % 3
    return True
