"""Sequences that share a good part of the shorter of the two: twins, and a short one inside a long one.

Of the canonical k-mers, those whose hash falls into a fixed ``1 / SCALE`` of all hashes stand for a sequence
(FracMinHash, Irber et al. 2022), the same ones wherever they occur. The share of the smaller sample that the
other has, c, estimates its containment, and c^(1/k) the identity of the shared part. Two sequences are near
if c reaches min_identity^k = 0.86^14 = 0.121 and at least MIN_SHARED sampled k-mers are shared. So a pair
counts as near that differs in 14 % of its bases all over, and also one of which 12 % is the same to the base.

Why these numbers. 200 bases have 187 k-mers, 47 in the sample; at 10 % divergence 0.229 x 47 = 10.7 of them
are left on average, and 5 are needed. By chance a k-mer stands in a given 6,000 bases with
6,000 / (4^14 / 2) = 4.5e-5, so 47 x 4.5e-5 = 0.002 are shared; five or more in 0.002^5 / 120 = 3e-16 pairs.

Sequences above PIECE bases are cut into overlapping pieces, on both sides, so that chance stays at that:
everything up to PIECE / 2 bases lies whole in some piece.
"""

from collections.abc import Iterable

import numpy as np

from omnina.chunking import window_spans
from omnina.corpus.dedup.kmers import ascending_distinct, canonical_kmers, mixed
from omnina.corpus.dedup.postings import Postings
from omnina.corpus.dedup.sketch import DEFAULT, SketchSettings

SCALE = 4
MIN_SHARED = 5
MIN_SAMPLE = 10  # 40 k-mers on average: 53 bases
PIECE = 6000  # bases
OVERLAP = 3000  # bases


class ContainmentIndex:
    """An index over sequences numbered from 0; 8 bytes a sampled k-mer, or 2 bytes a base.

    Args:
        pieces: (pieces, 2) int64: the sequence that each piece is of, and how many k-mers it has.
        postings: from k-mers to pieces.
        short: (.,) int64 numbers of the sequences that cannot be compared.
    """

    def __init__(
        self, pieces: np.ndarray, postings: Postings, short: np.ndarray, settings: SketchSettings = DEFAULT
    ):
        self.pieces, self.postings, self.short, self.settings = pieces, postings, short, settings

    @classmethod
    def build(cls, sequences: Iterable[str], settings: SketchSettings = DEFAULT) -> "ContainmentIndex":
        """Take the sequences once."""
        samples, pieces, short = [], [], []
        for number, sequence in enumerate(sequences):
            found = samples_of_pieces(sequence, settings)
            samples += found
            pieces += [(number, len(sample)) for sample in found]
            if not found:
                short.append(number)
        table = np.array(pieces, dtype=np.int64).reshape(-1, 2)
        return cls(table, Postings.build(samples, np.uint32), np.array(short, dtype=np.int64), settings)

    @property
    def nbytes(self) -> int:
        """Bytes of the postings."""
        return self.postings.nbytes

    def near(self, sequence: str) -> dict[int, float] | None:
        """Number -> estimated identity of the near ones; None if ``sequence`` is too short to be compared."""
        samples = samples_of_pieces(sequence, self.settings)
        if not samples:
            return None
        found: dict[int, float] = {}
        for sample in samples:
            for piece, identity in self._near_pieces(sample):
                number = int(self.pieces[piece, 0])
                found[number] = max(identity, found.get(number, 0.0))
        return found

    def _near_pieces(self, sample: np.ndarray) -> list[tuple[int, float]]:
        pieces, shared = self.postings.shared(sample)
        enough = shared >= MIN_SHARED
        pieces, shared = pieces[enough], shared[enough]
        contained = shared / np.minimum(self.pieces[pieces, 1], len(sample))
        identities = contained ** (1 / self.settings.k)
        near = identities >= self.settings.min_identity
        return list(zip(pieces[near].tolist(), identities[near].tolist(), strict=True))


def samples_of_pieces(sequence: str, settings: SketchSettings) -> list[np.ndarray]:
    """(n,) uint32 sampled k-mers, different and ascending, of each piece that has MIN_SAMPLE of them."""
    samples = []
    for start, end in window_spans(len(sequence), PIECE, OVERLAP):
        kmers = canonical_kmers(sequence[start:end], settings.k)
        sample = ascending_distinct(kmers[mixed(kmers) < np.uint64(2**64 // SCALE)])
        if len(sample) >= MIN_SAMPLE:
            samples.append(sample)
    return samples
