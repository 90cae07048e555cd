"""Near-duplicates as a whole, in a set that fits in memory: found by bands, verified by signatures.

A sequence costs 160 bands x 12 bytes + 320 values x 4 bytes = 3,200 bytes whatever its length, and its name:
a million sequences 3.2 GB, and twice that while the bands are sorted. No two sequences are compared that
share no band. For a short sequence inside a long one see ``containment``.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from omnina.corpus.dedup.clusters import UnionFind
from omnina.corpus.dedup.postings import Postings
from omnina.corpus.dedup.sketch import (
    DEFAULT,
    SketchSettings,
    band_keys,
    identity_of_jaccard,
    jaccard,
    signature,
)


class NearPair(NamedTuple):
    """Two names, and the share of equal bases that their signatures let one estimate."""

    name: str
    other: str
    identity: float


class NeighbourIndex:
    """An index over named sequences; query it with any number of others, one at a time."""

    def __init__(self, sequences: Iterable[tuple[str, str]], settings: SketchSettings = DEFAULT):
        """Take (name, sequence) pairs, once; ``too_short`` counts those without a signature."""
        self.settings = settings
        self.names: list[str] = []
        self.too_short: list[str] = []
        self.signatures = self._signatures(sequences)
        keys = (band_keys(values, settings) for values in self.signatures)
        self._postings = Postings.build(keys, np.uint64)

    def _signatures(self, sequences: Iterable[tuple[str, str]]) -> np.ndarray:
        """(sequences, values) uint32."""
        kept = []
        for name, sequence in sequences:
            values = signature(sequence, self.settings)
            if values is None:
                self.too_short.append(name)
            else:
                self.names.append(name)
                kept.append(values)
        return np.stack(kept) if kept else np.empty((0, self.settings.values), dtype=np.uint32)

    @property
    def nbytes(self) -> int:
        """Bytes of signatures and bands."""
        return self.signatures.nbytes + self._postings.nbytes

    def near(self, sequence: str) -> list[tuple[str, float]]:
        """(name, estimated identity) of the indexed near-duplicates of ``sequence``; none if too short."""
        values = signature(sequence, self.settings)
        if values is None:
            return []
        owners, _ = self._postings.shared(band_keys(values, self.settings))
        identities = self._identities(self.signatures[owners], values)
        found = np.flatnonzero(identities >= self.settings.min_identity)
        return [(self.names[owners[i]], float(identities[i])) for i in found]

    def near_pairs(self, sequences: Iterable[tuple[str, str]]) -> Iterator[NearPair]:
        """Near pairs of queries and indexed sequences, as the queries come."""
        for name, sequence in sequences:
            for other, identity in self.near(sequence):
                yield NearPair(name, other, identity)

    def clusters(self) -> dict[str, str]:
        """The name of each indexed sequence's cluster: its smallest name. Near of near is in one cluster.

        Only successive owners of a band are verified and joined, so that a family of a thousand copies
        takes a thousand comparisons a band and not half a million.
        """
        joined = UnionFind(self.names)
        for left, right in self._postings.links():
            for start in range(0, len(left), 4096):  # 4,096 x 320 values x 4 bytes = 5 MB a side
                a, b = left[start : start + 4096], right[start : start + 4096]
                near = self._identities(self.signatures[a], self.signatures[b]) >= self.settings.min_identity
                for i, j in zip(a[near].tolist(), b[near].tolist(), strict=True):
                    joined.join(self.names[i], self.names[j])
        return {name: joined.smallest(name) for name in self.names}

    def _identities(self, signatures: np.ndarray, other: np.ndarray) -> np.ndarray:
        return identity_of_jaccard(jaccard(signatures, other), self.settings.k)
