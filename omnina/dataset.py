"""Tables -> checked rows -> windows -> prompts -> token ids on disk, built once and cached by content.

The cache holds an Arrow file (``input_ids`` as uint16, 2 bytes a token) read through memory mapping, the
rows' lengths, and the counts. Its name is a hash of the tables, the tokenizer, the prompt and every
setting, so a change of any of them builds anew and nothing else does. Rows are tokenised by worker
processes that load the tokenizer alone; their results are written in the tables' order.
"""

import csv
import fcntl
import hashlib
import json
import os
import shutil
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
from datasets import Dataset
from tokenizers import Tokenizer

from omnina.chunking import SequenceRules, filter_reason, parse_cell, windows
from omnina.errors import UserError
from omnina.prompt import FINETUNE_PROMPT, PRETRAIN_PROMPT, Document, PromptEncoder, Row
from omnina.table import expand_paths, read_rows

FORMAT_VERSION = 1
ROWS_PER_TASK = 256
BYTES_PER_WORKER = 64_000_000  # a worker takes a second to start: smaller tables are not worth one
REJECTED_FILE = "rejected_rows.csv"
SCHEMA = pa.schema(
    {
        "input_ids": pa.list_(pa.uint16()),
        "answer_start": pa.int32(),
        "sequence_spans": pa.list_(pa.int32()),
        "bases": pa.int32(),
        "source": pa.int16(),
    }
)


@dataclass(frozen=True)
class DataSettings:
    """What decides the rows' token ids.

    Args:
        max_length: longest document, in tokens; longer ones lose bases at the end of the sequence.
        questions: rows have a question (fine-tuning); otherwise they do not (pretraining).
        rules: filters and windows, or None to take every sequence whole.
        bad_rows: ``stop`` at the first bad row, or ``skip`` them all and list them.
        source_column: names each row's source in reports; the table's file name if None.
    """

    max_length: int
    questions: bool
    rules: SequenceRules | None
    bad_rows: str = "stop"
    source_column: str | None = None

    @property
    def columns(self) -> list[str]:
        """Columns that a table must have."""
        texts = ["question", "response"] if self.questions else ["response"]
        return ["sequence", *texts, *([self.source_column] if self.source_column else [])]


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


@dataclass
class TokenizedData:
    """A table set as token ids.

    Args:
        folder: its cache folder.
        data_hash: hash of the tables' content.
        counts: what became of the rows.
        sources: names that the column ``source`` indexes.
    """

    folder: Path
    data_hash: str
    counts: Counts
    sources: list[str]

    @cached_property
    def rows(self) -> Dataset:
        """The memory-mapped rows; values as numpy arrays."""
        return Dataset.from_file(str(self.folder / "rows.arrow")).with_format("numpy")

    @cached_property
    def lengths(self) -> np.ndarray:
        """(documents,) tokens of each."""
        return np.load(self.folder / "lengths.npy")

    @cached_property
    def bases(self) -> np.ndarray:
        """(documents,) bases of each."""
        return np.load(self.folder / "bases.npy")

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict:
        return self.rows[int(index)]

    def __getitems__(self, indices: list[int]) -> list[dict]:
        """Rows of one batch; an empty batch is allowed (a process that has nothing to do)."""
        return [self.rows[int(index)] for index in indices]


@dataclass(frozen=True)
class _TableRow:
    """A record and where it stands."""

    path: str
    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class _Outcome:
    """A record's documents, or why it has none."""

    documents: tuple[Document, ...] = ()
    filtered: str = ""
    rejected: str = ""
    uracils: int = 0


class RowEncoder:
    """Records to documents: filters, windows, prompts. Made anew in every worker process."""

    def __init__(self, tokenizer_json: str, bos_id: int, eos_id: int, settings: DataSettings) -> None:
        prompt = FINETUNE_PROMPT if settings.questions else PRETRAIN_PROMPT
        tokenizer = Tokenizer.from_str(tokenizer_json)
        self.settings = settings
        self.encoder = PromptEncoder(
            tokenizer, prompt, bos_id=bos_id, eos_id=eos_id, max_length=settings.max_length
        )

    def outcomes(self, records: list[_TableRow]) -> list[_Outcome]:
        """One outcome per record, in order; all windows are tokenised in one call."""
        prepared = [self._prepare(record.cells) for record in records]
        flat = [row for rows, _ in prepared for row in rows]
        encoded = iter(self.encoder.encode(flat))
        return [self._finish(outcome, list(islice(encoded, len(rows)))) for rows, outcome in prepared]

    def _prepare(self, cells: dict[str, str]) -> tuple[list[Row], _Outcome]:
        """A record's windows, or none and the reason."""
        try:
            nucleotides = parse_cell(cells["sequence"])
        except ValueError as error:
            return [], _Outcome(rejected=str(error))
        for name in self.settings.columns[1:]:
            if name != self.settings.source_column and not cells[name].strip():
                return [], _Outcome(rejected=f"the {name} is empty")
        rules = self.settings.rules
        if rules and (reason := filter_reason(nucleotides, rules)):
            return [], _Outcome(filtered=reason)
        pieces = windows(nucleotides, rules) if rules else [nucleotides]
        rows = [Row(piece, cells["response"], cells.get("question", "")) for piece in pieces]
        return rows, _Outcome(uracils=nucleotides.converted_uracils)

    def _finish(self, outcome: _Outcome, encoded: list[Document | ValueError]) -> _Outcome:
        errors = [entry for entry in encoded if isinstance(entry, ValueError)]
        if errors:
            return _Outcome(rejected=str(errors[0]))
        return _Outcome(tuple(encoded), outcome.filtered, outcome.rejected, outcome.uracils)


def load_data(
    inputs: str | list[str],
    tokenizer_file: Path,
    bos_id: int,
    eos_id: int,
    settings: DataSettings,
    *,
    cache_dir: Path,
    workers: int | None = None,
) -> TokenizedData:
    """The rows of tables as token ids, from the cache or built now.

    One process builds while others that ask for the same wait at a file lock.

    Args:
        inputs: a path, several, or globs; ``.csv``, ``.tsv``, ``.csv.gz``, ``.tsv.gz``, ``.parquet``.
        tokenizer_file: its ``tokenizer.json``.
        bos_id, eos_id: ids around every document.
        settings: what decides the ids.
        cache_dir: where caches lie.
        workers: tokenising processes; None: one per 64 MB of tables, at most one per core.

    Raises:
        UserError: for an unreadable table, a bad row under ``bad_rows: stop``, a prompt that does not fit,
            or tables of which no row is left.
    """
    paths = expand_paths(inputs)
    tokenizer_json = tokenizer_file.read_text(encoding="utf-8")
    data_hash = _digest([_file_digest(path) for path in paths])
    prompt = FINETUNE_PROMPT if settings.questions else PRETRAIN_PROMPT
    names = [str(path) for path in paths]  # they name sources and bad rows
    ids = [_digest(tokenizer_json), bos_id, eos_id]
    key = _digest([FORMAT_VERSION, data_hash, names, ids, asdict(settings), asdict(prompt)])
    folder = cache_dir / key[:20]
    encoder = (tokenizer_json, bos_id, eos_id, settings)
    cache_dir.mkdir(parents=True, exist_ok=True)
    with _locked(cache_dir / f"{folder.name}.lock"):
        if not folder.is_dir():
            _build(paths, encoder, folder, _worker_count(paths, workers))
    saved = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
    sources = saved.pop("sources")
    return TokenizedData(folder, data_hash, Counts.from_json(saved), sources)


def read_sources(inputs: str | list[str], settings: DataSettings) -> Iterator[tuple[str, str]]:
    """(source, bases) of every sequence that ``load_data`` uses, windows undone, U as T."""
    for record in _records(expand_paths(inputs), settings.columns):
        try:
            nucleotides = parse_cell(record.cells["sequence"])
        except ValueError:
            if settings.bad_rows == "skip":
                continue  # counted and listed when the cache was built
            raise
        if settings.rules is None or filter_reason(nucleotides, settings.rules) is None:
            for _, bases in nucleotides.parts:
                yield _source(record, settings), bases


def _build(paths: list[Path], encoder: tuple, folder: Path, workers: int) -> None:
    """Write a cache beside its place and move it there whole."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    settings: DataSettings = encoder[-1]
    try:
        with _Writer(unfinished, settings) as writer:
            records = _records(paths, settings.columns)
            for batch, outcomes in _encoded(records, encoder, workers):
                for record, outcome in zip(batch, outcomes, strict=True):
                    writer.add(record, outcome)
            writer.finish(paths)
    except ValueError as error:
        shutil.rmtree(unfinished)
        raise UserError(str(error)) from error
    unfinished.rename(folder)


class _Writer:
    """Streams documents to disk and keeps the counts."""

    def __init__(self, folder: Path, settings: DataSettings) -> None:
        self.folder, self.settings = folder, settings
        self.counts, self.sources = Counts(), {}
        self.lengths: list[int] = []
        self.bases: list[int] = []
        self._pending: list[tuple] = []
        self._stream = pa.OSFile(str(folder / "rows.arrow"), "wb")
        self._arrow = pa.ipc.new_stream(self._stream, SCHEMA)
        self._rejected_stream = (folder / REJECTED_FILE).open("w", encoding="utf-8", newline="")
        self._rejected = csv.writer(self._rejected_stream)
        self._rejected.writerow(["file", "line", "reason", *settings.columns])

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._arrow.close()
        self._stream.close()
        self._rejected_stream.close()

    def add(self, record: _TableRow, outcome: _Outcome) -> None:
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
            source = self.sources.setdefault(_source(record, self.settings), len(self.sources))
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
        counts = json.dumps(self.counts.as_json() | {"sources": list(self.sources)}, indent=2)
        (self.folder / "counts.json").write_text(counts + "\n", encoding="utf-8")

    def _reject(self, record: _TableRow, reason: str) -> None:
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
        spans = [place for span in document.sequence_spans for place in span]
        self._pending.append((document.input_ids, document.answer_start, spans, document.bases, source))
        if len(self._pending) >= 1024:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            columns = zip(*self._pending, strict=True)
            arrays = [pa.array(values, type=kind) for values, kind in zip(columns, SCHEMA.types, strict=True)]
            self._arrow.write_batch(pa.record_batch(arrays, schema=SCHEMA))
            self._pending = []


def _encoded(
    records: Iterable[_TableRow], encoder: tuple, workers: int
) -> Iterator[tuple[list[_TableRow], list[_Outcome]]]:
    """Batches of records with their outcomes, in order; at most four batches a worker are under way."""
    batches = _batched(records)
    if workers == 0:
        here = RowEncoder(*encoder)
        yield from ((batch, here.outcomes(batch)) for batch in batches)
        return
    RowEncoder(*encoder)  # a prompt that does not fit is found here, not in the workers
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _start_worker, encoder) as pool:
        under_way: deque = deque()
        for batch in batches:
            under_way.append((batch, pool.submit(_encode_in_worker, batch)))
            if len(under_way) >= 4 * workers:
                first, future = under_way.popleft()
                yield first, future.result()
        for batch, future in under_way:
            yield batch, future.result()


def _start_worker(*encoder: object) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one core each: the processes are the parallelism
    global _worker_encoder
    _worker_encoder = RowEncoder(*encoder)


def _encode_in_worker(batch: list[_TableRow]) -> list[_Outcome]:
    return _worker_encoder.outcomes(batch)


def _batched(records: Iterable[_TableRow]) -> Iterator[list[_TableRow]]:
    iterator = iter(records)
    while batch := list(islice(iterator, ROWS_PER_TASK)):
        yield batch


def _records(paths: list[Path], columns: list[str]) -> Iterator[_TableRow]:
    for path in paths:
        for line, cells in read_rows(path, required=columns):
            yield _TableRow(str(path), line, {name: cells[name] for name in columns})


def _source(record: _TableRow, settings: DataSettings) -> str:
    return record.cells[settings.source_column] if settings.source_column else Path(record.path).name


def _worker_count(paths: list[Path], wanted: int | None) -> int:
    """Processes beside this one; 0 tokenises here."""
    if wanted is not None:
        return 0 if wanted <= 1 else wanted
    size = sum(path.stat().st_size for path in paths)
    useful = min(size // BYTES_PER_WORKER, len(os.sched_getaffinity(0)))
    return useful if useful > 1 else 0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
