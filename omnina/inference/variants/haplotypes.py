"""A variant as two sequences of the same length around the same place, however the variant was written.

An insertion or deletion in a repeat can stand at several places and means the same. It is widened to the
region that holds all of them, so that every way of writing it gives the same windows; so does the other
strand's way.

    reference  ...ACG TTT GCA...      TTT -> TT, wherever the record says that a T is missing
    alternative .AACG TT  GCAC..      one base more of the surroundings: both windows have the same length

Positions count from 0, ends exclusive.
"""

from dataclasses import dataclass
from typing import Protocol

from omnina.chunking import reverse_complement

UNKNOWN = "N"
Window = tuple[str, str, str]  # left surroundings, region, right surroundings


class Contig(Protocol):
    """A sequence of the reference; upper case."""

    def __len__(self) -> int:
        """Its bases."""

    def fetch(self, start: int, end: int) -> str:
        """The bases from ``start`` to ``end``, both within it."""


class TextContig:
    """A contig in memory.

    Args:
        bases: upper case, U as T.
    """

    def __init__(self, bases: str) -> None:
        self._bases = bases

    def __len__(self) -> int:
        return len(self._bases)

    def fetch(self, start: int, end: int) -> str:
        """The bases from ``start`` to ``end``."""
        assert 0 <= start <= end <= len(self._bases)
        return self._bases[start:end]


@dataclass(frozen=True)
class Change:
    """The bases from ``start`` to ``end``, ``ref``, become ``alt``."""

    start: int
    ref: str
    alt: str

    @property
    def end(self) -> int:
        """Of the reference's bases that change."""
        return self.start + len(self.ref)

    @property
    def grows_by(self) -> int:
        """Bases that the alternative has more; negative for a deletion."""
        return len(self.alt) - len(self.ref)


@dataclass(frozen=True)
class Windows:
    """The sequences that a change is scored by.

    Attributes:
        ref, alt: one each; two where an odd number of bases cannot be shared out evenly, once in favour of
            each side.
    """

    ref: tuple[Window, ...]
    alt: tuple[Window, ...]


def canonical(contig: Contig, start: int, ref: str, alt: str) -> Change:
    """The change without bases that both share at its ends; an indel with all places where it could stand."""
    if ref == alt:
        return Change(start, ref, alt)
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        ref, alt, start = ref[1:], alt[1:], start + 1
    if bool(ref) == bool(alt):
        return Change(start, ref, alt)
    return _widened(contig, Change(start, ref, alt))


def windows(contig: Contig, change: Change, size: int) -> Windows:
    """Windows of ``size`` bases with and without a change, the change in their middle.

    At a contig's end the other side gets what one side lacks; where the contig is shorter than a window, the
    two are as long as it lets them be. Raises ValueError for a change that is longer than a window.
    """
    longest = max(len(change.ref), len(change.alt))
    if longest > size:
        raise ValueError(f"with all places where it could stand it takes {longest} bases: more than a window")
    return Windows(_around(contig, change, change.ref, size), _around(contig, change, change.alt, size))


def other_strand(window: Window) -> Window:
    """The same window read from the other strand."""
    left, region, right = window
    return reverse_complement(right), reverse_complement(region), reverse_complement(left)


def _widened(contig: Contig, change: Change) -> Change:
    """A pure insertion or deletion rolled to both sides as far as the sequence stays the same."""
    inserted = change.ref or change.alt
    left = _rolls(contig, change.start - 1, -1, inserted[::-1])
    right = _rolls(contig, change.end, 1, inserted)
    before = contig.fetch(change.start - left, change.start)
    after = contig.fetch(change.end, change.end + right)
    return Change(change.start - left, before + change.ref + after, before + change.alt + after)


def _rolls(contig: Contig, place: int, step: int, unit: str) -> int:
    """How many bases from ``place`` on repeat the unit, going around in it."""
    count = 0
    while 0 <= place < len(contig):
        base = contig.fetch(place, place + 1)
        if base != unit[count % len(unit)] or base == UNKNOWN:  # bases that are not known repeat nothing
            break
        place, count = place + step, count + 1
    return count


def _around(contig: Contig, change: Change, region: str, size: int) -> tuple[Window, ...]:
    room = size - len(region)
    lefts = dict.fromkeys((room // 2, room - room // 2))
    found = dict.fromkeys(_flanked(contig, change, region, left, room - left) for left in lefts)
    return tuple(found)


def _flanked(contig: Contig, change: Change, region: str, left: int, right: int) -> Window:
    before, after = change.start, len(contig) - change.end
    left, right = left + max(right - after, 0), right + max(left - before, 0)
    left, right = min(left, before), min(right, after)
    return (
        contig.fetch(change.start - left, change.start),
        region,
        contig.fetch(change.end, change.end + right),
    )
