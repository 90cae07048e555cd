"""Stretches that code for a protein and stretches that do not, in pairs of the same length, to be told apart.

The second of a pair lies INSIDE a coding sequence, without its first and last codon, at a random phase, and
both are read on a random strand: a coding sequence from its start codon would be told by its first three
letters, and longer ones by their length.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from Bio.Seq import reverse_complement

from omnina.corpus.passage import Passage
from omnina.corpus.readers.record import AnnotatedRecord
from omnina.corpus.reject import Reject
from omnina.corpus.seeded_order import seeded_key

NO_CODING = "no coding sequence that is long enough"
_CODON = 3

Span = tuple[int, int]


@dataclass(frozen=True)
class PairSizes:
    """Bases of the longest and the shortest window, and the seed of places and strands."""

    longest: int
    shortest: int
    seed: int = 0


def coding_pairs(record: AnnotatedRecord, sizes: PairSizes) -> Iterator[Passage | Reject]:
    """Yield windows that no feature touches, each followed by one of its length in a random gene.

    The field ``coding`` is "No" for the first and "Yes" for the second. The record must come with all its
    features; one with a feature whose place is not known is rejected, since it might lie anywhere.
    """
    fault = next((one.fault for one in record.features if one.fault and one.kind != "source"), None)
    if fault:
        yield Reject(record.source_file, record.accession, None, *fault)
        return
    # One generator a record: what is drawn does not depend on the records before it.
    generator = random.Random(seeded_key(sizes.seed, record.accession))
    genes = sorted(_coding_spans(record))
    for start, end in untouched_windows(record, sizes):
        inside = _window_inside(genes, end - start, generator)
        if inside is None:
            reason = f"none has {end - start} bases, as the stretch at {start + 1}..{end}"
            yield Reject(record.source_file, record.accession, None, NO_CODING, reason, end - start)
            continue
        yield _passage(record, (start, end), "No", generator)
        yield _passage(record, inside, "Yes", generator)


def untouched_windows(record: AnnotatedRecord, sizes: PairSizes) -> Iterator[Span]:
    """(start, end) of windows that no feature but ``source`` touches, from the left."""
    spans = sorted(
        (part.start, part.end) for one in record.features if one.kind != "source" for part in one.parts
    )
    free_from, length = 0, len(record.sequence)
    for start, end in [*spans, (length, length)]:
        for first in range(free_from, start, sizes.longest):
            last = min(first + sizes.longest, start)
            if last - first >= sizes.shortest:
                yield first, last
        free_from = max(free_from, end)


def _coding_spans(record: AnnotatedRecord) -> Iterator[Span]:
    """(start, end) of the inner codons of each uninterrupted CDS that is no pseudo gene."""
    for feature in record.features:
        if feature.kind == "CDS" and len(feature.parts) == 1 and not feature.pseudo:
            yield feature.parts[0].start + _CODON, feature.parts[0].end - _CODON


def _window_inside(genes: list[Span], length: int, generator: random.Random) -> Span | None:
    """A place in a random gene that is long enough; None if there is no such gene."""
    fitting = [(start, end) for start, end in genes if end - start >= length]
    if not fitting:
        return None
    start, end = generator.choice(fitting)
    first = generator.randint(start, end - length)
    return first, first + length


def _passage(record: AnnotatedRecord, span: Span, coding: str, generator: random.Random) -> Passage:
    bases, reverse = record.sequence[slice(*span)], generator.random() < 0.5
    return Passage(
        source_file=record.source_file,
        accession=record.accession,
        start=span[0],
        end=span[1],
        strand="-" if reverse else "+",
        sequence=reverse_complement(bases) if reverse else bases,
        fields={**record.fields, "coding": coding},
    )
