"""A sequence read several times, cut into tokens in other ways, so that no answer hangs on one of them.

A checkpoint that was trained on a resolution drawn for each row is read at such draws: of what then no longer
fits a window stays, as in training. Any other is read with a tenth of a sequence's tokens split in two.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from tokenizers import Tokenizer

from omnina.chunking import PIECES
from omnina.prompt import Document
from omnina.resolution_draws import ResolutionDraws
from omnina.resolution_setting import base_probability, is_drawn
from omnina.segmentation import TokenSplitter

DRAWS = "seeded draws"  # another name where the same number gives another reading
SPLIT_SHARE = 0.1  # of a sequence's tokens in all readings but the first: what training splits by default


@dataclass(frozen=True)
class Readings:
    """The readings of documents.

    Args:
        tokenizer: whose tokens they are.
        segmentations: readings of each; the first is the tokenizer's own.
        max_length: of a document, in tokens.
        trained: the resolution of the checkpoint's last training.
    """

    tokenizer: Tokenizer
    segmentations: int
    max_length: int
    trained: str = PIECES

    @property
    def how(self) -> list:
        """JSON values of what decides the readings; of none but the tokenizer's own no draw does."""
        if self.segmentations == 1:
            return [1]
        return [self.segmentations, DRAWS, *([self.trained] if is_drawn(self.trained) else [])]

    def of(self, documents: Sequence[Document | ValueError]) -> Iterator[Sequence[Document | ValueError]]:
        """All documents, once for each reading; errors stay where they are."""
        yield documents
        for number in range(1, self.segmentations):
            yield [
                self._other(document, number) if isinstance(document, Document) else document
                for document in documents
            ]

    @cached_property
    def _other(self) -> Callable[[Document, int], Document]:
        """A document's reading of a number; made where there is more than one reading."""
        if is_drawn(self.trained):
            return ResolutionDraws(self.tokenizer, self.max_length, base_probability(self.trained)).draw
        return TokenSplitter(self.tokenizer, SPLIT_SHARE, self.max_length).split


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
