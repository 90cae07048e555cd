"""How likely a checkpoint finds sequences, and annotations with them.

A sequence's log-likelihood is that of its tokens after the prompt's beginning; an annotation's that of its
tokens and of its end after the sequence. A model that reads sequences first gives an annotation after a
sequence, not the other way round; by Bayes' rule

    log p(sequence | annotation) = log p(sequence) + log p(annotation | sequence) - log p(annotation)

where p(annotation) is taken after an empty sequence: an approximation, for training saw none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from math import exp, log

import numpy as np

from omnina.chunking import Nucleotides
from omnina.inference.packed import PackedReader
from omnina.inference.windows import Window, fitted_windows
from omnina.prompt import Document


@dataclass(frozen=True)
class Scored:
    """What is to be scored: a sequence, and an annotation or nothing."""

    nucleotides: Nucleotides
    annotation: str = ""


@dataclass(frozen=True)
class Likelihood:
    """Natural logarithms of probabilities.

    Attributes:
        sequence: of all the sequence's tokens, over all windows.
        tokens, bases, windows: of the sequence.
        annotation: of the annotation after the sequence, its end included; the mean over windows, which
            leave room for it. None where none is given, as the next three; 0 of those windows.
        annotation_alone: after an empty sequence.
        annotation_tokens: its tokens, with that of its end.
        annotation_windows: that it was read after.
    """

    sequence: float
    tokens: int
    bases: int
    windows: int
    annotation: float | None = None
    annotation_alone: float | None = None
    annotation_tokens: int | None = None
    annotation_windows: int = 0

    @property
    def bits_per_base(self) -> float:
        """What a base costs in an optimal code."""
        return -self.sequence / log(2) / self.bases

    @property
    def perplexity(self) -> float:
        """Of the sequence, per token."""
        return exp(-self.sequence / self.tokens)

    @property
    def annotation_perplexity(self) -> float | None:
        """Of the annotation given the sequence, per token."""
        return None if self.annotation is None else exp(-self.annotation / self.annotation_tokens)

    @property
    def sequence_given_annotation(self) -> float | None:
        """log p(sequence | annotation), as the module says, for each window."""
        if self.annotation is None:
            return None
        return self.sequence + self.annotation_windows * (self.annotation - self.annotation_alone)

    @property
    def perplexity_given_annotation(self) -> float | None:
        """Of the sequence given the annotation, per token."""
        given = self.sequence_given_annotation
        return None if given is None else exp(-given / self.tokens)


def likelihoods(reader: PackedReader, rows: Sequence[Scored]) -> list[Likelihood | ValueError]:
    """One for each row, in order; the ValueError says why a row cannot be scored."""
    cut = [_cut_or_error(reader, row) for row in rows]
    documents = [document for of_row in cut if isinstance(of_row, _Cut) for document in of_row.documents]
    nats = iter(reader.token_nats(documents))
    alone = _alone(reader, {row.annotation for row in rows if row.annotation})
    return [
        of_row
        if isinstance(of_row, ValueError)
        else _likelihood(of_row, list(islice(nats, len(of_row.documents))), row, alone)
        for row, of_row in zip(rows, cut, strict=True)
    ]


def sequence_nats(document: Document, nats: np.ndarray) -> float:
    """The sum over the tokens that hold bases."""
    return float(sum(nats[start:end].sum() for start, end in document.sequence_spans))


@dataclass(frozen=True)
class _Cut:
    """A row's windows: of the sequence alone, and with the annotation, for which there is less room.

    Where both are cut alike, those with the annotation stand for both: what comes behind a sequence does
    not change how likely it is.
    """

    sequence: list[Document]
    annotated: list[Document]

    @property
    def documents(self) -> list[Document]:
        """All that must be read."""
        return self.annotated if self.sequence is self.annotated else [*self.sequence, *self.annotated]


def _cut_or_error(reader: PackedReader, row: Scored) -> _Cut | ValueError:
    try:
        sequence = fitted_windows(reader.annotating, row.nucleotides)
        annotated = (
            fitted_windows(reader.annotating, row.nucleotides, row.annotation) if row.annotation else []
        )
    except ValueError as error:
        return error
    with_annotation = _documents(annotated)
    if [window.start for window in sequence] == [window.start for window in annotated]:
        return _Cut(with_annotation, with_annotation)
    return _Cut(_documents(sequence), with_annotation)


def _documents(windows: Sequence[Window]) -> list[Document]:
    return [window.document for window in windows]


def _likelihood(cut: _Cut, nats: list[np.ndarray], row: Scored, alone: dict[str, float]) -> Likelihood:
    documents = cut.sequence
    sequence = {
        "sequence": sum(map(sequence_nats, documents, nats[: len(documents)])),
        "tokens": sum(end - start for document in documents for start, end in document.sequence_spans),
        "bases": sum(document.bases for document in documents),
        "windows": len(documents),
    }
    if not row.annotation:
        return Likelihood(**sequence)
    first = cut.annotated[0]
    of_annotated = zip(cut.annotated, nats[-len(cut.annotated) :], strict=True)
    return Likelihood(
        **sequence,
        annotation=float(np.mean([n[document.answer_start :].sum() for document, n in of_annotated])),
        annotation_alone=alone[row.annotation],
        annotation_tokens=len(first.input_ids) - first.answer_start,
        annotation_windows=len(cut.annotated),
    )


def _alone(reader: PackedReader, annotations: set[str]) -> dict[str, float]:
    """log p of each annotation after the prompt without a sequence."""
    texts = sorted(annotations)
    encoder = reader.annotating
    [prompt], _ = encoder.texts([encoder.prompt.render("")], [])
    documents = [_bare_document(encoder.bos_id, prompt.ids, encoder.answer_ids(text)) for text in texts]
    nats = reader.token_nats(documents)
    return {
        text: float(n[document.answer_start :].sum())
        for text, document, n in zip(texts, documents, nats, strict=True)
    }


def _bare_document(bos_id: int, prompt: np.ndarray, answer: list[int]) -> Document:
    return Document(np.concatenate([[bos_id], prompt, answer]), 1 + len(prompt), [], 0, 0)
