"""Sequences that a checkpoint writes for an annotation, if its pretraining read rows in that order too."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from omnina.checkpoints.contents import WRITES_KEY
from omnina.chunking import IUPAC
from omnina.errors import UserError
from omnina.inference.generation import Decoding, Generator
from omnina.inference.packed import PackedReader
from omnina.prompt import Document, writing_prompt
from omnina.tokenizer import BOS_ID, EOS_ID

WRITTEN = set(IUPAC) - {"U"}  # which is read as T
MOST_SEQUENCES = 1 << 20  # of an annotation: keeps the random numbers of different annotations apart


@dataclass(frozen=True)
class WrittenSequence:
    """What the model writes for an annotation.

    Attributes:
        bases: the sequence.
        log_likelihood: of exactly this sequence after its annotation, its end included; natural logarithm.
        whole: false if it was cut off at the most tokens.
    """

    bases: str
    log_likelihood: float
    whole: bool


class SequenceWriter:
    """Writes sequences; only nucleotides and the end of the sequence can come up.

    Args:
        reader: the checkpoint.
        decoding: how they are written.
        each: sequences of an annotation; more than one are sampled.

    Raises UserError for a checkpoint that was not trained to, or several sequences without sampling.
    """

    def __init__(self, reader: PackedReader, decoding: Decoding, each: int = 1) -> None:
        self.reader, self.decoding, self.each = reader, decoding, each
        if not getattr(reader.model.config, WRITES_KEY, False):
            raise UserError(
                f"{reader.folder} was not trained to write sequences; pretrain with write_sequences: true."
            )
        if each > 1 and not decoding.sample:
            raise UserError(f"{each} sequences: several differ only if they are sampled (--sample).")
        if not 1 <= each <= MOST_SEQUENCES:
            raise UserError(f"{each} sequences: from 1 to {MOST_SEQUENCES} of each annotation are possible.")

    @cached_property
    def generator(self) -> Generator:
        """Loaded when the first sequence is asked for."""
        reader = self.reader
        where = (reader.tokenizer.pad_token_id, self.decoding, reader.device, reader.dtype)
        return Generator.load(reader.folder, *where, allowed=[*self._nucleotides(), EOS_ID])

    def write(self, annotations: Sequence[str]) -> list[list[WrittenSequence]]:
        """The sequences of each annotation, the likeliest first.

        Raises UserError for an annotation that is empty or leaves no room.
        """
        prompts = self._prompts(annotations)
        draws = [
            number * MOST_SEQUENCES + copy for number in range(len(prompts)) for copy in range(self.each)
        ]
        answers: dict[int, list[int]] = {}
        lengths = [len(prompts[draw // MOST_SEQUENCES]) for draw in draws]
        for batch in self.generator.batches(lengths, self.reader.tokens_per_batch):
            of_batch = [draws[place] for place in batch]
            asked = [np.array(prompts[draw // MOST_SEQUENCES], dtype=np.int64) for draw in of_batch]
            answers |= zip(of_batch, self.generator.generate(asked, of_batch), strict=True)
        written = [self._written(prompts[draw // MOST_SEQUENCES], answers[draw]) for draw in draws]
        of_annotations = [written[first : first + self.each] for first in range(0, len(written), self.each)]
        return [sorted(found, key=lambda one: -one.log_likelihood) for found in of_annotations]

    def _nucleotides(self) -> list[int]:
        """Tokens of which training sequences are made: at single bases no piece is."""
        pieces = [piece for piece in self.reader.tokenizer.get_vocab() if not set(piece) - WRITTEN]
        _, texts = self.reader.annotating.texts([], pieces)
        return [int(text.ids[0]) for text in texts if len(text.ids) == 1]

    def _prompts(self, annotations: Sequence[str]) -> list[list[int]]:
        for annotation in annotations:
            if not annotation.strip():
                raise UserError("an annotation is empty; there is nothing to write a sequence of.")
        texts, _ = self.reader.annotating.texts([writing_prompt(text) for text in annotations], [])
        prompts = [[BOS_ID, *text.ids.tolist()] for text in texts]
        for annotation, prompt in zip(annotations, prompts, strict=True):
            if len(prompt) + self.decoding.max_new_tokens > self.reader.max_length:
                raise UserError(
                    f"the annotation {annotation[:60]!r} takes {len(prompt)} tokens; with --max_new_tokens "
                    f"{self.decoding.max_new_tokens} that is more than the {self.reader.max_length} of "
                    f"{self.reader.folder}; give fewer."
                )
        return prompts

    def _written(self, prompt: list[int], answer: list[int]) -> WrittenSequence:
        [nats] = self.reader.token_nats([Document(np.array([*prompt, *answer]), len(prompt), [], 0, 0)])
        bases = self.reader.tokenizer.decode(answer, skip_special_tokens=True)
        return WrittenSequence(bases, float(nats[len(prompt) :].sum()), answer[-1] == EOS_ID)
