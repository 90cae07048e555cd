"""A sequence read several times, cut into tokens in other ways, so that no answer hangs on one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from tokenizers import Tokenizer

from omnina.prompt import Document
from omnina.segmentation import TokenSplitter

SPLIT_SHARE = 0.1  # of a sequence's tokens in all readings but the first: what training splits by default


@dataclass(frozen=True)
class Readings:
    """The readings of documents.

    Args:
        tokenizer: whose tokens they are.
        segmentations: readings of each; the first is the tokenizer's own.
        max_length: of a document, in tokens.
    """

    tokenizer: Tokenizer
    segmentations: int
    max_length: int

    def of(self, documents: Sequence[Document | ValueError]) -> Iterator[Sequence[Document | ValueError]]:
        """All documents, once for each reading; errors stay where they are."""
        yield documents
        for number in range(1, self.segmentations):
            yield [
                self._splitter.split(document, number) if isinstance(document, Document) else document
                for document in documents
            ]

    @cached_property
    def _splitter(self) -> TokenSplitter:
        """Made where there is more than one reading."""
        return TokenSplitter(self.tokenizer, SPLIT_SHARE, self.max_length)


def mean_of_readings(scores: Sequence[np.ndarray]) -> np.ndarray:
    """Logarithms of the mean probabilities over a label set, (labels,); -inf where all left a label out.

    Args:
        scores: (labels,) log-probabilities of each reading, not normalised; one alone stays as it is. Empty
            where a reading did not fit the model; then the first is given back.
    """
    if len(scores) == 1 or not all(map(len, scores)):
        return scores[0]
    shares = [of_reading - np.logaddexp.reduce(of_reading) for of_reading in scores]
    return np.logaddexp.reduce(shares) - np.log(len(shares))
