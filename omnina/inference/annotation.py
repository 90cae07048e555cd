"""Annotations that a pretrained checkpoint writes for sequences, by windows, each with its likelihood."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from omnina.chunking import Nucleotides
from omnina.errors import UserError
from omnina.inference.generation import Decoding, Generator
from omnina.inference.packed import PackedReader
from omnina.inference.windows import Window, fitted_windows
from omnina.prompt import PRETRAIN_PROMPT, Document, PromptEncoder
from omnina.tokenizer import EOS_ID

MOST_WINDOWS = 1 << 20  # of a sequence: keeps the random numbers of different windows apart
MOST_ANNOTATIONS = 1 << 10  # of a window


@dataclass(frozen=True)
class Annotation:
    """What the model writes for a window.

    Attributes:
        start, end: of the window in the sequence, in bases from 0, the end exclusive.
        text: the annotation.
        log_likelihood: of exactly this text, its end included, after the window; natural logarithm.
        tokens: of the text, with its end.
        whole: false if it was cut off at the most tokens.
    """

    start: int
    end: int
    text: str
    log_likelihood: float
    tokens: int
    whole: bool


class Annotator:
    """Writes annotations.

    Args:
        reader: the checkpoint.
        decoding: how texts are written.
        each: annotations of a window; more than one are sampled.

    Raises UserError for several annotations without sampling (they would be the same), or settings that
    leave no room for a sequence.
    """

    def __init__(self, reader: PackedReader, decoding: Decoding, each: int = 1) -> None:
        self.reader, self.decoding, self.each = reader, decoding, each
        if each > 1 and not decoding.sample:
            raise UserError(f"{each} annotations: several differ only if they are sampled (--sample).")
        if not 1 <= each <= MOST_ANNOTATIONS:
            raise UserError(f"{each} annotations: from 1 to {MOST_ANNOTATIONS} of each window are possible.")
        self.encoder = self._encoder()

    @cached_property
    def generator(self) -> Generator:
        """Loaded when the first annotation is asked for."""
        reader = self.reader
        pad_id = reader.tokenizer.pad_token_id
        return Generator.load(reader.folder, pad_id, self.decoding, reader.device, reader.dtype)

    def check(self, nucleotides: Nucleotides) -> None:
        """ValueError for a sequence that cannot be annotated."""
        if len(nucleotides.parts) > 1:  # one sequence is cut until it fits
            fitted_windows(self.encoder, nucleotides)

    def annotate(self, sequences: Sequence[Nucleotides], numbers: Sequence[int]) -> list[list[Annotation]]:
        """The annotations of each sequence: its windows in order, each one's likeliest text first.

        Args:
            sequences: of any length.
            numbers: of each, which random numbers it draws: texts do not depend on the others.

        Raises ValueError for labelled sequences that do not fit.
        """
        windows = [fitted_windows(self.encoder, nucleotides) for nucleotides in sequences]
        jobs = [
            (place, window, (number * MOST_WINDOWS + index) * MOST_ANNOTATIONS + copy)
            for place, (of_row, number) in enumerate(zip(windows, numbers, strict=True))
            for index, window in enumerate(of_row)
            for copy in range(self.each)
        ]
        written = self._written([window for _, window, _ in jobs], [draw for _, _, draw in jobs])
        found: list[list[Annotation]] = [[] for _ in sequences]
        for (place, _, _), annotation in zip(jobs, written, strict=True):
            found[place].append(annotation)
        return [sorted(of_row, key=lambda found: (found.start, -found.log_likelihood)) for of_row in found]

    def _written(self, windows: list[Window], draws: list[int]) -> list[Annotation]:
        prompts = [window.document.input_ids[: window.document.answer_start] for window in windows]
        answers: dict[int, list[int]] = {}
        for batch in self.generator.batches(
            [len(prompt) for prompt in prompts], self.reader.tokens_per_batch
        ):
            of_batch = [prompts[place] for place in batch]
            texts = self.generator.generate(of_batch, [draws[place] for place in batch])
            answers |= zip(batch, texts, strict=True)
        documents = [_with_answer(w.document, answers[place]) for place, w in enumerate(windows)]
        nats = self.reader.token_nats(documents)
        return [
            self._annotation(window, answers[place], float(nats[place][window.document.answer_start :].sum()))
            for place, window in enumerate(windows)
        ]

    def _annotation(self, window: Window, ids: list[int], nats: float) -> Annotation:
        text = self.reader.tokenizer.decode(ids, skip_special_tokens=True).strip()
        end = window.start + window.nucleotides.bases
        return Annotation(window.start, end, text, nats, len(ids), ids[-1] == EOS_ID)

    def _encoder(self) -> PromptEncoder:
        try:
            return self.reader.encoder(PRETRAIN_PROMPT, self.decoding.max_new_tokens)
        except ValueError as error:
            raise UserError(
                f"--max_new_tokens ({self.decoding.max_new_tokens}) leaves no room for a sequence in the "
                f"{self.reader.max_length} tokens of {self.reader.folder}; give fewer."
            ) from error


def _with_answer(document: Document, answer: list[int]) -> Document:
    return replace(document, input_ids=np.concatenate([document.input_ids[: document.answer_start], answer]))
