"""How good a checkpoint's answers are: every metric beside baselines, as files that people read.

Written into the output folder: ``metrics.json``, ``metrics.csv``, ``metrics.md``, ``classes.csv``, plots, and
``plots.md`` that shows them: the last file, so that an evaluation is whole if it is there.
"""

import csv
import json
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from omnina.chunking import Nucleotides, parse_cell
from omnina.errors import UserError
from omnina.evaluation.baselines import fit_baselines
from omnina.evaluation.bootstrap import bootstrap_intervals
from omnina.evaluation.metrics import (
    Scored,
    classification_metrics,
    free_text_metrics,
    per_class_metrics,
)
from omnina.evaluation.overlap import part_overlap
from omnina.evaluation.plots import plot_question
from omnina.evaluation.summary import csv_rows, markdown_table
from omnina.inference.answer import Answer, Answerer, Query
from omnina.inference.questions import Question, Questions, fit_temperature, unseen_warning
from omnina.inference.scoring import normalised
from omnina.table import expand_paths, read_rows

MODEL = "OmniNA"
METRICS_FILE, LAST_FILE = "metrics.json", "plots.md"
ROWS_PER_CALL = 256


@dataclass(frozen=True)
class AskedRow:
    """A row whose answer is known, and where it stands."""

    cell: str
    question: str
    gold: str
    nucleotides: Nucleotides
    place: str


@dataclass(frozen=True)
class Evaluation:
    """What was found.

    Attributes:
        results: metrics by question and system; the model's also hold ``interval``.
        classes: metrics of each class of each question.
        scored: probabilities by question and system, for plots.
        overlap: sentences on test sequences that stand in the training rows.
    """

    results: dict[str, dict[str, dict]]
    classes: list[dict]
    scored: dict[str, dict[str, Scored]]
    overlap: list[str]


def read_asked_rows(inputs: str | list[str], bad_rows: str = "stop") -> list[AskedRow]:
    """The rows of tables with ``sequence``, ``question`` and ``response``.

    Args:
        inputs: paths or globs.
        bad_rows: ``stop`` at a row that holds no nucleotides, question or response, or ``skip`` such rows.

    Raises UserError naming file and line of a bad row, or if no row is left.
    """
    paths = expand_paths(inputs)
    rows, bad = [], BadRows(bad_rows)
    for path in paths:
        for line, cells in read_rows(path, required=("sequence", "question", "response")):
            try:
                rows.append(_checked_row(f"{path}:{line}", cells))
            except ValueError as error:
                bad.add(f"{path}:{line}: {error}")
    bad.report(", ".join(map(str, paths)), left=len(rows))
    return rows


def _checked_row(place: str, cells: Mapping[str, str]) -> AskedRow:
    """ValueError with the reason if training would not take the row either."""
    nucleotides = parse_cell(cells["sequence"])
    for name in ("question", "response"):
        if not cells[name].strip():
            raise ValueError(f"the {name} is empty")
    return AskedRow(cells["sequence"], cells["question"], cells["response"], nucleotides, place)


class BadRows:
    """What is done with bad rows: UserError at the first, or counted."""

    def __init__(self, policy: str) -> None:
        assert policy in ("stop", "skip"), policy
        self.policy = policy
        self.found: list[str] = []

    def add(self, row: str) -> None:
        """Take note of a row, given as ``file:line: reason``."""
        if self.policy == "stop":
            raise UserError(
                f"{row}. Mend the row, or set bad_rows: skip (--bad_rows skip) to leave such rows out."
            )
        self.found.append(row)

    def report(self, name: str, left: int) -> None:
        """Print how many were left out; UserError if none is left."""
        if not self.found:
            return
        if not left:
            raise UserError(
                f"{name}: no row is left; all {len(self.found)} are bad, the first: {self.found[0]}."
            )
        print(f"{name}: {len(self.found):,} bad rows left out of the evaluation; the first: {self.found[0]}")


def answer_rows(
    answerer: Answerer, rows: Sequence[AskedRow], bad_rows: str = "stop"
) -> tuple[list[AskedRow], list[Answer]]:
    """The rows that can be answered, with the model's answers; shows a progress bar.

    Args:
        answerer: the model.
        rows: what to ask.
        bad_rows: ``stop`` at a row that leaves no room for an answer, or ``skip`` such rows.

    Raises UserError naming file and line of such a row, or if no row is left.
    """
    for question in dict.fromkeys(row.question for row in rows):
        if warning := unseen_warning(question, answerer.questions):
            print(warning, file=sys.stderr)
    bad = BadRows(bad_rows)
    answered: list[tuple[AskedRow, Answer]] = []
    with tqdm(total=len(rows), unit=" rows", desc="evaluating") as bar:
        for start in range(0, len(rows), ROWS_PER_CALL):
            part = rows[start : start + ROWS_PER_CALL]
            answers = answerer.answer([Query(row.nucleotides, row.question) for row in part])
            for row, answer in zip(part, answers, strict=True):
                if answer.refused:
                    bad.add(f"{row.place}: {answer.refused}")
                else:
                    answered.append((row, answer))
            bar.update(len(part))
    bad.report("rows that cannot be answered", left=len(answered))
    return [row for row, _ in answered], [answer for _, answer in answered]


def calibrated(questions: Questions, rows: Sequence[AskedRow], answers: Sequence[Answer]) -> Questions:
    """The questions with temperatures fitted on these rows."""
    fitted = {}
    for text, question in questions.by_text.items():
        pairs = [
            (answer.log_probabilities, question.labels.index(row.gold))
            for row, answer in zip(rows, answers, strict=True)
            if row.question == text and question.labels and row.gold in question.labels
        ]
        scores, gold = zip(*pairs, strict=True) if pairs else ((), ())
        fitted[text] = replace(question, temperature=fit_temperature(scores, gold))
    return replace(questions, by_text=fitted)


def evaluate(
    questions: Mapping[str, Question],
    rows: Sequence[AskedRow],
    answers: Sequence[Answer],
    train_rows: Sequence[AskedRow],
) -> Evaluation:
    """Metrics of answers to rows, beside baselines trained on the training rows of the same question."""
    found = Evaluation({}, [], {}, [])
    for question in dict.fromkeys(row.question for row in rows):
        places = [place for place, row in enumerate(rows) if row.question == question]
        asked = [rows[place] for place in places]
        train = [row for row in train_rows if row.question == question]
        known = questions.get(question)
        if known and known.labels:
            scores = np.stack([answers[place].log_probabilities for place in places])
            scored = Scored([row.gold for row in asked], known.labels, normalised(scores, known.temperature))
            _add_labelled(found, question, scored, asked, train)
        else:
            gold, written = [row.gold for row in asked], [answers[place].text for place in places]
            answered = {row.gold for row in train} or None
            found.results[question] = {MODEL: free_text_metrics(gold, written, answered)}
    if train_rows:
        overlaps = part_overlap([row.nucleotides for row in train_rows], [row.nucleotides for row in rows])
        found.overlap.extend(overlap.sentence() for overlap in overlaps)
    return found


def _add_labelled(
    found: Evaluation, question: str, scored: Scored, asked: list[AskedRow], train: list[AskedRow]
) -> None:
    metrics = classification_metrics(scored) | {"interval": bootstrap_intervals(scored)}
    systems, results = {MODEL: scored}, {MODEL: metrics}
    if train:
        pairs = [(row.nucleotides, row.gold) for row in train]
        predictions = fit_baselines(pairs, [row.nucleotides for row in asked])
        for name, (labels, probabilities) in predictions.items():
            systems[name] = Scored(scored.gold, labels, probabilities)
            results[name] = classification_metrics(systems[name])
    found.scored[question], found.results[question] = systems, results
    found.classes.extend({"question": question} | row for row in per_class_metrics(scored))


def check_folder(output: Path) -> None:
    """Make the folder of the figures; UserError if nothing can be written there."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
    except OSError as error:
        raise UserError(
            f"{output}: no folder that can be written to ({error.strerror}); choose another --output."
        ) from error


def write_evaluation(found: Evaluation, output: Path, notes: Sequence[str]) -> str:
    """Write every file, figures before plots; returns the Markdown."""
    output.mkdir(parents=True, exist_ok=True)
    (output / LAST_FILE).unlink(missing_ok=True)  # of an earlier evaluation: this one is not whole yet
    sentences = [*notes, *found.overlap]
    record = json.dumps({"results": found.results, "notes": sentences}, indent=2)
    (output / METRICS_FILE).write_text(record + "\n", encoding="utf-8")
    text = markdown_table(found.results) + "\n" + "".join(f"- {sentence}\n" for sentence in sentences)
    (output / "metrics.md").write_text(text, encoding="utf-8")
    _write_csv(output / "metrics.csv", csv_rows(found.results))
    _write_csv(output / "classes.csv", found.classes)
    _write_plots(found, output)
    return text


def _write_plots(found: Evaluation, output: Path) -> None:
    """Plots of each question with labels, then the page that shows them."""
    page = ["# Plots of the questions with labels", ""]
    for (question, systems), stem in zip(found.scored.items(), _stems(found.scored), strict=True):
        baselines = {name: scored for name, scored in systems.items() if name != MODEL}
        names = plot_question(systems[MODEL], question, output, stem, baselines)
        page += [f"## {question}", "", *(f"![{name}]({name})" for name in names), ""]
    (output / LAST_FILE).write_text("\n".join(page), encoding="utf-8")


def _stems(questions: Iterable[str]) -> list[str]:
    """File names of questions, numbered where two would be the same, case aside."""
    stems: list[str] = []
    for question in questions:
        stem = re.sub(r"\W+", "_", question).strip("_")[:60] or "question"
        if stem.casefold() in {other.casefold() for other in stems}:
            stem = f"{stem}_{len(stems) + 1}"
        stems.append(stem)
    return stems


def _write_csv(path: Path, rows: Iterable[dict]) -> None:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0] if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
