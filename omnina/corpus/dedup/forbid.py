"""Training sequences that test tables forbid: the same, the other strand of the same, or nearly the same.

    forbidden = ForbiddenSequences.from_tables(["data/finetune_val_example.csv"])
    twin = forbidden.strongest(sequence)        # None, or Twin(kind, similarity, number)

Every part of a labelled cell (``gRNA:ACGT... targetRNA:ACGT...``) is a sequence of its own. Only the test
side is in memory: about 300 bytes a different sequence, and 2 bytes a base for its k-mers.

Sequences of fewer than about 53 bases, guides for instance, have too few k-mers for a near twin to be told
from chance. They are compared as they are and as reverse complements only; ``too_short`` has the test side's,
``Twins.only_exact`` says it of a training sequence, and reports count both.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np

from omnina.corpus.dedup.containment import ContainmentIndex
from omnina.corpus.dedup.exact import KEY_BYTES, oriented_key
from omnina.corpus.dedup.parts import read_parts
from omnina.corpus.dedup.postings import Postings
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

    Args:
        keys: (n,) S16 ``oriented_key`` of the different sequences, ascending.
        numbers: (n,) int64 their numbers, in the order of the keys.
        orientations: (.,) int64, ascending: number x 2 + turned, as they occur.
        index: of the different sequences' k-mers.
    """

    def __init__(
        self, keys: np.ndarray, numbers: np.ndarray, orientations: np.ndarray, index: ContainmentIndex
    ):
        self._keys, self._numbers, self._orientations, self._index = keys, numbers, orientations, index

    @classmethod
    def build(
        cls, sequences: Iterable[str], settings: SketchSettings = DEFAULT
    ) -> tuple["ForbiddenSequences", list[tuple[int, bool]]]:
        """Take the sequences (upper-case IUPAC, T for U) once; also (number, turned) of each, in order."""
        known: dict[bytes, int] = {}
        oriented: list[tuple[int, bool]] = []
        index = ContainmentIndex.build(_different(sequences, known, oriented), settings)
        keys = np.array(list(known), dtype=f"S{KEY_BYTES}")
        order = np.argsort(keys)
        orientations = np.unique(np.array(oriented, dtype=np.int64).reshape(-1, 2) @ (2, 1))
        return cls(keys[order], order, orientations, index), oriented

    @classmethod
    def from_tables(
        cls, tables: Iterable[str | Path], settings: SketchSettings = DEFAULT
    ) -> "ForbiddenSequences":
        """From tables with a ``sequence`` column; raises UserError as ``read_parts`` does."""
        return cls.build((part.bases for part in read_parts(tables)), settings)[0]

    def arrays(self) -> dict[str, np.ndarray]:
        """All that it knows but the settings, by name; ``from_arrays`` takes them back."""
        index = self._index
        return {
            "keys": self._keys,
            "numbers": self._numbers,
            "orientations": self._orientations,
            "pieces": index.pieces,
            "kmers": index.postings.keys,
            "owners": index.postings.owners,
            "short": index.short,
        }

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], settings: SketchSettings = DEFAULT
    ) -> "ForbiddenSequences":
        """The sequences of ``arrays``; memory-mapped ones stay on disk."""
        postings = Postings(arrays["kmers"], arrays["owners"])
        index = ContainmentIndex(arrays["pieces"], postings, arrays["short"], settings)
        return cls(arrays["keys"], arrays["numbers"], arrays["orientations"], index)

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def too_short(self) -> set[int]:
        """Numbers of the test sequences that near twins cannot be looked for."""
        return set(self._index.short.tolist())

    def twins(self, sequence: str) -> Twins:
        """All test sequences that are twins of this training sequence."""
        key, turned = oriented_key(sequence)
        same, near = self._number_of(key), self._index.near(sequence)
        others = {} if near is None else {number: near[number] for number in near if number != same}
        return Twins(same, turned, others, only_exact=near is None)

    def strongest(self, sequence: str) -> Twin | None:
        """The twin for which this training sequence should be left out; None if it may stay."""
        twins = self.twins(sequence)
        if twins.same is not None:
            exact = _place(self._orientations, 2 * twins.same + twins.turned) is not None
            return Twin(Kind.EXACT if exact else Kind.REVERSE_COMPLEMENT, 1.0, twins.same)
        if not twins.near:
            return None
        number = max(twins.near, key=lambda one: (twins.near[one], -one))
        return Twin(Kind.NEAR, twins.near[number], number)

    def _number_of(self, key: bytes) -> int | None:
        place = _place(self._keys, np.bytes_(key))
        return None if place is None else int(self._numbers[place])


def _place(ascending: np.ndarray, value: object) -> int | None:
    """Where a value stands in an array; None if it is not there."""
    place = int(np.searchsorted(ascending, value))
    return place if place < len(ascending) and ascending[place] == value else None


def _different(
    sequences: Iterable[str], known: dict[bytes, int], oriented: list[tuple[int, bool]]
) -> Iterator[str]:
    """Pass on the first of each key; note every sequence's number and whether it was turned."""
    for sequence in sequences:
        key, turned = oriented_key(sequence)
        before = len(known)
        number = known.setdefault(key, before)
        oriented.append((number, turned))
        if number == before:
            yield sequence
