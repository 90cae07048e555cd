"""One shard of a tokenised table set: documents as they come, and a record of what became of the rows.

rows.arrow            documents, uint16 token ids, in batches of DOCUMENTS_PER_BATCH
record.json           counts, sources, documents by table, answers
rejected_rows.csv     rows left out under bad_rows: skip, without a header
"""

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from omnina.errors import UserError
from omnina.prompt import Document
from omnina.soft_masking import lower_case_bases, masked_spans
from omnina.tables.row_counts import AnswerTally, Counts
from omnina.tables.rows import DataSettings, Outcome, TableRow, source_of

ROWS_FILE = "rows.arrow"
RECORD_FILE = "record.json"
REJECTED_FILE = "rejected_rows.csv"
DOCUMENTS_PER_BATCH = 1024
SCHEMA = pa.schema(
    {
        "input_ids": pa.list_(pa.uint16()),
        "answer_start": pa.int32(),
        "sequence_spans": pa.list_(pa.int32()),
        "bases": pa.int32(),
        "source": pa.int32(),  # place in the shard's own sources
        "line": pa.int64(),  # of the table; rows of Parquet count from 1
    }
)


MASKED_SCHEMA = SCHEMA.append(pa.field("soft_masked", pa.list_(pa.int32())))  # spans, as of the sequence


class ShardWriter:
    """Streams documents to disk and keeps the counts; one batch is in memory."""

    def __init__(self, folder: Path, settings: DataSettings) -> None:
        self.folder, self.settings = folder, settings
        self.counts, self.sources = Counts(), {}
        self.documents_by_file: Counter[str] = Counter()
        self.answers = AnswerTally()
        self._ids, self._spans = _Lists(np.uint16), _Lists(np.int32)
        self._numbers: list[tuple[int, int, int, int]] = []  # answer_start, bases, source, line
        self._masked = _Lists(np.int32)
        self._schema = MASKED_SCHEMA if settings.soft_masked else SCHEMA
        self._arrow = pa.ipc.new_file(str(folder / ROWS_FILE), self._schema)
        self._rejected_stream = (folder / REJECTED_FILE).open("w", encoding="utf-8", newline="")
        self._rejected = csv.writer(self._rejected_stream)

    def __enter__(self) -> "ShardWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._arrow.close()
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
                self._write(document, source, record.line)

    def finish(self) -> None:
        """Write what is left, and the record."""
        self._flush()
        record = {
            "counts": self.counts.as_json(),
            "sources": list(self.sources),
            "documents_by_file": dict(self.documents_by_file),
            "answers": self.answers.by_question,
        }
        text = json.dumps(record, indent=2) + "\n"
        (self.folder / RECORD_FILE).write_text(text, encoding="utf-8")

    def _reject(self, record: TableRow, reason: str) -> None:
        if self.settings.bad_rows == "stop":
            raise UserError(
                f"{record.path}:{record.line}: {reason}. Mend the row, or set bad_rows: skip to leave such "
                "rows out, counted and listed."
            )
        self.counts.rejected[reason.split(" in max_length")[0].split(" at base")[0]] += 1
        cells = [record.cells[name] for name in self.settings.columns]
        self._rejected.writerow([record.path, record.line, reason, *cells])

    def _write(self, document: Document, source: int, line: int) -> None:
        counts = self.counts
        counts.documents += 1
        counts.tokens += len(document.input_ids)
        counts.bases += document.bases
        counts.trimmed_bases += document.trimmed_bases
        counts.trimmed_documents += document.trimmed_bases > 0
        counts.soft_masked_bases += lower_case_bases(document.token_bases)
        self._ids.add(document.input_ids)
        self._spans.add(document.sequence_spans)
        self._masked.add(masked_spans(document.token_bases, document.sequence_spans))
        self._numbers.append((document.answer_start, document.bases, source, line))
        if len(self._numbers) >= DOCUMENTS_PER_BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._numbers:
            starts, bases, sources, lines = zip(*self._numbers, strict=True)
            arrays = [self._ids.taken(), starts, self._spans.taken(), bases, sources, lines]
            masked = self._masked.taken()
            arrays += [masked] if self.settings.soft_masked else []
            self._arrow.write_batch(pa.record_batch(arrays, schema=self._schema))
            self._numbers = []


class _Lists:
    """Lists of whole numbers, laid out as Arrow has them: much cheaper than lists of Python ints."""

    def __init__(self, kind: type) -> None:
        self._kind, self._lists = kind, []

    def add(self, values: ArrayLike) -> None:
        """Take one more list."""
        self._lists.append(np.asarray(values, dtype=self._kind).ravel())

    def taken(self) -> pa.ListArray:
        """All lists since the last call."""
        ends = np.cumsum([0, *map(len, self._lists)], dtype=np.int32)
        values = np.concatenate(self._lists) if self._lists else np.empty(0, dtype=self._kind)
        self._lists = []
        return pa.ListArray.from_arrays(pa.array(ends), pa.array(values))
