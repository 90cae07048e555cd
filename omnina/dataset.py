"""Tables -> checked rows -> windows -> prompts -> token ids on disk, built once and cached by content.

The cache holds an Arrow file (``input_ids`` as uint16, 2 bytes a token) read through memory mapping, the
rows' lengths, and the counts. Its name is a hash of the tables, the tokenizer, the prompt and every
setting, so a change of any of them builds anew and nothing else does. Rows are tokenised by worker
processes that load the tokenizer alone; their results are written in the tables' order.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from datasets import Dataset

from omnina.chunking import filter_reason, parse_cell
from omnina.dataset_writer import CONTENTS_FILE, Counts, DatasetWriter
from omnina.errors import UserError
from omnina.rows import DataSettings, encode_records, read_records, source_of
from omnina.table import expand_paths

FORMAT_VERSION = 2
BYTES_PER_WORKER = 64_000_000  # a worker takes a second to start: smaller tables are not worth one


@dataclass
class TokenizedData:
    """A table set as token ids.

    Args:
        folder: its cache folder.
        data_hash: hash of the tables' content.
        counts: what became of the rows.
        sources: names that the column ``source`` indexes.
        documents_by_file: how many documents came from each table, in the order of the documents.
        answers: how often each answer was given to each question; None where they are free text.
    """

    folder: Path
    data_hash: str
    counts: Counts
    sources: list[str]
    documents_by_file: dict[str, int]
    answers: dict[str, dict[str, int] | None]

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

    @cached_property
    def source_ids(self) -> np.ndarray:
        """(documents,) place of each one's source in ``sources``."""
        return np.load(self.folder / "source_ids.npy")

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict:
        return self.rows[int(index)]

    def __getitems__(self, indices: list[int]) -> list[dict]:
        """Rows of one batch; an empty batch is allowed (a process that has nothing to do)."""
        return [self.rows[int(index)] for index in indices]


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
    names = [str(path) for path in paths]  # they name sources and bad rows
    ids = [_digest(tokenizer_json), bos_id, eos_id]
    key = _digest([FORMAT_VERSION, data_hash, names, ids, asdict(settings), asdict(settings.prompt)])
    folder = cache_dir / key[:20]
    encoder = (tokenizer_json, bos_id, eos_id, settings)
    cache_dir.mkdir(parents=True, exist_ok=True)
    with _locked(cache_dir / f"{folder.name}.lock"):
        if not folder.is_dir():
            _build(paths, encoder, folder, _worker_count(paths, workers))
    contents = json.loads((folder / CONTENTS_FILE).read_text(encoding="utf-8"))
    counts = Counts.from_json(contents.pop("counts"))
    return TokenizedData(folder, data_hash, counts, **contents)


def read_sources(inputs: str | list[str], settings: DataSettings) -> Iterator[tuple[str, str]]:
    """(source, bases) of every sequence that ``load_data`` uses, windows undone, U as T."""
    for record in read_records(expand_paths(inputs), settings.columns):
        try:
            nucleotides = parse_cell(record.cells["sequence"])
        except ValueError:
            if settings.bad_rows == "skip":
                continue  # counted and listed when the cache was built
            raise
        if settings.rules is None or filter_reason(nucleotides, settings.rules) is None:
            for _, bases in nucleotides.parts:
                yield source_of(record, settings), bases


def _build(paths: list[Path], encoder: tuple, folder: Path, workers: int) -> None:
    """Write a cache beside its place and move it there whole."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    settings: DataSettings = encoder[-1]
    try:
        with DatasetWriter(unfinished, settings) as writer:
            records = read_records(paths, settings.columns)
            for batch, outcomes in encode_records(records, encoder, workers):
                for record, outcome in zip(batch, outcomes, strict=True):
                    writer.add(record, outcome)
            writer.finish(paths)
    except ValueError as error:
        shutil.rmtree(unfinished)
        raise UserError(str(error)) from error
    unfinished.rename(folder)


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
