"""How much of a sequence is low in complexity: homopolymers, short repeats, letters in a lopsided mix.

The score of DUST (Morgulis, Gertz, Schaeffer and Agarwala 2006, "A fast and symmetric DUST implementation to
mask low-complexity DNA sequences", J. Comput. Biol. 13:1028-1040): with c_t the times that triplet t occurs
among the l overlapping triplets of a window,

    S = sum over t of c_t (c_t - 1) / 2  /  (l - 1)

in windows of 64 bases, low in complexity where S > 2 (``dustmasker``'s level 20, which is ten times S).
Uniform bases have S of 0.5, a repeat of 6 bases 4.8, of 2 bases 15.2, a homopolymer 31. ``dustmasker`` looks
for the best scoring stretch at every base, to mask it; windows lie side by side here, as the question is only
whether to keep the sequence. It costs a core about a second in 30 million bases.
"""

import numpy as np

from omnina.chunking import window_spans

WINDOW = 64  # bases
THRESHOLD = 2.0
_TRIPLETS = 64
_UNKNOWN = 64  # the place of triplets with a letter other than A, C, G, T: they are not counted
_WINDOWS_AT_ONCE = 4096  # 8 x 65 x 4,096 bytes of counts, whatever the sequence's length
_CODES = np.full(256, 255, dtype=np.uint8)
_CODES[list(b"ACGT")] = range(4)


def low_complexity_share(sequence: str) -> float:
    """Share of a sequence's windows whose score exceeds 2; upper-case ASCII, 0 to 1.

    Windows are 64 bases, the last ends at the last base, a shorter sequence is one window.
    """
    scores = dust_scores(sequence)
    return float(np.mean(scores > THRESHOLD))


def dust_scores(sequence: str) -> np.ndarray:
    """S of each window, (windows,) float64; 0 where a window has fewer than two triplets of A, C, G, T."""
    triplets = _triplets(sequence)
    width = min(WINDOW - 2, len(triplets))  # triplets of a window
    if width < 2:
        return np.zeros(1)
    starts = np.array([start for start, _ in window_spans(len(triplets) + 2, width + 2, 0)])
    blocks = range(0, len(starts), _WINDOWS_AT_ONCE)
    return np.concatenate([_scores(triplets, starts[i : i + _WINDOWS_AT_ONCE], width) for i in blocks])


def _triplets(sequence: str) -> np.ndarray:
    """(bases - 2,) uint8: 16 x the first letter + 4 x the second + the third, or 64."""
    codes = _CODES[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]
    first, second, third = codes[:-2], codes[1:-1], codes[2:]
    return np.where((first | second | third) > 3, _UNKNOWN, first * 16 + second * 4 + third).astype(np.uint8)


def _scores(triplets: np.ndarray, starts: np.ndarray, width: int) -> np.ndarray:
    windows = triplets[starts[:, None] + np.arange(width)]  # (windows, width)
    rows = np.arange(len(starts))[:, None] * (_TRIPLETS + 1)
    counts = np.bincount((windows + rows).ravel(), minlength=len(starts) * (_TRIPLETS + 1))
    counts = counts.reshape(len(starts), _TRIPLETS + 1)[:, :_TRIPLETS]
    pairs = (counts * (counts - 1)).sum(axis=1) / 2
    return pairs / np.maximum(counts.sum(axis=1) - 1, 1)
