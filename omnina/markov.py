"""Order-k Markov models of DNA: the baseline beside every loss on sequence.

Base b after the context c of k bases: p_k(b|c) = (n(cb) + A p_{k-1}(b|c')) / (n(c) + A), where c' drops
the first base of c, p_{-1} = 1/4 and A = 4 pseudo-counts (interpolation with a Dirichlet prior, MacKay
and Peto, 1995). Counted on training sequences, measured on validation ones, in bits per base; letters
other than A, C, G, T are left out, and so is no context: near a sequence's start the shorter order counts.
"""

from collections.abc import Iterable

import numpy as np

from omnina.progress import counted

HIGHEST_ORDER = 11
PSEUDO_COUNTS = 4.0
_CODES = np.full(256, 4, dtype=np.int64)
_CODES[[ord(base) for base in "ACGT"]] = range(4)


def markov_bits_per_base(
    training: Iterable[str], validation: Iterable[str], highest_order: int = HIGHEST_ORDER
) -> list[float]:
    """Bits per base of validation sequences under orders 0 to ``highest_order`` of training ones."""
    training_codes, validation_codes = _joined(training), _joined(validation)
    bases = validation_codes[validation_codes < 4]
    if not len(bases):
        raise ValueError("the validation sequences hold no A, C, G or T")
    lower = np.full(len(validation_codes), 0.25)
    bits = []
    for order in counted(range(highest_order + 1), "Markov models", "orders"):
        lower = _probabilities(training_codes, validation_codes, order, lower)
        bits.append(float(-np.log2(lower[validation_codes < 4]).mean()))
    return bits


def _joined(sequences: Iterable[str]) -> np.ndarray:
    """Codes 0 to 3, and 4 for any other letter and between sequences."""
    return _CODES[np.frombuffer("\n".join(sequences).encode("ascii"), dtype=np.uint8)]


def _probabilities(training: np.ndarray, validation: np.ndarray, order: int, lower: np.ndarray) -> np.ndarray:
    """p_k of every validation base, given p_{k-1}; unchanged where the context is not whole."""
    words, _ = _words(training, order)
    counts = np.bincount(words, minlength=4 ** (order + 1))
    context_counts = counts.reshape(-1, 4).sum(1)
    words, places = _words(validation, order)
    updated = lower.copy()
    prior = PSEUDO_COUNTS * lower[places]
    updated[places] = (counts[words] + prior) / (context_counts[words // 4] + PSEUDO_COUNTS)
    return updated


def _words(codes: np.ndarray, order: int) -> tuple[np.ndarray, np.ndarray]:
    """(k+1)-mers as numbers in base 4, and the place of the last base of each; whole ones only."""
    size = order + 1
    if len(codes) < size:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    values = np.zeros(len(codes) - order, dtype=np.int64)
    whole = np.ones(len(codes) - order, dtype=bool)
    for shift in range(size):
        part = codes[shift : shift + len(values)]
        values = values * 4 + part
        whole &= part < 4
    places = np.nonzero(whole)[0]
    return values[places], places + order
