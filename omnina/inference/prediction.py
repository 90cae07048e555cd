"""A file of sequences in, the same rows with answers out: in order, in constant memory, going on if killed.

source = QueryFile(Path("rows.csv"), None)
plan = PredictionPlan(source, Path("answers.csv"), PredictionOptions())  # checks without a model
Predictor(Answerer(Path("output/finetune")), plan).run()
"""

import re
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from omnina.errors import UserError
from omnina.inference.answer import Answer, Answerer, Query
from omnina.inference.answer_file import AnswerFile
from omnina.inference.queries import InputRow, QueryFile, bad_row
from omnina.inference.questions import unseen_warning
from omnina.inference.row_job import RowJob
from omnina.progress import told_beside_bars

NOTE, NOTE_BESIDE_ANOTHER = "note", "answer_note"
ABSTAINED = "abstained"
MOST_WARNINGS = 5


@dataclass(frozen=True)
class PredictionOptions:
    """What is written, and what becomes of rows that cannot be answered.

    Args:
        question: asked of every row; None: the table's column ``question``.
        label_probabilities: a column for each label of the questions asked.
        min_probability: below it the answer is left empty, and the note says so.
        skip_bad_rows: note what is wrong with a row instead of stopping at it.
        column_prefix: put before the names of the columns that are added.
    """

    question: str | None = None
    label_probabilities: bool = False
    min_probability: float = 0.0
    skip_bad_rows: bool = False
    column_prefix: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.min_probability <= 1:
            raise UserError(f"--min_probability ({self.min_probability}) must be between 0 and 1.")


class PredictionPlan:
    """A command's input, output and options, checked against each other; knows no model.

    Args:
        source: the rows; read once, to the end.
        output: the CSV to write.
        options: what is written.

    Raises UserError for an output that cannot be written, columns that would be there twice, or a row that
    cannot be asked (unless skipped).
    """

    def __init__(self, source: QueryFile, output: Path, options: PredictionOptions) -> None:
        self.source, self.options = source, options
        self.output = AnswerFile(output)
        self.check_columns([])
        self.length = source.checked_length(options.skip_bad_rows)

    def check_columns(self, labels: list[str]) -> None:
        """UserError if a column that is added would have the name of one of the input's."""
        taken = sorted(set(self.source.columns) & set(self.added_columns(labels)))
        if taken:
            raise UserError(
                f"{self.source.path}: the column '{taken[0]}' would be written twice; rename it, or give "
                "the added columns another name: --column_prefix model_"
            )

    def added_columns(self, labels: list[str]) -> list[str]:
        """The answer's columns, then one for each label; a ``note`` of the user's own keeps its name."""
        prefix = self.options.column_prefix
        note = NOTE_BESIDE_ANOTHER if prefix + NOTE in self.source.columns else NOTE
        names = ["answer", "probability", note, *(f"probability of {label}" for label in labels)]
        return [prefix + name for name in names]


class Predictor:
    """Answers the rows of one file into another.

    Args:
        answerer: the checkpoint at work.
        plan: what to answer, and where to.

    Raises UserError for columns of labels that the input has already.
    """

    def __init__(self, answerer: Answerer, plan: PredictionPlan) -> None:
        self.answerer, self.plan = answerer, plan
        self.source, self.options = plan.source, plan.options
        self.labels = self._labels()
        self.warned: set[str] = set()
        plan.check_columns(self.labels)

    def run(self) -> Counter[str]:
        """Write the output; returns how many rows were answered, and how many got which note."""
        columns = [*self.source.columns, *self.plan.added_columns(self.labels)]
        job = RowJob(self.source, self.plan.output, self.plan.length, "answering")
        return job.run(columns, self._answered, self._stamp())

    def _answered(self, rows: list[InputRow]) -> tuple[list[list[str]], Counter[str]]:
        """The rows' cells, and how many got which note."""
        answered = list(zip(rows, self._answers(rows), strict=True))
        counts = Counter(_kind(note) for _, answer in answered for note in answer.notes)
        return [self._cells(*pair) for pair in answered], counts

    def _labels(self) -> list[str]:
        """Every label that a column is wanted for, each once."""
        if not self.options.label_probabilities:
            return []
        asked = [self.options.question] if self.options.question else list(self.answerer.label_sets)
        sets = [
            self.answerer.label_sets[question].labels
            for question in asked
            if question in self.answerer.label_sets
        ]
        return list(dict.fromkeys(label for labels in sets for label in labels))

    def _answers(self, rows: list[InputRow]) -> list[Answer]:
        """An answer for each row; a bad one stops the run, or gets a note."""
        self._warn_of_unseen(rows)
        answers: dict[int, Answer] = {}
        queries: dict[int, Query] = {}
        for place, row in enumerate(rows):
            try:
                queries[place] = Query(self.source.checked(row), row.question, row.number)
            except ValueError as error:
                answers[place] = self._bad(row, str(error))
        answered = self.answerer.answer(list(queries.values()))
        for place, answer in zip(queries, answered, strict=True):
            answers[place] = self._bad(rows[place], answer.refused) if answer.refused else answer
        return [self._with_abstention(answers[place]) for place in range(len(rows))]

    def _warn_of_unseen(self, rows: list[InputRow]) -> None:
        """Say once for each question that it is nearly one that training asked."""
        for question in dict.fromkeys(row.question for row in rows):
            if len(self.warned) >= MOST_WARNINGS or question in self.warned:
                continue
            warning = unseen_warning(question, self.answerer.questions)
            if warning:
                self.warned.add(question)
                told_beside_bars(warning)

    def _bad(self, row: InputRow, reason: str) -> Answer:
        if not self.options.skip_bad_rows:
            raise bad_row(row, reason)
        return Answer("", 0.0, notes=(reason,))

    def _with_abstention(self, answer: Answer) -> Answer:
        if answer.text and answer.probability < self.options.min_probability:
            return replace(answer, text="", notes=(ABSTAINED, *answer.notes))
        return answer

    def _cells(self, row: InputRow, answer: Answer) -> list[str]:
        labels = [
            "" if answer.labels is None or label not in answer.labels else f"{answer.labels[label]:.6g}"
            for label in self.labels
        ]
        return [*row.cells, answer.text, f"{answer.probability:.6g}", "; ".join(answer.notes), *labels]

    def _stamp(self) -> dict:
        """Which command an unfinished output belongs to."""
        return {
            "checkpoint": str(self.answerer.folder.resolve()),
            "model": self.answerer.digest,
            "dtype": str(self.answerer.dtype),
            "decoding": asdict(self.answerer.decoding),
            "options": asdict(self.options),
        }


def _kind(note: str) -> str:
    """A note without its numbers and quotations, so that the tally stays small on any input."""
    return re.sub(r"\d+|'[^']*'", "...", note)
