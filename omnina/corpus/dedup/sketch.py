"""MinHash signatures of sequences: near-duplicates share values, on whichever strand they were read.

The canonical k-mers of a sequence are hashed once; the hash says which of M bins a k-mer falls into, and
the smallest value of each bin is kept (one-permutation hashing, Li, Owen and Zhang 2012). An empty bin
borrows the value of a bin that its number leads to at random (optimal densification, Shrivastava 2017).
Two signatures agree in a share of their M values that estimates the Jaccard index j of the k-mer sets.
M = bands x rows; neighbouring values make a band, and sequences that share a whole band are candidates.

Why these numbers. Let one copy differ from the other in a share d of its bases. A k-mer survives with
p = (1 - d)^k, so j = p / (2 - p), and a pair becomes a candidate with 1 - (1 - j^rows)^bands:

    k = 14, bands = 160, rows = 2        d = 1 %   p = 0.869   j = 0.768   recall = 1.000
                                         d = 5 %   p = 0.488   j = 0.322   recall = 1.000
                                         d = 10 %  p = 0.229   j = 0.129   recall = 0.931
    k = 21, the same bands               d = 10 %  p = 0.109   j = 0.058   recall = 0.415
    k = 10, the same bands               d = 10 %  p = 0.349   j = 0.211   recall = 0.999

Two unrelated sequences of L = 3,000 share L^2 / (4^k / 2) k-mers by chance: 17 for k = 10 (j = 0.003), and
0.07 for k = 14 (j = 1.1e-5), which makes them candidates with 160 j^2 = 2.0e-8. At 80 % GC two random bases
are equal with 2 x 0.4^2 + 2 x 0.1^2 = 0.34 and not 0.25, so that chance k-mers are (0.34 / 0.25)^14 = 74
times as many and candidates 5,500 times: 1e-4. A candidate therefore counts only if the whole signatures
agree: j turned into identity, (2j / (1 + j))^(1/k), must reach ``min_identity`` = 0.86, where p = 0.121 and
j = 0.064, or 21 of 320 values; 74 x 1.1e-5 = 0.0008 would make 0.3 of them agree. What was measured is in
docs/corpus_dedup.md.
"""

from dataclasses import dataclass

import numpy as np

from omnina.corpus.dedup.kmers import MAX_K, ascending_distinct, canonical_kmers, mixed


@dataclass(frozen=True)
class SketchSettings:
    """How sequences are compared; the defaults are argued for above.

    Attributes:
        k: bases in a k-mer.
        bands, rows: a signature has bands x rows values; a candidate shares all rows of some band.
        min_identity: share of equal bases, estimated, from which two sequences are near-duplicates.
        min_kmers: sequences with fewer different k-mers cannot be told from chance and get no signature.
    """

    k: int = 14
    bands: int = 160
    rows: int = 2
    min_identity: float = 0.86
    min_kmers: int = 48

    def __post_init__(self) -> None:
        if not 4 <= self.k <= MAX_K:
            raise ValueError(f"k ({self.k}) must be from 4 to {MAX_K} bases")
        if self.bands < 1 or self.rows < 1:
            raise ValueError(f"bands ({self.bands}) and rows ({self.rows}) must be 1 or more")
        if not 0 < self.min_identity <= 1:
            raise ValueError(f"min_identity ({self.min_identity}) must be above 0 and at most 1")

    @property
    def values(self) -> int:
        """Values in a signature."""
        return self.bands * self.rows

    def candidate_recall(self, divergence: float) -> float:
        """Share of pairs at this divergence (substitutions only) that share a band."""
        survives = (1 - divergence) ** self.k
        return 1 - (1 - (survives / (2 - survives)) ** self.rows) ** self.bands


DEFAULT = SketchSettings()


def signature(sequence: str, settings: SketchSettings = DEFAULT) -> np.ndarray | None:
    """(values,) uint32, or None for a sequence of fewer than ``min_kmers`` different k-mers."""
    kmers = canonical_kmers(sequence, settings.k)
    if len(kmers) < settings.min_kmers:
        return None
    return signature_of_hashes(ascending_distinct(mixed(kmers)), settings)


def signature_of_hashes(hashes: np.ndarray, settings: SketchSettings) -> np.ndarray | None:
    """The same, from the n different hashes in ascending order: (n,) uint64 -> (values,) uint32."""
    if len(hashes) < settings.min_kmers:
        return None
    # The high 32 bits choose the bin, so that a bin's hashes stand together; the low 32 bits are the value.
    bins = ((hashes >> np.uint64(32)) * np.uint64(settings.values)) >> np.uint64(32)
    starts = np.flatnonzero(np.concatenate(([True], bins[1:] != bins[:-1])))
    smallest = np.minimum.reduceat((hashes & np.uint64(0xFFFFFFFF)).astype(np.uint32), starts)
    values = np.zeros(settings.values, dtype=np.uint32)
    filled = np.zeros(settings.values, dtype=bool)
    values[bins[starts]], filled[bins[starts]] = smallest, True
    _densify(values, filled)
    return values


def _densify(values: np.ndarray, filled: np.ndarray) -> None:
    """Give each empty bin the value of a filled one, found by the same random walk in every sequence."""
    empty = np.flatnonzero(~filled)
    step = 0
    while len(empty):
        step += 1
        lenders = mixed(empty + step * len(values)) % np.uint64(len(values))
        lends = filled[lenders]
        values[empty[lends]] = values[lenders[lends]]
        empty = empty[~lends]


def band_keys(signatures: np.ndarray, bands: range, settings: SketchSettings) -> np.ndarray:
    """(n, values) uint32 -> (len(bands), n) uint64 keys of these bands.

    A band's key differs from another band's of equal values.
    """
    keys = np.repeat(np.array(bands, dtype=np.uint64)[:, np.newaxis], len(signatures), axis=1)
    of_bands = signatures[:, bands.start * settings.rows : bands.stop * settings.rows]
    rows = of_bands.reshape(len(signatures), len(bands), settings.rows)
    for row in range(settings.rows):
        keys = mixed((keys << np.uint64(32)) ^ mixed(rows[:, :, row].T))
    return keys


def jaccard(signatures: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(..., values) and (..., values) -> (...) share of equal values, the estimate of the Jaccard index."""
    return np.mean(signatures == other, axis=-1)


def identity_of_jaccard(share: np.ndarray | float, k: int) -> np.ndarray | float:
    """Share of equal bases that leaves this Jaccard index of k-mers: (2j / (1 + j))^(1/k).

    The inverse of j = p / (2 - p), p = identity^k (Fan et al. 2015; Mash has its first-order form).
    """
    return (2 * share / (1 + share)) ** (1 / k)
