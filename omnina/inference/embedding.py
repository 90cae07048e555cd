"""Vectors of sequences: a layer's states of the tokens that hold bases, pooled or spread over the bases.

The states are those after pretraining's prompt and the bases before; layer 0 is the embedding, the last one
that after the final norm, as in transformers' ``hidden_states``. A sequence longer than the model reads is
read in windows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

import numpy as np

from omnina.chunking import Nucleotides
from omnina.errors import UserError
from omnina.inference.base_track import bases_held
from omnina.inference.packed import PackedReader
from omnina.inference.windows import Window, fitted_windows

Pooling = Literal["mean", "last", "bases"]


@dataclass(frozen=True)
class EmbeddingSettings:
    """What a sequence's vectors are.

    Args:
        pooling: ``mean`` over the tokens that hold bases, the ``last`` of them (the only one that has seen
            the whole window), or one vector for each of the ``bases``, that of the token that holds it.
        both_strands: the mean of a sequence's and its reverse complement's; bases stay where they are.
    """

    pooling: Pooling = "mean"
    both_strands: bool = False

    def __post_init__(self) -> None:
        if self.pooling not in get_args(Pooling):
            raise UserError(f"pooling '{self.pooling}' is none of {', '.join(get_args(Pooling))}.")


class Embedder:
    """Makes vectors of sequences.

    Args:
        reader: the checkpoint.
        layers: in this order, each once; negative ones count from the last.
        settings: what they are.

    Attributes:
        layers: the same, counted from 0.
        width: H, the size of a vector.

    Raises UserError for a layer that the model has not.
    """

    def __init__(self, reader: PackedReader, layers: Sequence[int], settings: EmbeddingSettings) -> None:
        self.reader, self.settings = reader, settings
        self.layers = list(dict.fromkeys(_layer(layer, reader) for layer in layers))
        self.width = reader.model.config.hidden_size

    def embed(self, sequences: Sequence[Nucleotides]) -> list[np.ndarray]:
        """(layers, H) float32 of each sequence, in order; (bases, layers, H) for ``bases``.

        Raises ValueError for labelled sequences that do not fit.
        """
        found = self._one_strand(sequences)
        if not self.settings.both_strands:
            return found
        other = self._one_strand([nucleotides.other_strand for nucleotides in sequences])
        if self.settings.pooling == "bases":
            other = [_turned(*pair) for pair in zip(other, sequences, strict=True)]
        return [(one + two) / 2 for one, two in zip(found, other, strict=True)]

    def _one_strand(self, sequences: Sequence[Nucleotides]) -> list[np.ndarray]:
        windows = [fitted_windows(self.reader.annotating, nucleotides) for nucleotides in sequences]
        documents = [window.document for of_row in windows for window in of_row]
        states = self.reader.layer_states(documents, self.layers)
        return [self._pooled(of_row, islice(states, len(of_row))) for of_row in windows]

    def _pooled(self, windows: list[Window], states: Iterable[list[np.ndarray]]) -> np.ndarray:
        """From the windows' states, (tokens, H) of each layer, of which no more are kept than is needed."""
        stacked = (np.stack(of_window, axis=1) for of_window in states)  # (tokens, layers, H)
        pairs = zip(windows, stacked, strict=True)
        if self.settings.pooling == "bases":
            return np.concatenate([self._spread(*pair) for pair in pairs])
        parts = (
            of_window[start:end]
            for window, of_window in pairs
            for start, end in window.document.sequence_spans
        )
        if self.settings.pooling == "last":
            return [part[-1] for part in parts][-1]
        sums, counts = zip(*((part.sum(axis=0, dtype=np.float64), len(part)) for part in parts), strict=True)
        return (np.sum(sums, axis=0) / sum(counts)).astype(np.float32)

    def _spread(self, window: Window, states: np.ndarray) -> np.ndarray:
        """(tokens, layers, H) -> (bases, layers, H)."""
        held = bases_held(self.reader.annotating, window.nucleotides)
        spans = window.document.sequence_spans
        return np.concatenate(
            [
                np.repeat(states[first:stop], of_part, axis=0)
                for of_part, (first, stop) in zip(held, spans, strict=True)
            ]
        )


def _layer(layer: int, reader: PackedReader) -> int:
    count = reader.layers + 1
    if not -count <= layer < count:
        raise UserError(
            f"layer {layer}: {reader.folder} has the layers 0 (the embedding) to {reader.layers}; "
            "negative numbers count from the last."
        )
    return layer % count


def _turned(states: np.ndarray, nucleotides: Nucleotides) -> np.ndarray:
    """(bases, layers, H) of the other strand, each part's bases in the first one's order."""
    ends = np.cumsum([len(bases) for _, bases in nucleotides.parts])
    return np.concatenate([part[::-1] for part in np.split(states, ends[:-1])])
