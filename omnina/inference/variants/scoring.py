"""Scores of variants: how much likelier a checkpoint finds the alternative than the reference.

A window's log-likelihood is the mean over both strands and over several segmentations. The tokenizer joins
bases to tokens, and a variant moves the joints around it: a part of the difference is that of the joints, not
of the bases. So a window is read in its own segmentation and in others whose tokens end at set places beside
the variant, the same places with and without it, on either strand.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omnina.chunking import Nucleotides
from omnina.errors import UserError
from omnina.inference.likelihood import sequence_nats
from omnina.inference.packed import PackedReader
from omnina.inference.variants.differences import differences
from omnina.inference.variants.haplotypes import Window, Windows
from omnina.prompt import Document, Row


@dataclass(frozen=True)
class VariantSettings:
    """How variants are scored.

    Args:
        window: bases of the reference's and the alternative's windows; an odd number has one middle, so that
            a substitution takes half the time.
        segmentations: of each window; odd: the tokenizer's own, and pairs with joints on both sides.
        both_strands: the mean of both; else the reference's strand alone.
    """

    window: int = 1001
    segmentations: int = 5
    both_strands: bool = True

    def __post_init__(self) -> None:
        if self.window < 2:
            raise UserError(f"--window ({self.window}) must be at least 2 bases.")
        if self.segmentations < 1 or self.segmentations % 2 == 0:
            raise UserError(
                f"--segmentations ({self.segmentations}) must be odd: the tokenizer's, and pairs of others."
            )


class VariantScorer:
    """Scores pairs of windows.

    Args:
        reader: the checkpoint.
        settings: how.
    """

    def __init__(self, reader: PackedReader, settings: VariantSettings) -> None:
        self.reader, self.settings = reader, settings

    def scores(self, pairs: Sequence[Windows]) -> np.ndarray:
        """(pairs,) float64: log-likelihood of the alternative less that of the reference, in nats.

        NaN where a window takes more tokens than the model reads.
        """
        return differences(pairs, self._nats, self.settings.both_strands)

    def _nats(self, windows: Sequence[Window]) -> np.ndarray:
        """(windows,) float64: the mean log-likelihood of each window over its segmentations.

        Windows with the same bases before the variant are read together, those bases once.
        """
        by_left: dict[str, list[int]] = {}
        for place, (left, _, _) in enumerate(windows):
            by_left.setdefault(left, []).append(place)
        found = np.empty(len(windows))
        for places in by_left.values():
            found[places] = self._alike([windows[place] for place in places])
        return found

    def _alike(self, windows: Sequence[Window]) -> list[float]:
        readings = [self.readings(*window) for window in windows]
        documents = {d.input_ids.tobytes(): d for of_window in readings for d in of_window}
        if not documents:
            return [float("nan")] * len(windows)
        nats = self.reader.nats_after_shared_beginning(list(documents.values()))
        sums = {
            ids: sequence_nats(document, of_document)
            for (ids, document), of_document in zip(documents.items(), nats, strict=True)
        }
        return [
            float(np.mean([sums[d.input_ids.tobytes()] for d in of_window])) if of_window else float("nan")
            for of_window in readings
        ]

    def readings(self, left: str, region: str, right: str) -> list[Document]:
        """A window in each of its segmentations; none if it takes more tokens than the model reads."""
        bases = left + region + right
        [own] = self.reader.annotating.encode([Row(Nucleotides((("", bases),)), "")])
        cuts = [
            cut
            for offset in range(self.settings.segmentations // 2)
            for cut in (len(left) - offset, len(left) + len(region) + offset)
        ]
        others = [
            self.reader.annotating.encode_cut(bases, cut) if 0 < cut < len(bases) else own for cut in cuts
        ]
        found = [own, *others]
        return found if all(map(self._fits, found)) else []

    def _fits(self, document: Document | ValueError) -> bool:
        if isinstance(document, ValueError) or document.trimmed_bases:
            return False
        return len(document.input_ids) <= self.reader.max_length
