"""Sequences longer than the model reads, as windows that follow each other: every base is in one of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from omnina.chunking import Nucleotides
from omnina.prompt import Document, PromptEncoder, Row

WINDOW = 3000  # bases, as in pretraining


@dataclass(frozen=True)
class Window:
    """A piece of a sequence as a document.

    Attributes:
        start: of its first base in the sequence, from 0.
        nucleotides: the piece.
        document: with the texts around it.
    """

    start: int
    nucleotides: Nucleotides
    document: Document


def fitted_windows(
    encoder: PromptEncoder, nucleotides: Nucleotides, response: str = "", question: str = ""
) -> list[Window]:
    """A sequence as documents that lose no base.

    A lone sequence is cut into windows of at most ``WINDOW`` bases, and one that takes too many tokens
    into halves, until each fits. Raises ValueError for labelled sequences that do not fit, or texts that
    leave no room.
    """
    spans = [(0, nucleotides.bases)]
    if _is_lone(nucleotides):
        spans = _spans(nucleotides.bases)
    found: list[Window] = []
    while spans:
        pieces = [_piece(nucleotides, *span) for span in spans]
        documents = encoder.encode([Row(piece, response, question) for piece in pieces])
        halves: list[tuple[int, int]] = []
        for span, piece, document in zip(spans, pieces, documents, strict=True):
            if isinstance(document, ValueError):
                raise document
            if document.trimmed_bases:
                halves += _halves(nucleotides, span, document)
            else:
                found.append(Window(span[0], piece, document))
        spans = halves
    return sorted(found, key=lambda window: window.start)


def _spans(bases: int) -> list[tuple[int, int]]:
    """Of like size, so that no window is a scrap."""
    count = -(-bases // WINDOW)
    ends = [bases * number // count for number in range(count + 1)]
    return list(pairwise(ends))


def _halves(nucleotides: Nucleotides, span: tuple[int, int], document: Document) -> Sequence[tuple[int, int]]:
    if not _is_lone(nucleotides):
        raise ValueError(
            f"labelled sequences of {nucleotides.bases} bases do not fit, {document.trimmed_bases} too many"
        )
    middle = (span[0] + span[1]) // 2
    return [(span[0], middle), (middle, span[1])]


def _piece(nucleotides: Nucleotides, start: int, end: int) -> Nucleotides:
    if (start, end) == (0, nucleotides.bases):
        return nucleotides
    [(label, bases)] = nucleotides.parts
    return Nucleotides(((label, bases[start:end]),))


def _is_lone(nucleotides: Nucleotides) -> bool:
    return len(nucleotides.parts) == 1 and not nucleotides.parts[0][0]
