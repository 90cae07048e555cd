"""What an insertion or deletion scores for its length alone, measured on random ones in the same genome.

A deletion brings other bases into its window and an insertion pushes some out, so a score has a part that any
indel of its length has. Its mean over random indels of the same kind and length is taken off; their spread
says how much a single one varies.
"""

from dataclasses import dataclass

import numpy as np

from omnina.inference.variants.haplotypes import Change, Contig, Windows, canonical, windows
from omnina.inference.variants.reference import Reference
from omnina.inference.variants.scoring import VariantScorer

BASES = "ACGT"
TRIES = 100  # places drawn for each control before a genome is taken to have none that will do


@dataclass(frozen=True)
class Control:
    """Scores of random indels of one length: their mean and standard deviation, in nats, and their number."""

    mean: float
    deviation: float
    count: int


class IndelControls:
    """Random indels of any length, scored when first asked for.

    Args:
        scorer: the same as for the variants.
        reference: where they are drawn; contigs by their length.
        count: of each length.
        seed: draws places and inserted bases.
    """

    def __init__(self, scorer: VariantScorer, reference: Reference, count: int, seed: int = 0) -> None:
        self.scorer, self.reference, self.count, self.seed = scorer, reference, count, seed
        self._known: dict[int, Control | None] = {}

    def control(self, change: Change) -> Control | None:
        """For a change's length; None if it keeps the length, or no place in the genome will do."""
        length = change.grows_by
        if length == 0:
            return None
        if length not in self._known:
            self._known[length] = self._measured(length)
        return self._known[length]

    def _measured(self, length: int) -> Control | None:
        # The seed goes with the length: a length's controls are the same whichever others are asked for.
        generator = np.random.default_rng([self.seed, abs(length), int(length > 0)])
        drawn = (self._drawn(generator, length) for _ in range(self.count))
        pairs = [pair for pair in drawn if pair is not None]
        if not pairs:
            return None
        scores = self.scorer.scores(pairs)
        scores = scores[np.isfinite(scores)]
        if not len(scores):
            return None
        return Control(float(scores.mean()), float(scores.std()), len(scores))

    def _drawn(self, generator: np.random.Generator, length: int) -> Windows | None:
        """A random indel's windows, whole and of known bases."""
        contigs = self.reference.contigs()
        sizes = np.array([len(contig) for contig in contigs], dtype=float)
        for _ in range(TRIES):
            contig = contigs[generator.choice(len(contigs), p=sizes / sizes.sum())]
            pair = self._at(contig, int(generator.integers(len(contig) + 1)), length, generator)
            if pair is not None:
                return pair
        return None

    def _at(self, contig: Contig, start: int, length: int, generator: np.random.Generator) -> Windows | None:
        deleted = max(-length, 0)
        if start + deleted > len(contig):
            return None
        inserted = "".join(generator.choice(list(BASES), max(length, 0)))
        change = canonical(contig, start, contig.fetch(start, start + deleted), inserted)
        try:
            pair = windows(contig, change, self.scorer.settings.window)
        except ValueError:  # a repeat as long as the window
            return None
        texts = ["".join(window) for window in (*pair.ref, *pair.alt)]
        whole = all(len(text) == self.scorer.settings.window for text in texts)
        return pair if whole and set("".join(texts)) <= set(BASES) else None
