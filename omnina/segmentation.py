"""Other ways to cut the same bases into tokens, as noise in training.

A tokenizer cuts a sequence in one way, and a change of one base moves the cuts around it, so a model that
only ever saw the one way learns the tokens, not the bases. Here some tokens of DNA are split in two, at a
random place where both halves are tokens too: the text stays the same to the letter. (In spirit the dropout
of merges of Provilkov et al., 2020, arXiv:1910.13267, without which the library's own has no seed.)
"""

import random
from dataclasses import replace

import numpy as np
from tokenizers import Tokenizer

from omnina.chunking import IUPAC
from omnina.draws import Draw
from omnina.prompt import Document
from omnina.special_tokens import SPACE


class TokenSplitter:
    """Splits tokens that are nothing but bases, or a space and bases: the first half keeps the space.

    Args:
        tokenizer: whose tokens they are.
        share: of the tokens of a sequence that are split, between 0 and 1.
        max_length: documents stay within it: fewer tokens are split where there is no room.
        seed: of all draws.
    """

    def __init__(self, tokenizer: Tokenizer, share: float, max_length: int, seed: int = 0) -> None:
        self.share, self.max_length, self.seed = share, max_length, seed
        vocabulary = tokenizer.get_vocab()
        pieces = {piece: vocabulary[piece] for piece in vocabulary if set(_letters(piece)) <= set(IUPAC)}
        self.halves = {token: _halves(piece, pieces) for piece, token in pieces.items()}

    def split(self, document: Document, variant: int) -> Document:
        """The same document with some tokens split; a seed's variant is the same on every machine."""
        assert not document.token_bases, "soft-masked bases are pretraining's, and it reads one segmentation"
        ids, content = document.input_ids.tolist(), document.input_ids.tobytes()
        generator = Draw(self.seed, variant).generator("segmentation", content)
        places = [place for span in document.sequence_spans for place in range(*span)]
        candidates = [place for place in places if self.halves.get(ids[place])]
        room = self.max_length - len(ids)
        chosen = [place for place in candidates if generator.random() < self.share]
        return self._with_splits(
            document, sorted(generator.sample(chosen, min(room, len(chosen)))), generator
        )

    def _with_splits(self, document: Document, places: list[int], generator: random.Random) -> Document:
        ids = document.input_ids.tolist()
        for place in reversed(places):
            ids[place : place + 1] = generator.choice(self.halves[ids[place]])
        earlier = np.array(places, dtype=np.int64)
        spans = [
            tuple(int(end + np.searchsorted(earlier, end)) for end in span)
            for span in document.sequence_spans
        ]
        return replace(
            document,
            input_ids=np.array(ids, dtype=np.int64),
            answer_start=document.answer_start + len(places),
            sequence_spans=spans,
        )


def _halves(piece: str, pieces: dict[str, int]) -> list[tuple[int, int]]:
    """Every way to write a piece as two that hold bases."""
    first = 1 + len(piece) - len(_letters(piece))
    cuts = ((piece[:place], piece[place:]) for place in range(first, len(piece)))
    return [(pieces[left], pieces[right]) for left, right in cuts if left in pieces and right in pieces]


def _letters(piece: str) -> str:
    return piece.removeprefix(SPACE)
