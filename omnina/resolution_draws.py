"""Documents at a resolution drawn for each, from whole pieces to single bases.

A share p is given, or drawn for a document: 0 for a third of them, 1 for another, anything between for the
last, so that one model learns all. Each token that is nothing but bases, a space before them aside, is then
replaced by its bases' tokens with probability p. Draws depend on the seed, the document's own tokens and
the number of the draw alone, so they are the same on every machine.
"""

import random
from dataclasses import replace

import numpy as np
from tokenizers import Tokenizer

from omnina.chunking import IUPAC
from omnina.draws import Draw
from omnina.prompt import Document
from omnina.soft_masking import TokenBases, within
from omnina.special_tokens import SPACE

THIRD = 1 / 3


class ResolutionDraws:
    """Draws a document's resolution.

    Args:
        tokenizer: whose tokens they are.
        max_length: of a document, in tokens. Where its sequence has become too long, a window of it at a
            random place stays, and what was cut off is counted in ``trimmed_bases``. A sequence that is
            written (``writing.py``) loses its end, and with it EOS.
        probability: with which a token is replaced by its bases; drawn for each document if None.
        seed: of all draws.
    """

    def __init__(
        self, tokenizer: Tokenizer, max_length: int, probability: float | None = None, seed: int = 0
    ) -> None:
        self.max_length, self.probability, self.seed = max_length, probability, seed
        vocabulary = tokenizer.get_vocab()
        single = set(IUPAC) & set(vocabulary)
        held = {piece: piece.removeprefix(SPACE) for piece in vocabulary}
        held = {piece: bases for piece, bases in held.items() if bases and set(bases) <= single}
        self.spaced = {vocabulary[piece] for piece, bases in held.items() if piece != bases}
        self.bases = {  # nothing of a lone base and its space can be split
            vocabulary[piece]: [vocabulary[base] for base in bases]
            for piece, bases in held.items()
            if piece == bases or len(bases) > 1
        }
        self.space = vocabulary.get(SPACE)
        self.after_space = {  # a lone base joins the space before it, as the tokenizer of single bases has it
            vocabulary[base]: vocabulary[SPACE + base] for base in IUPAC if SPACE + base in vocabulary
        }

    def draw(self, document: Document, number: int) -> Document:
        """The same document at another resolution."""
        generator = Draw(self.seed, number).generator("resolution", document.input_ids.tobytes())
        share = _share(generator) if self.probability is None else self.probability
        plain = [document.input_ids[slice(*span)].tolist() for span in document.sequence_spans]
        parts = [self._finer(ids, share, generator) for ids in plain]
        cased = [_finer_bases(*each) for each in zip(document.token_bases, plain, parts, strict=False)]
        if document.is_written:
            return self._ending_early(self._assembled(document, parts, tuple(cased)))
        kept = self._fitting(document, list(map(len, parts)), generator)
        cased = [bases[window] for bases, window in zip(cased, kept, strict=False)]
        parts = [part[window] for part, window in zip(parts, kept, strict=True)]
        return self._assembled(document, parts, tuple(cased))

    def _finer(self, ids: list[int], share: float, generator: random.Random) -> list[int]:
        finer: list[int] = []
        for token in ids:
            split = token in self.bases and generator.random() < share
            finer += self.bases[token] if split else [token]
        return finer

    def _fitting(self, document: Document, sizes: list[int], generator: random.Random) -> list[slice]:
        """What stays of parts of so many tokens: of the longest a window, if all are too long together."""
        others = len(document.input_ids) - sum(stop - start for start, stop in document.sequence_spans)
        starts = [0] * len(sizes)
        if others + sum(sizes) > self.max_length:  # a window may leave the space that its first token held
            others += sum(
                int(document.input_ids[start]) in self.spaced for start, _ in document.sequence_spans
            )
        while (excess := others + sum(sizes) - self.max_length) > 0:
            longest = max(range(len(sizes)), key=lambda place: sizes[place])
            kept = max(sizes[longest] - excess, 1)
            starts[longest] += generator.randrange(sizes[longest] - kept + 1)
            sizes[longest] = kept
        return [slice(start, start + size) for start, size in zip(starts, sizes, strict=True)]

    def _ending_early(self, document: Document) -> Document:
        """A written sequence cut to what ``encode_writing`` leaves of one that is too long."""
        if len(document.input_ids) <= self.max_length:
            return document
        room = self.max_length - 1  # EOS's, which training never sees there
        spans = [(start, min(stop, room)) for start, stop in document.sequence_spans if start < room]
        bases = self._bases(document.input_ids.tolist(), spans)
        return replace(
            document,
            input_ids=document.input_ids[:room],
            sequence_spans=spans,
            bases=bases,
            trimmed_bases=document.trimmed_bases + document.bases - bases,
            token_bases=within(document.token_bases, spans),
        )

    def _bases(self, ids: list[int], spans: list[tuple[int, int]]) -> int:
        return sum(len(self.bases.get(token, (token,))) for start, stop in spans for token in ids[start:stop])

    def _assembled(self, document: Document, parts: list[list[int]], cased: TokenBases) -> Document:
        whole, ids = document.input_ids.tolist(), []
        spans, done = [], 0
        for (start, stop), part in zip(document.sequence_spans, parts, strict=True):
            ids += whole[done:start]
            if whole[start] in self.spaced and part[0] not in self.spaced:
                ids.append(self.space)
            if ids[-1] == self.space and part[0] in self.after_space:
                ids.pop()
                part = [self.after_space[part[0]], *part[1:]]
            spans.append((len(ids), len(ids) + len(part)))
            ids += part
            done = stop
        ids += whole[done:]
        bases = self._bases(ids, spans)
        grown = 0 if document.is_written else len(ids) - len(whole)
        return replace(
            document,
            input_ids=np.array(ids, dtype=np.int64),
            answer_start=document.answer_start + grown,
            sequence_spans=spans,
            bases=bases,
            trimmed_bases=document.trimmed_bases + document.bases - bases,
            token_bases=cased,
        )


def _finer_bases(bases: tuple[str, ...], ids: list[int], finer: list[int]) -> tuple[str, ...]:
    """The bases of each token of a part that was ``ids``, some of which were split into single ones."""
    found: list[str] = []
    for held, token in zip(bases, ids, strict=True):
        found += [held] if finer[len(found)] == token else held  # a string of bases adds each of them
    return tuple(found)


def _share(generator: random.Random) -> float:
    kind = generator.random()
    if kind < THIRD:
        return 0.0
    return 1.0 if kind < 2 * THIRD else generator.random()
