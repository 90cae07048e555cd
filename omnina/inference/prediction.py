"""A file of sequences in, the same rows with answers out: in order, in constant memory, going on if killed.

Rows are answered a few hundred at a time and appended to ``OUTPUT.unfinished``; ``OUTPUT.unfinished.json``
says how far that is whole and which command it belongs to. The same command again goes on from there, and
at the end the file gets its name.
"""

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.inference.answer import Answer, Answerer, Query
from omnina.inference.queries import InputRow, QueryFile

ROWS_PER_WRITE = 256
ANSWER_COLUMNS = ("answer", "probability", "note")
ABSTAINED = "abstained"


@dataclass(frozen=True)
class PredictionOptions:
    """What is written, and what becomes of rows that cannot be answered.

    Args:
        question: asked of every row; None: the table's column ``question``.
        label_probabilities: a column for each label of the questions asked.
        min_probability: below it the answer is left empty, and the note says so.
        skip_bad_rows: note what is wrong with a row instead of stopping at it.
    """

    question: str | None = None
    label_probabilities: bool = False
    min_probability: float = 0.0
    skip_bad_rows: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.min_probability <= 1:
            raise UserError(f"--min_probability ({self.min_probability}) must be between 0 and 1.")


class Predictor:
    """Answers the rows of one file into another.

    Args:
        answerer: the checkpoint at work.
        source: the rows.
        output: the CSV to write; must not exist.
        options: what is written.

    Raises UserError for an output that exists or is no ``.csv``, or another command's unfinished one.
    """

    def __init__(
        self, answerer: Answerer, source: QueryFile, output: Path, options: PredictionOptions
    ) -> None:
        self.answerer, self.source, self.output, self.options = answerer, source, output, options
        self.unfinished = output.with_name(f"{output.name}.unfinished")
        self.journal = output.with_name(f"{output.name}.unfinished.json")
        if output.suffix != ".csv":
            raise UserError(f"{output}: the output is a CSV; give it a name that ends in .csv.")
        if output.exists():
            raise UserError(f"{output}: this file exists; choose another --output, or remove it.")
        taken = sorted(set(source.columns) & set(self._added_columns()))
        if taken:
            raise UserError(f"{source.path}: the column '{taken[0]}' would be written twice; rename it.")

    def run(self) -> Counter[str]:
        """Write the output; returns how many rows were answered, and how many got which note."""
        stamp = self._stamp()
        done, size, tally = self._progress(stamp)
        mode = "r+" if done else "w"
        self.output.parent.mkdir(parents=True, exist_ok=True)
        with self.unfinished.open(mode, encoding="utf-8", newline="") as stream:
            stream.truncate(size)
            stream.seek(size)
            writer = csv.writer(stream, lineterminator="\n")
            if not done:
                writer.writerow([*self.source.columns, *self._added_columns()])
            with tqdm(initial=done, unit=" rows", desc="answering") as bar:
                for rows in _batched(islice(self.source.rows(), done, None)):
                    for row, answer in zip(rows, self._answers(rows), strict=True):
                        writer.writerow(self._cells(row, answer))
                        tally.update(["rows", *map(_kind, answer.notes)])
                    self._record(stream, stamp, tally)
                    bar.update(len(rows))
        self.unfinished.rename(self.output)
        self.journal.unlink(missing_ok=True)
        return tally

    def _added_columns(self) -> list[str]:
        return [*ANSWER_COLUMNS, *(f"probability of {label}" for label in self._labels())]

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
        answers: dict[int, Answer] = {}
        queries: dict[int, Query] = {}
        for place, row in enumerate(rows):
            try:
                queries[place] = self._query(row)
            except ValueError as error:
                answers[place] = self._bad(row, str(error))
        answered = self.answerer.answer(list(queries.values()))
        for place, answer in zip(queries, answered, strict=True):
            answers[place] = self._bad(rows[place], answer.refused) if answer.refused else answer
        return [self._with_abstention(answers[place]) for place in range(len(rows))]

    def _query(self, row: InputRow) -> Query:
        if not row.question.strip():
            raise ValueError("the question is empty")
        return Query(parse_cell(row.sequence), row.question)

    def _bad(self, row: InputRow, reason: str) -> Answer:
        if not self.options.skip_bad_rows:
            raise UserError(
                f"{self.source.path}:{row.line}: {reason}. Mend the row, or add --bad_rows skip to note it "
                "and go on."
            )
        return Answer("", 0.0, notes=(reason,))

    def _with_abstention(self, answer: Answer) -> Answer:
        if answer.text and answer.probability < self.options.min_probability:
            return Answer("", answer.probability, answer.labels, notes=(ABSTAINED, *answer.notes))
        return answer

    def _cells(self, row: InputRow, answer: Answer) -> list[str]:
        labels = [
            "" if answer.labels is None or label not in answer.labels else f"{answer.labels[label]:.6g}"
            for label in self._labels()
        ]
        return [*row.cells, answer.text, f"{answer.probability:.6g}", "; ".join(answer.notes), *labels]

    def _stamp(self) -> dict:
        """Which command an unfinished output belongs to."""
        path = self.source.path
        return {
            "input": str(path.resolve()),
            "input_size": path.stat().st_size,
            "input_time": path.stat().st_mtime_ns,
            "checkpoint": str(self.answerer.folder.resolve()),
            "model": self.answerer.digest,
            "dtype": str(self.answerer.dtype),
            "decoding": asdict(self.answerer.decoding),
            "options": asdict(self.options),
        }

    def _progress(self, stamp: dict) -> tuple[int, int, Counter[str]]:
        """Rows and bytes that an earlier call wrote, and its counts; zeros if there was none."""
        if not (self.journal.is_file() and self.unfinished.is_file()):
            return 0, 0, Counter()
        journal = json.loads(self.journal.read_text(encoding="utf-8"))
        if journal["stamp"] != stamp:
            raise UserError(
                f"{self.unfinished}: the unfinished output of another command, input or checkpoint; remove "
                "it to begin anew, or choose another --output."
            )
        return journal["tally"]["rows"], journal["bytes"], Counter(journal["tally"])

    def _record(self, stream: TextIO, stamp: dict, tally: Counter[str]) -> None:
        """Make what is written so far safe, then say so: in this order a kill loses nothing."""
        stream.flush()
        os.fsync(stream.fileno())
        journal = {"stamp": stamp, "bytes": os.fstat(stream.fileno()).st_size, "tally": tally}
        beside = self.journal.with_suffix(".new")
        beside.write_text(json.dumps(journal), encoding="utf-8")
        beside.replace(self.journal)


def _kind(note: str) -> str:
    """A note without its numbers and quotations, so that the tally stays small on any input."""
    return re.sub(r"\d+|'[^']*'", "...", note)


def _batched(rows: Iterator[InputRow]) -> Iterator[list[InputRow]]:
    while batch := list(islice(rows, ROWS_PER_WRITE)):
        yield batch
