"""Training sequences that test tables forbid: the same, the other strand of the same, or nearly the same.

    forbidden = ForbiddenSequences.from_tables(["data/finetune_val_example.csv"])
    twin = forbidden.strongest(sequence)        # None, or Twin(kind, similarity, number)

Every part of a labelled cell (``gRNA:ACGT... targetRNA:ACGT...``) is a sequence of its own. Only the test side
is in memory: about 300 bytes a different sequence, and 2 bytes a base for its k-mers.

Sequences of fewer than about 53 bases, guides for instance, have too few k-mers for a near twin to be told
from chance. They are compared as they are and as reverse complements only; ``too_short`` has the test side's,
``Twins.only_exact`` says it of a training sequence, and reports count both.
"""

from collections.abc import Iterable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from omnina.corpus.dedup.containment import ContainmentIndex
from omnina.corpus.dedup.exact import oriented_key
from omnina.corpus.dedup.parts import read_parts
from omnina.corpus.dedup.sketch import DEFAULT, SketchSettings


class Kind(IntEnum):
    """How two sequences are twins; the stronger kind is the larger."""

    NEAR = 1
    REVERSE_COMPLEMENT = 2
    EXACT = 3

    @property
    def words(self) -> str:
        """For reports."""
        return self.name.lower().replace("_", " ")


class Twins(NamedTuple):
    """What the test side has of one training sequence.

    Attributes:
        same: number of the test sequence with the same bases on either strand; None if there is none.
        turned: whether ``oriented_key`` turned the training sequence.
        near: number -> estimated identity of the near twins, without ``same``.
        only_exact: the training sequence is too short for near twins.
    """

    same: int | None
    turned: bool
    near: dict[int, float]
    only_exact: bool


class Twin(NamedTuple):
    """The strongest twin: its kind, the estimated identity (1 if equal) and its number on the test side."""

    kind: Kind
    similarity: float
    number: int


class ForbiddenSequences:
    """The different sequences of a test side, numbered from 0; both strands of one have one number.

    Attributes:
        oriented: for each sequence that was given, in order, its number and whether it was turned.
        too_short: numbers of those that are only compared for equality.
    """

    def __init__(self, sequences: Iterable[str], settings: SketchSettings = DEFAULT):
        """Take the sequences (upper-case IUPAC, T for U) once."""
        self.oriented: list[tuple[int, bool]] = []
        self._numbers: dict[bytes, int] = {}
        self._index = ContainmentIndex(self._different(sequences), settings)
        self._orientations = set(self.oriented)

    @classmethod
    def from_tables(
        cls, tables: Iterable[str | Path], settings: SketchSettings = DEFAULT
    ) -> "ForbiddenSequences":
        """From tables with a ``sequence`` column; raises UserError as ``read_parts`` does."""
        return cls((part.bases for part in read_parts(tables)), settings)

    def _different(self, sequences: Iterable[str]) -> Iterator[str]:
        for sequence in sequences:
            key, turned = oriented_key(sequence)
            known = len(self._numbers)
            number = self._numbers.setdefault(key, known)
            self.oriented.append((number, turned))
            if number == known:
                yield sequence

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def too_short(self) -> set[int]:
        """Numbers of the test sequences that near twins cannot be looked for."""
        return self._index.too_short

    def twins(self, sequence: str) -> Twins:
        """All test sequences that are twins of this training sequence."""
        key, turned = oriented_key(sequence)
        same, near = self._numbers.get(key), self._index.near(sequence)
        others = {} if near is None else {number: near[number] for number in near if number != same}
        return Twins(same, turned, others, only_exact=near is None)

    def strongest(self, sequence: str) -> Twin | None:
        """The twin for which this training sequence should be left out; None if it may stay."""
        twins = self.twins(sequence)
        if twins.same is not None:
            exact = (twins.same, twins.turned) in self._orientations
            return Twin(Kind.EXACT if exact else Kind.REVERSE_COMPLEMENT, 1.0, twins.same)
        if not twins.near:
            return None
        number = max(twins.near, key=lambda one: (twins.near[one], -one))
        return Twin(Kind.NEAR, twins.near[number], number)
