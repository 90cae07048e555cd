"""Soft-masked bases: those in lower case, as genomes mark repeats; and the tokens that hold them.

A document keeps the bases of each of its tokens in the table's case until its resolution is drawn, since a
token that is split has masked bases and others. Then a token is soft-masked, or it is not.

Where masks are asked for, tables take twice the time to tokenise: 500 windows of 3,000 bases 0.57 s of one
core instead of 0.29.
"""

from collections.abc import Sequence
from itertools import chain, pairwise

from omnina.chunking import Nucleotides
from omnina.text_encoding import EncodedText

TokenBases = tuple[tuple[str, ...], ...]  # of each span of a sequence, of each token: its bases


def token_bases(nucleotides: Nucleotides, encoded: EncodedText, shift: int = 0) -> TokenBases:
    """The bases of each token of each part, in the table's case; empty where all are upper case.

    ``encoded`` is a text that has the nucleotides' own from its character ``shift`` on.
    """
    if all(bases == bases.upper() for _, bases in nucleotides.parts):  # a third of isupper's time
        return ()
    found = []
    for (_, bases), (start, end) in zip(nucleotides.parts, nucleotides.base_spans, strict=True):
        first, stop = encoded.span(start + shift, end + shift)
        origin = shift + start
        cuts = [place - origin for place in encoded.starts(first + 1, stop)]  # a token may begin before bases
        found.append(tuple(bases[a:b] for a, b in pairwise([0, *cuts, len(bases)])))
    return tuple(found)


def within(bases: TokenBases, spans: Sequence[tuple[int, int]]) -> TokenBases:
    """Those of the tokens that are left when the ends of spans, and whole last ones, went."""
    return tuple(of_span[: stop - start] for of_span, (start, stop) in zip(bases, spans, strict=False))


def masked_spans(bases: TokenBases, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs of soft-masked tokens, (start, stop): those of whose bases half or more are in lower case.

    ``spans`` are where the tokens of ``bases`` stand in their document; there are none where that is empty.
    """
    found: list[tuple[int, int]] = []
    for (start, _), of_span in zip(spans, bases, strict=False):
        for token in (place for place, held in enumerate(of_span, start) if is_masked(held)):
            if found and found[-1][1] == token:
                found[-1] = (found[-1][0], token + 1)
            else:
                found.append((token, token + 1))
    return found


def is_masked(bases: str) -> bool:
    """Whether half or more of a token's bases are in lower case."""
    return bases.islower() or (not bases.isupper() and 2 * lower_case(bases) >= len(bases))


def lower_case(bases: str) -> int:
    """How many bases are in lower case."""
    return sum(map(str.islower, bases))


def lower_case_bases(bases: TokenBases) -> int:
    """How many of a document's are."""
    return lower_case("".join(chain.from_iterable(bases)))
