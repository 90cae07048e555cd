"""Answers to the validation rows during training, and metrics of them.

The label scored highest where a question has labels; for free text, what ``omnina/text_validation.py`` says.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from accelerate.utils import gather_object

from omnina.dataset import TokenizedData
from omnina.evaluation.metrics import Scored, classification_metrics
from omnina.inference.label_set import LabelSet
from omnina.inference.scoring import NEGLIGIBLE, ScoredRow, by_tokens, label_log_probabilities, normalised
from omnina.metric_names import distinct_names
from omnina.text_validation import foreseen_tokens, text_metrics

OUTSIDE = "(an answer that training never saw)"


@dataclass(frozen=True)
class AnswerValidation:
    """Which rows to answer, and from which labels.

    Args:
        data: validation rows; a row's source is its question.
        rows: ids of those used.
        label_sets: by question; other questions are answered in free text.
        tokens_per_device: tokens of one forward pass, at most.
    """

    data: TokenizedData
    rows: np.ndarray
    label_sets: Mapping[str, LabelSet]
    tokens_per_device: int

    def metrics(
        self, model: torch.nn.Module, processes: int, rank: int, device: torch.device
    ) -> dict[str, float]:
        """Each question's metrics, and the mean over questions of each, over all processes' rows."""
        labelled = np.isin(self.data.source_ids[self.rows], self._labelled_sources())
        answered = self._answered(model, self.rows[labelled][rank::processes], device)
        everyone = gather_object(list(answered))
        written = gather_object(list(self._written(model, self.rows[~labelled][rank::processes], device)))
        by_question = {
            question: text_metrics([foreseen for asked, foreseen in written if asked == question])
            for question in dict.fromkeys(asked for asked, _ in written)
        }
        for question, labels in self.label_sets.items():
            of_question = [(gold, p) for asked, gold, p in everyone if asked == question]
            if of_question:
                gold, probabilities = zip(*of_question, strict=True)
                scored = Scored(gold, labels.labels, np.stack(probabilities))
                by_question[question] = _defined(classification_metrics(scored))
        return _named(by_question, distinct_names(self.data.sources))  # losses are named by these too

    def _labelled_sources(self) -> list[int]:
        return [place for place, name in enumerate(self.data.sources) if name in self.label_sets]

    def _written(
        self, model: torch.nn.Module, rows: np.ndarray, device: torch.device
    ) -> Iterator[tuple[str, np.ndarray]]:
        """(question, which of the answer's tokens the model would write) of this process's rows."""
        documents = [self.data[row] for row in rows]
        found = foreseen_tokens(model, documents, device, self.tokens_per_device)
        for document, foreseen in zip(documents, found, strict=True):
            yield self.data.sources[int(document["source"])], foreseen

    def _answered(
        self, model: torch.nn.Module, rows: np.ndarray, device: torch.device
    ) -> Iterator[tuple[str, str, np.ndarray]]:
        """(question, right answer, probabilities) of this process's rows."""
        documents = [self.data[row] for row in rows]
        questions = [self.data.sources[int(document["source"])] for document in documents]
        prompts = [document["input_ids"][: int(document["answer_start"])] for document in documents]
        scored = [
            ScoredRow(prompt.astype(np.int64), self.label_sets[question].tree)
            for prompt, question in zip(prompts, questions, strict=True)
        ]
        for batch in by_tokens(scored, self.tokens_per_device):
            of_batch = [scored[place] for place in batch]
            found = label_log_probabilities(model, of_batch, device, NEGLIGIBLE)
            for place, log_probabilities in zip(batch, found, strict=True):
                document, question = documents[place], questions[place]
                answer = tuple(document["input_ids"][int(document["answer_start"]) :].tolist())
                gold = self.label_sets[question].label_of.get(answer, OUTSIDE)
                yield question, gold, normalised(log_probabilities)


def _defined(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if value is not None and name != "n"}


def _named(by_question: Mapping[str, Mapping[str, float]], names: Mapping[str, str]) -> dict[str, float]:
    """Flat names: ``mcc`` is the mean over questions, ``<question>_mcc`` one question's."""
    found = {
        f"{names[question]}_{name}": value
        for question, metrics in by_question.items()
        for name, value in metrics.items()
    }
    for name in {name for metrics in by_question.values() for name in metrics}:
        values = [metrics[name] for metrics in by_question.values() if name in metrics]
        found[name] = float(np.mean(values))
    return found
