"""An annotated sequence on its way from a public record to a CSV row, and the screen it must pass."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from Bio.Seq import Seq

from omnina.chunking import SequenceRules, filter_reason, parse_cell


@dataclass(frozen=True)
class AnnotatedSequence:
    """One future row; ``group`` (a genus, a contig) is what a split must keep on one side."""

    sequence: str
    response: str
    source: str
    group: str


def reverse_complement(sequence: str) -> str:
    """The other strand, 5' to 3'; IUPAC codes are complemented too."""
    return str(Seq(sequence).reverse_complement())


def screened(records: Iterable[AnnotatedSequence], dropped: Counter) -> list[AnnotatedSequence]:
    """Records that pretraining would keep, each sequence once on either strand.

    Adds to ``dropped`` how many were left out, by reason.
    """
    kept: list[AnnotatedSequence] = []
    seen: set[str] = set()
    for record in records:
        reason = filter_reason(parse_cell(record.sequence), SequenceRules())
        strand = min(record.sequence, reverse_complement(record.sequence))
        if reason is None and strand in seen:
            reason = "duplicate, on the same or the other strand"
        if reason:
            dropped[reason] += 1
        else:
            seen.add(strand)
            kept.append(record)
    return kept
