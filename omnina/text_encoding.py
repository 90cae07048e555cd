"""Text to token ids: the library's own way, and a faster one where it gives the same ids.

A SentencePiece BPE joins, again and again, the neighbours whose joint piece has the lowest id. So does a
merge-rank BPE with ids as ranks, on bytes; splintr's takes less than half the time of tokenizers and
SentencePiece, tiktoken's two thirds. Whether that is the same for a tokenizer at hand is decided from its
definition (``MergeRankEncoder.of``), and for each text from its characters: whatever is outside goes the
library's way, so ids never depend on the choice. splintr comes with requirements-corpus.txt; without it the
library does all.
"""

import importlib.util
import json
import re
from base64 import b64encode
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from tokenizers import Encoding, Tokenizer

from omnina.merge_ranks import MergeRanks, merge_ranks

WHOLE_TEXT = r"[\s\S]+"  # splintr cuts a text before it joins; this cuts nothing
CACHED_CHARACTERS = 4_000_000  # splintr keeps every text; to empty its cache takes 4 ms


class EncodedText(Protocol):
    """A text's token ids, (tokens,) int64, and which tokens hold which characters."""

    ids: np.ndarray

    def span(self, start: int, end: int) -> tuple[int, int]:
        """(first, stop) of the tokens that hold the characters start..end."""

    def start(self, token: int) -> int:
        """The first character of a token."""

    def starts(self, first: int, stop: int) -> list[int]:
        """And of each of the tokens first..stop, in one go."""


class TextEncoder(Protocol):
    """Texts to tokens; adds no special token."""

    def encode(self, texts: Sequence[str]) -> Sequence[EncodedText]:
        """One for each text, in order."""


class LibraryEncoder:
    """The tokenizer's own way."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def encode(self, texts: Sequence[str]) -> list["LibraryText"]:
        """One for each text, in order."""
        return [LibraryText(encoding) for encoding in self._tokenizer.encode_batch(list(texts))]


class LibraryText:
    """An ``EncodedText`` of tokenizers."""

    def __init__(self, encoding: Encoding) -> None:
        self.ids, self._encoding = np.array(encoding.ids, dtype=np.int64), encoding

    def span(self, start: int, end: int) -> tuple[int, int]:
        """(first, stop) of the tokens that hold the characters start..end."""
        first, last = self._encoding.char_to_token(start), self._encoding.char_to_token(end - 1)
        assert first is not None and last is not None, "every base has a token"
        return first, last + 1

    def start(self, token: int) -> int:
        """The first character of a token."""
        return self._encoding.offsets[token][0]

    def starts(self, first: int, stop: int) -> list[int]:
        """And of each of the tokens first..stop, in one go."""
        return [start for start, _ in self._encoding.offsets[first:stop]]


class MergeRankEncoder:
    """splintr for the texts that it encodes as the library does, the library for the others."""

    def __init__(self, tokenizer: Tokenizer, ranks: MergeRanks) -> None:
        self._library, self._prefix = LibraryEncoder(tokenizer), ranks.prefix
        self._pieces = {piece.decode() for piece in ranks.by_bytes}
        lines = [b"%s %d" % (b64encode(piece), number) for piece, number in ranks.by_bytes.items()]
        splintr = importlib.import_module("splintr")
        self._core = splintr.Tokenizer.from_bytes(b"\n".join(lines), WHOLE_TEXT)
        self._cached = 0
        self._lengths = np.zeros(1 + max(ranks.by_bytes.values()), dtype=np.int64)
        for piece, number in ranks.by_bytes.items():
            self._lengths[number] = len(piece)
        known = "".join(re.escape(letter) for letter in ranks.letters)
        self._outside = re.compile(f"[^{known}]")

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "MergeRankEncoder | None":
        """An encoder with the tokenizer's ids, or None if its rules are not merge ranks', or without splintr.

        The tokenizer must read special tokens in a text as text (``encode_special_tokens``).
        """
        if importlib.util.find_spec("splintr") is None:
            return None
        ranks = merge_ranks(json.loads(tokenizer.to_str()))
        return cls(tokenizer, ranks) if ranks else None

    def encode(self, texts: Sequence[str]) -> list[EncodedText]:
        """One for each text, in order."""
        encoded = [
            self._ranked(text) if self._covers(text) else self._library.encode([text])[0] for text in texts
        ]
        self._cached += sum(map(len, texts))
        if self._cached > CACHED_CHARACTERS:
            self._core.clear_cache()
            self._cached = 0
        return encoded

    def _covers(self, text: str) -> bool:
        """A text that is a piece as a whole splintr takes as it is, even where joining would not make it."""
        return bool(text) and self._prefix + text not in self._pieces and not self._outside.search(text)

    def _ranked(self, text: str) -> "RankedText":
        text = self._prefix + text
        ids = np.frombuffer(self._core.encode_flat(text), np.uint32).astype(np.int64)
        return RankedText(ids, len(self._prefix), self._lengths)


class RankedText:
    """An ``EncodedText`` whose characters are bytes: (vocabulary,) ``lengths`` of each piece."""

    def __init__(self, ids: np.ndarray, shift: int, lengths: np.ndarray) -> None:
        self.ids, self._shift, self._lengths = ids, shift, lengths

    @cached_property
    def _ends(self) -> np.ndarray:
        """(tokens,) the character behind each."""
        return np.cumsum(self._lengths[self.ids]) - self._shift

    def span(self, start: int, end: int) -> tuple[int, int]:
        """(first, stop) of the tokens that hold the characters start..end."""
        first, last = np.searchsorted(self._ends, [start, end - 1], side="right")
        assert last < len(self.ids), "every base has a token"
        return int(first), int(last) + 1

    def start(self, token: int) -> int:
        """The first character of a token."""
        return int(self._ends[token - 1]) if token else -self._shift

    def starts(self, first: int, stop: int) -> list[int]:
        """And of each of the tokens first..stop, in one go."""
        return (self._ends[first:stop] - self._lengths[self.ids[first:stop]]).tolist()


def fastest_encoder(tokenizer: Tokenizer) -> TextEncoder:
    """The merge-rank encoder where it gives the tokenizer's ids, else the library's."""
    return MergeRankEncoder.of(tokenizer) or LibraryEncoder(tokenizer)
