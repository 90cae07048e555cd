"""Scores of alternatives, or the reason why one has none."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from omnina.inference.variants.answers import AnswerScorer
from omnina.inference.variants.haplotypes import UNKNOWN, Change, Windows, windows
from omnina.inference.variants.indel_controls import IndelControls
from omnina.inference.variants.outputs import ScoredAlternative
from omnina.inference.variants.records import Alternative
from omnina.inference.variants.scoring import VariantScorer

SHORT = "the contig is shorter than the window"
NO_BASE = "N in the window"
AMBIGUOUS = "ambiguous bases in the window"
UNCONTROLLED = "not corrected for its length"
TOO_LONG = "its window takes more tokens than the model reads; give a smaller --window"
KNOWN = set("ACGT")


@dataclass(frozen=True)
class AlternativeScorer:
    """All that is measured of an alternative.

    Args:
        scorer: of likelihoods.
        controls: correct indels for their length; None: none are corrected.
        answers: to a question, to be compared too; None: none is asked.
    """

    scorer: VariantScorer
    controls: IndelControls | None = None
    answers: AnswerScorer | None = None

    @property
    def labels(self) -> list[str]:
        """Answers that are compared."""
        return self.answers.labels if self.answers else []

    def score(self, found: Sequence[Alternative]) -> list[ScoredAlternative]:
        """One for each, in order."""
        pairs = [self._windows_or_reason(one) for one in found]
        fitting = [pair for pair in pairs if isinstance(pair, Windows)]
        raw = iter(self.scorer.scores(fitting).tolist())
        changes = iter(self.answers.changes(fitting).tolist() if self.answers else [()] * len(fitting))
        return [
            self._scored(one, pair, next(raw), next(changes))
            if isinstance(pair, Windows)
            else ScoredAlternative(one.text, pair)
            for one, pair in zip(found, pairs, strict=True)
        ]

    def _windows_or_reason(self, found: Alternative) -> Windows | str:
        if found.change is None:
            return found.reason
        try:
            return windows(found.contig, found.change, self.scorer.settings.window)
        except ValueError as error:
            return str(error)

    def _scored(
        self, found: Alternative, pair: Windows, raw: float, changes: Sequence[float]
    ) -> ScoredAlternative:
        if math.isnan(raw) or any(map(math.isnan, changes)):
            return ScoredAlternative(found.text, TOO_LONG)
        notes = _notes(pair)
        # A window cut short by its contig gains and loses no bases as a control's does.
        comparable = self.controls is not None and SHORT not in notes
        control = self.controls.control(found.change) if comparable else None
        if control is None:
            notes += _uncontrolled(found.change) if self.controls else []
            return ScoredAlternative(found.text, "; ".join(notes), raw, raw, changes=changes)
        figures = (raw - control.mean, raw, control.deviation)
        return ScoredAlternative(found.text, "; ".join(notes), *figures, changes)


def _uncontrolled(change: Change) -> list[str]:
    return [UNCONTROLLED] if change.grows_by else []


def _notes(pair: Windows) -> list[str]:
    texts = ["".join(window) for window in (*pair.ref, *pair.alt)]
    letters = set("".join(texts))
    shown = {
        SHORT: len(set(map(len, texts))) > 1,
        NO_BASE: UNKNOWN in letters,
        AMBIGUOUS: bool(letters - KNOWN - {UNKNOWN}),
    }
    return [note for note, holds in shown.items() if holds]
