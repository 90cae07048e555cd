"""Rows the other way round, so that a model can write sequences for an annotation.

    BOS ### Instruction: Write ... ### Input: 16S ribosomal RNA gene ... ### Response: | ACGT... EOS
                                                                                       ^ answer_start

A sequence that does not fit is cut at its end, and then there is no EOS: it does not end there.
"""

from collections.abc import Sequence

import numpy as np

from omnina.prompt import Document, PromptEncoder, Row, writing_prompt
from omnina.soft_masking import token_bases, within
from omnina.text_encoding import EncodedText


def encode_writing(encoder: PromptEncoder, rows: Sequence[Row]) -> list[Document | ValueError]:
    """Documents in the order of the rows; a row whose annotation leaves no room gives a ValueError."""
    prompts, sequences = encoder.texts(
        [writing_prompt(row.response) for row in rows], [row.nucleotides.text for row in rows]
    )
    return [
        _document(encoder, row, np.concatenate([[encoder.bos_id], prompt.ids]), sequence)
        for row, prompt, sequence in zip(rows, prompts, sequences, strict=True)
    ]


def _document(
    encoder: PromptEncoder, row: Row, prompt: np.ndarray, sequence: EncodedText
) -> Document | ValueError:
    room = encoder.max_length - len(prompt) - 1  # EOS
    spans, bases = _kept(row, sequence, room)
    if not bases:
        return ValueError(
            f"the annotation leaves no room to write a sequence in max_length = {encoder.max_length} "
            f"tokens: the prompt takes {len(prompt)} (write_sequences)"
        )
    whole = len(sequence.ids) <= room
    end = np.array([encoder.eos_id] if whole else [], dtype=np.int64)
    ids = np.concatenate([prompt, sequence.ids[:room], end])
    shifted = [(first + len(prompt), stop + len(prompt)) for first, stop in spans]
    cased = within(token_bases(row.nucleotides, sequence), shifted)
    return Document(ids, len(prompt), shifted, bases, row.nucleotides.bases - bases, cased)


def _kept(row: Row, sequence: EncodedText, room: int) -> tuple[list[tuple[int, int]], int]:
    """Spans of tokens, (first, stop), that hold bases among the first ``room`` tokens; how many bases."""
    spans, bases = [], 0
    for start, end in row.nucleotides.base_spans:
        first, stop = sequence.span(start, end)
        if first >= room:
            break
        spans.append((first, min(stop, room)))
        bases += (end if stop <= room else sequence.start(room)) - start
    return spans, bases
