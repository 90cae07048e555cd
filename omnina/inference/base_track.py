"""What a model says of each base: its token's figure, shared among the token's bases."""

from collections.abc import Sequence

import numpy as np

from omnina.chunking import Nucleotides
from omnina.inference.packed import PackedReader
from omnina.inference.windows import fitted_windows
from omnina.prompt import Document, PromptEncoder


def bases_held(encoder: PromptEncoder, nucleotides: Nucleotides, question: str = "") -> list[np.ndarray]:
    """How many bases each token of each part holds; (tokens,) int64 each, their sum the part's bases."""
    starts = encoder.token_starts(nucleotides, question)
    return [
        np.diff([*of_part, len(bases)]) for of_part, (_, bases) in zip(starts, nucleotides.parts, strict=True)
    ]


def base_nats(document: Document, nats: np.ndarray, held: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Log-probability of each base of each part, (bases,) float64; their sum is that of the tokens.

    Args:
        document: with all the bases.
        nats: (tokens,) log-probability of each token of the document.
        held: how many bases the tokens of each part hold.
    """
    return [
        np.repeat(nats[first:stop] / np.maximum(of_part, 1), of_part)
        for (first, stop), of_part in zip(document.sequence_spans, held, strict=True)
    ]


def sequence_track(reader: PackedReader, nucleotides: Nucleotides) -> np.ndarray:
    """(bases,) log-probability of each base of a sequence, window by window, after pretraining's prompt.

    Raises ValueError for labelled sequences that do not fit.
    """
    windows = fitted_windows(reader.annotating, nucleotides)
    nats = reader.token_nats([window.document for window in windows])
    tracks: list[np.ndarray] = []
    for window, of_window in zip(windows, nats, strict=True):
        held = bases_held(reader.annotating, window.nucleotides)
        tracks += base_nats(window.document, of_window, held)
    return np.concatenate(tracks)
