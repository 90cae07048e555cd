"""Tables -> checked rows -> windows -> prompts -> token ids on disk, built once and cached by content.

The cache holds shards of token ids (``omnina/shards/writer.py``), and for each table set the documents'
lengths, bases and sources, memory-mapped, and the counts. Names are hashes of the tables, the tokenizer, the
prompt and every setting, so a change of any of them builds anew what it touches and nothing else does.

    cache_dir/shards/NAME/     rows.arrow, record.json, rejected_rows.csv      one shard, see shard_plan.py
    cache_dir/NAME/            contents.json, lengths.npy, bases.npy, source_ids.npy, rejected_rows.csv
    cache_dir/digests.json     the tables' sha256, see table_digests.py
    cache_dir/NAME.use         locked by the runs that use NAME, see cache_cleaning.py
"""

import json
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np
from tokenizers import Tokenizer

from omnina.chunking import filter_reason, parse_cell
from omnina.cores import usable_cores
from omnina.errors import UserError
from omnina.files.lock import hold_shared, locked, shared
from omnina.shards import plan as shard_plan
from omnina.shards.building import ShardBuilder, build_shards, row_encoder, runner
from omnina.shards.merging import CONTENTS_FILE, merge_shards
from omnina.shards.token_shards import OpenFile, TokenShards, open_in_place
from omnina.shards.writer import ROWS_FILE
from omnina.tables.digests import Table, content_digest, content_name, digested_tables, remembered_tables
from omnina.tables.part import TablePart
from omnina.tables.row_counts import Counts
from omnina.tables.rows import DataSettings, read_records, source_of
from omnina.tables.table import expand_paths

FORMAT_VERSION = 4
SHARD_FOLDER = "shards"
CACHE_LOCK = "cache.lock"  # shared by those who load, see cache_cleaning.py
USE_SUFFIX = ".use"
HIGHEST_ID = 2**16 - 1
_in_use: dict[Path, IO[str]] = {}  # locks on table sets, until this process ends


@dataclass
class TokenizedData:
    """A table set as token ids.

    Args:
        folder: its cache folder.
        data_hash: hash of the tables' content.
        counts: what became of the rows.
        sources: names that the column ``source`` indexes.
        documents_by_file: how many documents came from each table, in the order of the documents.
        documents_by_shard: and from each shard.
        answers: how often each answer was given to each question; None where they are free text.
        open_file: opens a shard, or a copy of it.
    """

    folder: Path
    data_hash: str
    counts: Counts
    sources: list[str]
    documents_by_file: dict[str, int]
    documents_by_shard: dict[str, int]
    answers: dict[str, dict[str, int] | None]
    open_file: OpenFile = open_in_place

    @cached_property
    def shards(self) -> TokenShards:
        """The memory-mapped documents."""
        folder = self.folder.parent / SHARD_FOLDER
        files = [folder / name / ROWS_FILE for name in self.documents_by_shard]
        return TokenShards(files, list(self.documents_by_shard.values()), self.open_file)

    @cached_property
    def lengths(self) -> np.ndarray:
        """(documents,) int32 tokens of each, memory-mapped."""
        return self._column("lengths")

    @cached_property
    def bases(self) -> np.ndarray:
        """(documents,) int32 bases of each, memory-mapped."""
        return self._column("bases")

    @cached_property
    def source_ids(self) -> np.ndarray:
        """(documents,) int32 place of each one's source in ``sources``, memory-mapped."""
        return self._column("source_ids")

    def _column(self, name: str) -> np.ndarray:
        return np.asarray(np.load(self.folder / f"{name}.npy", mmap_mode="r"))

    def origin(self, index: int) -> tuple[str, int]:
        """(table, line of it) that a document is from; rows of Parquet count from 1."""
        ends = np.cumsum(list(self.documents_by_file.values()))
        table = list(self.documents_by_file)[int(np.searchsorted(ends, index, side="right"))]
        return table, self.shards[index]["line"]

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> dict:
        return self.shards[int(index)] | {"source": int(self.source_ids[index])}

    def __getitems__(self, indices: list[int]) -> list[dict]:
        """Rows of one batch; an empty batch is allowed (a process that has nothing to do)."""
        return [self[index] for index in indices]


def load_data(
    inputs: str | list[str],
    tokenizer_json: str,
    bos_id: int,
    eos_id: int,
    settings: DataSettings,
    *,
    cache_dir: Path,
    workers: int | None = None,
    open_file: OpenFile = open_in_place,
) -> TokenizedData:
    """The rows of tables as token ids, from the cache or built now.

    On each machine one process builds while others that ask for the same wait at a file lock; machines that
    share the folder share the work.

    Args:
        inputs: a path, several, or globs; ``.csv``, ``.tsv``, ``.csv.gz``, ``.tsv.gz``, ``.parquet``.
        tokenizer_json: what ``tokenizer.json`` holds.
        bos_id, eos_id: ids around every document.
        settings: what decides the ids.
        cache_dir: where caches lie.
        workers: tokenising processes; None: one per shard (64 MB of tables), at most one per core.
        open_file: how rows are read: ``LocalCopies.open`` where ``cache_dir`` is far away.

    Raises:
        UserError: for an unreadable table, a bad row under ``bad_rows: stop``, a prompt that does not fit,
            or tables of which no row is left.
    """
    paths = expand_paths(inputs)
    encoder = (tokenizer_json, bos_id, eos_id, settings)
    cache_dir.mkdir(parents=True, exist_ok=True)
    with shared(cache_dir / CACHE_LOCK):
        tables = digested_tables(paths, cache_dir)
        folder = cache_dir / _folder_name(tables, encoder)
        if not folder.is_dir():
            _build(tables, encoder, folder, workers)
        _note_use(folder)
    return _opened(folder, tables, open_file)


def cached_data(
    inputs: str | list[str],
    tokenizer_json: str,
    bos_id: int,
    eos_id: int,
    settings: DataSettings,
    *,
    cache_dir: Path,
) -> TokenizedData | None:
    """What ``load_data`` finds in the cache; None where it would read the tables. Nothing is written."""
    tables = remembered_tables(expand_paths(inputs), cache_dir)
    if tables is None:
        return None
    folder = cache_dir / _folder_name(tables, (tokenizer_json, bos_id, eos_id, settings))
    return _opened(folder, tables, open_in_place) if folder.is_dir() else None


def _opened(folder: Path, tables: list[Table], open_file: OpenFile) -> TokenizedData:
    contents = json.loads((folder / CONTENTS_FILE).read_text(encoding="utf-8"))
    counts = Counts.from_json(contents.pop("counts"))
    return TokenizedData(folder, _data_hash(tables), counts, **contents, open_file=open_file)


def _data_hash(tables: list[Table]) -> str:
    return content_digest([table.sha256 for table in tables])


def _folder_name(tables: list[Table], encoder: tuple) -> str:
    names = [str(table.path) for table in tables]  # they name sources and bad rows
    version, *ids = _decisive(encoder)
    return content_name([version, _data_hash(tables), names, *ids])


def _decisive(encoder: tuple) -> list:
    """JSON values of all that decides the ids beside the tables."""
    tokenizer_json, bos_id, eos_id, settings = encoder
    values = asdict(settings)
    if not settings.draws:  # one cache for all seeds
        del values["seed"]
    # Caches older than these settings keep their names.
    if not settings.soft_masked:
        del values["soft_masked"]
    if settings.reverse_complement is None:
        del values["reverse_complement"]
    if settings.base_probability is None:
        del values["base_probability"]
    if not settings.drawn_windows:
        del values["drawn_windows"]
    if settings.random_windows == 1:
        del values["random_windows"], values["shortest_window"]
    ids = [content_digest(tokenizer_json), bos_id, eos_id, values, asdict(settings.prompt)]
    return [FORMAT_VERSION, *ids]


def _note_use(folder: Path) -> None:
    """Keep a table set from being removed while this process lives, and note that it was used now."""
    path = folder.with_name(folder.name + USE_SUFFIX)
    if path not in _in_use:
        _in_use[path] = hold_shared(path)
    path.touch()


def sources_of(path: Path, part: TablePart, settings: DataSettings) -> Iterator[tuple[str, str]]:
    """(source, bases) of every sequence of a table's part that ``load_data`` uses, windows undone, U as T."""
    for record in read_records(path, settings.columns, part):
        try:
            nucleotides = parse_cell(record.cells["sequence"])
        except ValueError:
            if settings.bad_rows == "skip":
                continue  # counted and listed when the cache was built
            raise
        if settings.rules is None or filter_reason(nucleotides, settings.rules) is None:
            for _, bases in nucleotides.parts:
                yield source_of(record, settings), bases


def _build(tables: list[Table], encoder: tuple, folder: Path, workers: int | None) -> None:
    """Write the shards that are missing, and what is known of them together."""
    _check_ids(encoder[0])
    try:
        row_encoder(*encoder)  # a prompt that does not fit is found here, not in the workers
    except ValueError as error:
        raise UserError(str(error)) from error
    settings: DataSettings = encoder[-1]
    shard_folder = folder.parent / SHARD_FOLDER
    shard_folder.mkdir(exist_ok=True)
    builder = ShardBuilder(shard_folder, encoder)
    with locked(folder.parent / f"{folder.name}.{platform.node()}.lock"):
        if folder.is_dir():
            return
        with runner(_worker_count(tables, workers)) as run:
            shards = shard_plan.plan_shards(tables, _decisive(encoder), run, shard_plan.SHARD_BYTES)
            build_shards(builder, shards, run)
    with locked(folder.parent / f"{folder.name}.lock"):
        if not folder.is_dir():
            files = [str(table.path) for table in tables]
            merge_shards(shard_folder, [shard.name for shard in shards], files, settings, folder)


def _check_ids(tokenizer_json: str) -> None:
    highest = max(Tokenizer.from_str(tokenizer_json).get_vocab().values(), default=0)
    if highest > HIGHEST_ID:
        raise UserError(
            f"the tokenizer's ids go up to {highest:,}, but tables are kept as ids of two bytes, up to "
            f"{HIGHEST_ID:,}; use a tokenizer of fewer pieces (scripts/train_tokenizer.py)."
        )


def _worker_count(tables: list[Table], wanted: int | None) -> int:
    """Processes beside this one; 0 tokenises here."""
    if wanted is not None:
        return wanted
    size = sum(table.path.stat().st_size for table in tables)
    return min(size // shard_plan.SHARD_BYTES, usable_cores())
