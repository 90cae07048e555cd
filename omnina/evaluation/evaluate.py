"""How good a checkpoint's answers are: every metric beside baselines, each with its interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from omnina.evaluation.asked_rows import AskedRow
from omnina.evaluation.baselines import Prediction, fit_baselines, write_baselines
from omnina.evaluation.bootstrap import bootstrap_intervals, mean_intervals
from omnina.evaluation.calibration import Calibration, fit_calibration
from omnina.evaluation.cut_rows import CutRows
from omnina.evaluation.metrics import (
    Scored,
    classification_metrics,
    free_text_metrics,
    free_text_scores,
    per_class_metrics,
)
from omnina.evaluation.overlap import part_overlap
from omnina.inference.answer import Answer
from omnina.inference.questions import Question, Questions
from omnina.inference.scoring import normalised
from omnina.progress import counted

MODEL = "OmniNA"


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        results: metrics by question and system, each with ``interval``; all systems of a question have the
            same resamples.
        classes: metrics of each class of each question.
        scored: probabilities by question and system, for plots.
        overlap: sentences on test sequences that stand in the training rows.
        cut: by question, what of its rows was not read.
    """

    results: dict[str, dict[str, dict]] = field(default_factory=dict)
    classes: list[dict] = field(default_factory=list)
    scored: dict[str, dict[str, Scored]] = field(default_factory=dict)
    overlap: list[str] = field(default_factory=list)
    cut: dict[str, CutRows] = field(default_factory=dict)

    @property
    def sentences(self) -> list[str]:
        """What to know about the figures."""
        cut = {question: of for question, of in self.cut.items() if of.cut_rows}
        told = [
            f"{question}: {of.words}; baselines read them whole. Single bases "
            "take more room than pieces; a longer max_length is for training to set."
            for question, of in cut.items()
        ]
        return [*told, *self.overlap]


def calibrated(
    questions: Questions, rows: Sequence[AskedRow], answers: Sequence[Answer]
) -> tuple[Questions, dict[str, Calibration]]:
    """The questions with temperatures fitted on these rows, and what that changed, by question."""
    fitted, changes = dict(questions.by_text), {}
    for text, question in questions.by_text.items():
        places = [place for place, row in enumerate(rows) if row.question == text]
        if question.labels and places:
            scores = np.stack([answers[place].log_probabilities for place in places])
            changes[text] = fit_calibration(scores, [rows[place].gold for place in places], question.labels)
            fitted[text] = replace(question, temperature=changes[text].temperature)
    return replace(questions, by_text=fitted), changes


def evaluate(
    questions: Mapping[str, Question],
    rows: Sequence[AskedRow],
    answers: Sequence[Answer],
    train_rows: Sequence[AskedRow],
) -> Evaluation:
    """Metrics of answers to rows, beside baselines trained on the training rows of the same question."""
    found = Evaluation()
    asked_questions = dict.fromkeys(row.question for row in rows)
    for question in counted(asked_questions, "comparing with baselines", "questions"):
        places = [place for place, row in enumerate(rows) if row.question == question]
        asked, given = [rows[place] for place in places], [answers[place] for place in places]
        train = [row for row in train_rows if row.question == question]
        found.cut[question] = CutRows.of(asked, given)
        known = questions.get(question)
        if known and known.labels:
            scores = np.stack([answer.log_probabilities for answer in given])
            scored = Scored([row.gold for row in asked], known.labels, normalised(scores, known.temperature))
            baselines = fit_baselines(*_pairs(train, asked), known.log_prior is not None)
            _add_labelled(found, question, scored, baselines)
        else:
            written = {MODEL: [answer.text for answer in given]} | write_baselines(*_pairs(train, asked))
            found.results[question] = _written_results(written, asked, train)
    if train_rows:
        overlaps = part_overlap([row.nucleotides for row in train_rows], [row.nucleotides for row in rows])
        found.overlap.extend(overlap.sentence() for overlap in overlaps)
    return found


def _add_labelled(
    found: Evaluation, question: str, scored: Scored, baselines: Mapping[str, Prediction]
) -> None:
    systems = {MODEL: scored}
    for name, (labels, probabilities) in baselines.items():
        systems[name] = Scored(scored.gold, labels, probabilities)
    found.scored[question] = systems
    found.results[question] = {
        name: classification_metrics(of_system) | {"interval": bootstrap_intervals(of_system)}
        for name, of_system in systems.items()
    }
    found.classes.extend({"question": question} | row for row in per_class_metrics(scored))


def _written_results(
    written: Mapping[str, Sequence[str]], asked: list[AskedRow], train: list[AskedRow]
) -> dict[str, dict]:
    """Metrics of each system's free text."""
    gold, known = [row.gold for row in asked], {row.gold for row in train} or None
    return {
        name: free_text_metrics(gold, texts, known)
        | {"interval": mean_intervals(free_text_scores(gold, texts, known))}
        for name, texts in written.items()
    }


def _pairs(train: list[AskedRow], asked: list[AskedRow]) -> tuple[list, list]:
    """(cell, answer) of training rows, and the cells to predict."""
    return [(row.nucleotides, row.gold) for row in train], [row.nucleotides for row in asked]
