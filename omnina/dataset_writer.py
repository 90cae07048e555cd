"""Writes documents to disk as they come, and keeps the counts that must add up."""

import csv
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from omnina.errors import UserError
from omnina.prompt import Document
from omnina.rows import DataSettings, Outcome, TableRow, source_of

REJECTED_FILE = "rejected_rows.csv"
CONTENTS_FILE = "contents.json"
MAX_LABELS = 200
DOCUMENTS_PER_BATCH = 1024
SCHEMA = pa.schema(
    {
        "input_ids": pa.list_(pa.uint16()),
        "answer_start": pa.int32(),
        "sequence_spans": pa.list_(pa.int32()),
        "bases": pa.int32(),
        "source": pa.int16(),
    }
)


@dataclass
class Counts:
    """What became of the rows: rows = used + sum(filtered) + sum(rejected)."""

    rows: int = 0
    used: int = 0
    filtered: Counter = field(default_factory=Counter)
    rejected: Counter = field(default_factory=Counter)
    documents: int = 0
    tokens: int = 0
    bases: int = 0
    trimmed_documents: int = 0
    trimmed_bases: int = 0
    converted_uracils: int = 0

    def as_json(self) -> dict:
        """JSON values by name."""
        return {k: dict(v) if isinstance(v, Counter) else v for k, v in vars(self).items()}

    @classmethod
    def from_json(cls, values: dict) -> "Counts":
        """The counts that ``as_json`` gave."""
        return cls(**{k: Counter(v) if isinstance(v, dict) else v for k, v in values.items()})

    def summary(self) -> str:
        """One paragraph for the log; says so if more than 0.1 % of the bases were trimmed."""
        parts = [f"{self.rows} rows = {self.used} used"]
        parts += [f"{number} filtered ({reason})" for reason, number in sorted(self.filtered.items())]
        parts += [f"{number} rejected ({reason})" for reason, number in sorted(self.rejected.items())]
        text = " + ".join(parts)
        text += f"; {self.documents} documents, {self.bases} bases, {self.tokens} tokens"
        if self.converted_uracils:
            text += f"; {self.converted_uracils} U read as T"
        if self.trimmed_bases:
            share = self.trimmed_bases / (self.bases + self.trimmed_bases)
            text += (
                f"; {self.trimmed_bases} bases ({share:.2%}) of {self.trimmed_documents} documents trimmed"
            )
            text += "  <- raise max_length or lower window" if share > 0.001 else ""
        return text


class AnswerTally:
    """How often each answer was given to each question; None where the answers are free text.

    A question is free text once it has more than ``MAX_LABELS`` different answers.
    """

    def __init__(self) -> None:
        self.by_question: dict[str, Counter[str] | None] = {}

    def add(self, question: str, answer: str) -> None:
        """Count one row."""
        tally = self.by_question.setdefault(question, Counter())
        if tally is not None:
            tally[answer] += 1
            if len(tally) > MAX_LABELS:
                self.by_question[question] = None


class DatasetWriter:
    """Streams documents to disk and keeps the counts."""

    def __init__(self, folder: Path, settings: DataSettings) -> None:
        self.folder, self.settings = folder, settings
        self.counts, self.sources = Counts(), {}
        self.lengths: list[int] = []
        self.bases: list[int] = []
        self.source_ids: list[int] = []
        self.documents_by_file: Counter[str] = Counter()
        self.answers = AnswerTally()
        self._pending: list[tuple] = []
        self._stream = pa.OSFile(str(folder / "rows.arrow"), "wb")
        self._arrow = pa.ipc.new_stream(self._stream, SCHEMA)
        self._rejected_stream = (folder / REJECTED_FILE).open("w", encoding="utf-8", newline="")
        self._rejected = csv.writer(self._rejected_stream)
        self._rejected.writerow(["file", "line", "reason", *settings.columns])

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._arrow.close()
        self._stream.close()
        self._rejected_stream.close()

    def add(self, record: TableRow, outcome: Outcome) -> None:
        """Count a record; write its documents, or list it as rejected (or stop there)."""
        counts = self.counts
        counts.rows += 1
        if outcome.rejected:
            self._reject(record, outcome.rejected)
        elif outcome.filtered:
            counts.filtered[outcome.filtered] += 1
        else:
            counts.used += 1
            counts.converted_uracils += outcome.uracils
            source = self.sources.setdefault(source_of(record, self.settings), len(self.sources))
            self.documents_by_file[record.path] += len(outcome.documents)
            if self.settings.questions:
                self.answers.add(record.cells["question"], record.cells["response"])
            for document in outcome.documents:
                self._write(document, source)

    def finish(self, paths: list[Path]) -> None:
        """Write what is left, the lengths and the counts; UserError if there is no document."""
        self._flush()
        if not self.lengths:
            names = ", ".join(map(str, paths))
            raise UserError(f"{names}: no row is left to train on: {self.counts.summary()}")
        np.save(self.folder / "lengths.npy", np.array(self.lengths, dtype=np.int32))
        np.save(self.folder / "bases.npy", np.array(self.bases, dtype=np.int32))
        np.save(self.folder / "source_ids.npy", np.array(self.source_ids, dtype=np.int16))
        contents = {
            "counts": self.counts.as_json(),
            "sources": list(self.sources),
            "documents_by_file": {str(path): self.documents_by_file[str(path)] for path in paths},
            "answers": self.answers.by_question,
        }
        text = json.dumps(contents, indent=2) + "\n"
        (self.folder / CONTENTS_FILE).write_text(text, encoding="utf-8")

    def _reject(self, record: TableRow, reason: str) -> None:
        if self.settings.bad_rows == "stop":
            raise UserError(
                f"{record.path}:{record.line}: {reason}. Mend the row, or set bad_rows: skip to leave such "
                "rows out, counted and listed."
            )
        self.counts.rejected[reason.split(" in max_length")[0].split(" at base")[0]] += 1
        cells = [record.cells[name] for name in self.settings.columns]
        self._rejected.writerow([record.path, record.line, reason, *cells])

    def _write(self, document: Document, source: int) -> None:
        counts = self.counts
        counts.documents += 1
        counts.tokens += len(document.input_ids)
        counts.bases += document.bases
        counts.trimmed_bases += document.trimmed_bases
        counts.trimmed_documents += document.trimmed_bases > 0
        self.lengths.append(len(document.input_ids))
        self.bases.append(document.bases)
        self.source_ids.append(source)
        spans = [place for span in document.sequence_spans for place in span]
        self._pending.append((document.input_ids, document.answer_start, spans, document.bases, source))
        if len(self._pending) >= DOCUMENTS_PER_BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            columns = zip(*self._pending, strict=True)
            arrays = [pa.array(values, type=kind) for values, kind in zip(columns, SCHEMA.types, strict=True)]
            self._arrow.write_batch(pa.record_batch(arrays, schema=SCHEMA))
            self._pending = []
