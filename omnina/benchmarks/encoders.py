"""Whether the faster encoder gives the tokenizer's own ids, on as many texts as time allows.

Half of the texts are encoded as prompts, half as answers, as documents are; ids are compared one by one.
A text that the faster encoder leaves to the library cannot differ: those that it takes itself are counted.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from omnina.benchmarks.figures import single
from omnina.benchmarks.random_texts import RandomTexts
from omnina.errors import UserError
from omnina.prompt import PRETRAIN_PROMPT, PromptEncoder
from omnina.tables.table import expand_paths, read_rows
from omnina.text_encoding import LibraryEncoder, MergeRankEncoder, RankedText, TextEncoder
from omnina.tokenizer import BOS_ID, EOS_ID, SPACE, load_tokenizer

BATCH = 1000  # texts
MAX_LENGTH = 2048  # tokens; no text is cut here
DIFFERENT = "with other ids"


@dataclass
class Compared:
    """Texts of one kind: all, those that differ from each other, those by splintr, those with other ids."""

    texts: int = 0
    distinct: set[int] = field(default_factory=set)  # by hash: texts themselves would fill the memory
    ranked: int = 0
    different: list[str] = field(default_factory=list)

    def rows(self, kind: str) -> list[dict]:
        """For the table."""
        rows = [
            single(kind, "texts", self.texts),
            single(kind, "different texts", len(self.distinct)),
            single(kind, "texts by splintr", self.ranked),
            single(kind, DIFFERENT, len(self.different)),
        ]
        first = [single(kind, "first of them", repr(text)) for text in self.different[:1]]
        return [*rows, *first]


class Encoders:
    """A tokenizer's prompts and answers both ways; UserError where there is no faster way to compare."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._ours, self._library = (
            PromptEncoder(
                tokenizer,
                PRETRAIN_PROMPT,
                bos_id=BOS_ID,
                eos_id=EOS_ID,
                max_length=MAX_LENGTH,
                text_encoder=way,
            )
            for way in (by_merge_ranks, LibraryEncoder)
        )

    def compare(self, texts: Iterable[str]) -> Compared:
        """All texts, some at a time."""
        found, remaining = Compared(), iter(texts)
        while batch := list(islice(remaining, BATCH)):
            self._compare(batch, found)
        return found

    def _compare(self, batch: list[str], found: Compared) -> None:
        halves = batch[::2], batch[1::2]
        encoded = (
            [*prompts, *answers]
            for prompts, answers in (self._ours.texts(*halves), self._library.texts(*halves))
        )
        found.texts += len(batch)
        found.distinct.update(map(hash, batch))
        for text, ours, library in zip([*halves[0], *halves[1]], *encoded, strict=True):
            found.ranked += isinstance(ours, RankedText)
            if not np.array_equal(ours.ids, library.ids):
                found.different.append(text)


def by_merge_ranks(tokenizer: Tokenizer) -> TextEncoder:
    """The faster encoder; UserError where none is used."""
    encoder = MergeRankEncoder.of(tokenizer)
    if encoder is None:
        raise UserError(
            "encoders: no faster encoder is used here, so there is nothing to compare. Without splintr: pip "
            "install -r requirements-corpus.txt; with it, this tokenizer's rules are not merge ranks'."
        )
    return encoder


def measure_encoders(inputs: str, tokenizer: Path, strings: int, seed: int) -> list[dict]:
    """Rows ``{work, metric, value}`` of each kind of text, and of all together.

    Args:
        inputs: a table, or a glob of several, with ``sequence``, ``response`` and perhaps ``question``.
        tokenizer: a folder.
        strings: random texts, of all kinds together; every cell of the table comes to it.
        seed: of the random texts.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one core, as runs tokenise
    backend = load_tokenizer(tokenizer).backend_tokenizer
    encoders = Encoders(backend)
    sequences, annotations = _cells(inputs)
    pieces = {piece.replace(SPACE, " ") for piece in backend.get_vocab()}
    texts = RandomTexts(sequences, annotations, pieces, seed)
    found = {"the table's cells": encoders.compare(texts.cells())}
    weights = sum(kind.weight for kind in texts.kinds())
    for kind in texts.kinds():
        count = -(-strings * kind.weight // weights)
        found[kind.name] = encoders.compare(kind.make() for _ in range(count))
    together = _together(list(found.values()))
    return [row for name, each in found.items() for row in each.rows(name)] + together.rows("all")


def differ(tables: list[list[dict]]) -> bool:
    """Whether any text had other ids."""
    return any(row["value"] for rows in tables for row in rows if row["metric"] == DIFFERENT)


def _together(parts: list[Compared]) -> Compared:
    return Compared(
        sum(part.texts for part in parts),
        set().union(*(part.distinct for part in parts)),
        sum(part.ranked for part in parts),
        [text for part in parts for text in part.different],
    )


def _cells(inputs: str) -> tuple[list[str], list[str]]:
    """Sequences, and the other texts, each once."""
    rows = [row for path in expand_paths(inputs) for _, row in read_rows(path, ("sequence", "response"))]
    texts = dict.fromkeys(text for row in rows for text in _texts(row))
    return list(dict.fromkeys(row["sequence"] for row in rows)), list(texts)


def _texts(row: dict[str, str]) -> Iterator[str]:
    yield row["response"]
    if "question" in row:
        yield row["question"]
