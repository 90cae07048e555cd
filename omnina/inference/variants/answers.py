"""What variants change in a fine-tuned checkpoint's answers: each label's probability with and without them.

A window is asked about as ``scripts/predict.py`` asks, in the tokenizer's own segmentation. Several windows
of one variant, and both strands, count by their mean; a question that is strand-free is always asked of both.
"""

from collections.abc import Sequence

import numpy as np

from omnina.chunking import Nucleotides
from omnina.errors import UserError
from omnina.inference.answer import Answerer, Query
from omnina.inference.variants.differences import differences
from omnina.inference.variants.haplotypes import Window, Windows
from omnina.inference.variants.scoring import VariantSettings


class AnswerScorer:
    """Compares answers to one question on pairs of windows.

    Args:
        answerer: the checkpoint, with ``all_labels``.
        question: as fine-tuning asked it.
        settings: the window and the strands; answers have one segmentation.
        label: whose probability ``scores`` is about; None: only ``changes`` may be called.
        labels: to choose from, whatever the question's own are; None: those of fine-tuning.

    Attributes:
        labels: sorted.

    Raises UserError for a question without labels, labels that are one text, or a label that is none of them.
    """

    def __init__(
        self,
        answerer: Answerer,
        question: str,
        settings: VariantSettings,
        label: str | None = None,
        labels: Sequence[str] | None = None,
    ) -> None:
        if labels is None and question not in answerer.label_sets:
            known = "; ".join(answerer.label_sets) or "none"
            raise UserError(
                f"--question: {answerer.folder} has no labels for '{question}'; it has for: {known}."
            )
        self.answerer, self.question, self.settings, self.label = answerer, question, settings, label
        self._own_labels = labels is not None
        known = answerer.questions.get(question)
        self._strand_free = known is not None and known.strand_free  # the answerer reads both in any case
        self.labels: list[str] = (
            sorted(set(labels)) if self._own_labels else answerer.questions[question].labels
        )
        if label is not None and label not in self.labels:
            raise UserError(
                f"--answer: '{label}' is no answer to this question; there are: {', '.join(self.labels)}."
            )

    def changes(self, pairs: Sequence[Windows]) -> np.ndarray:
        """(pairs, labels) float64: each label's probability with the alternative less that without.

        NaN where a window takes more tokens than the model reads beside the question.
        """
        return differences(pairs, self._probabilities, self.settings.both_strands and not self._strand_free)

    def scores(self, pairs: Sequence[Windows]) -> np.ndarray:
        """(pairs,) float64: the change of the one label's probability."""
        return self.changes(pairs)[:, self.labels.index(self.label)]

    def _probabilities(self, windows: Sequence[Window]) -> np.ndarray:
        """(windows, labels)."""
        texts = ["".join(window) for window in windows]
        queries = [Query(Nucleotides((("", text),)), self.question) for text in texts]
        if self._own_labels:
            answers = self.answerer.answer_from(queries, self.labels)
        else:
            answers = self.answerer.answer(queries)
        unknown = dict.fromkeys(self.labels, float("nan"))
        of_texts = [unknown if answer.refused or answer.notes else answer.labels for answer in answers]
        found = [[labels[label] for label in self.labels] for labels in of_texts]
        return np.array(found).reshape(len(texts), len(self.labels))
