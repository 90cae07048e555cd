"""Tokenises the shards that are not there yet, each by one process, whole or not at all.

A shard is written beside its place and renamed. Whoever works on it holds its lock, so that several machines
on one folder share the work, and what a killed process left is begun anew by the next.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from omnina.files.lock import locked, locked_if_free
from omnina.progress import progress_bar
from omnina.shards.plan import Piece, Run, Shard
from omnina.shards.writer import ShardWriter
from omnina.tables.rows import RowEncoder, TableRow, batched_records, read_records


class ShardBuilder:
    """Writes shards under ``folder``.

    Args:
        folder: where each shard gets a folder of its name.
        encoder: arguments of ``RowEncoder``.
    """

    def __init__(self, folder: Path, encoder: tuple) -> None:
        self.folder, self._encoder = folder, encoder

    def missing(self, shards: Iterable[Shard]) -> list[Shard]:
        """Those that are not there."""
        return [shard for shard in shards if not (self.folder / shard.name).is_dir()]

    def build(self, shard: Shard) -> None:
        """Write a shard, unless another process is at it."""
        lock = self._lock(shard)
        with locked_if_free(lock) as mine:
            if mine:
                self._build_missing(shard, lock)

    def wait(self, shard: Shard) -> None:
        """Come back when the shard is there: written by the process that was at it, or else here."""
        lock = self._lock(shard)
        with locked(lock):
            self._build_missing(shard, lock)

    def _lock(self, shard: Shard) -> Path:
        return self.folder / f"{shard.name}.lock"

    def _build_missing(self, shard: Shard, lock: Path) -> None:
        if not (self.folder / shard.name).is_dir():
            self._write(shard)
        lock.unlink(missing_ok=True)  # whoever holds it from now on finds the shard there

    def _write(self, shard: Shard) -> None:
        unfinished = self.folder / f"{shard.name}.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        encoder = row_encoder(*self._encoder)
        try:
            with ShardWriter(unfinished, encoder.settings) as writer:
                for batch in batched_records(_records(shard.pieces, encoder.settings.columns)):
                    for record, outcome in zip(batch, encoder.outcomes(batch), strict=True):
                        writer.add(record, outcome)
                writer.finish()
        except ValueError:
            shutil.rmtree(unfinished)
            raise
        unfinished.rename(self.folder / shard.name)


def build_shards(builder: ShardBuilder, shards: Sequence[Shard], run: Run) -> None:
    """Write all shards that are missing, together with other machines that do the same.

    Of several bad rows under ``bad_rows: stop``, the first one's UserError is raised.
    """
    missing = builder.missing(shards)
    with progress_bar("tokenising", "shards", len(shards), done=len(shards) - len(missing)) as bar:
        for _ in run(builder.build, missing):
            bar.update()
    for _ in run(builder.wait, builder.missing(missing)):
        pass


@contextmanager
def runner(workers: int) -> Iterator[Run]:
    """A ``map`` whose results come in order: in worker processes, or here if there would be one."""
    if workers <= 1:
        yield map
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _start_worker) as pool:
        try:
            yield pool.map
        finally:
            pool.shutdown(cancel_futures=True)


@lru_cache(maxsize=1)
def row_encoder(*arguments: object) -> RowEncoder:
    """A process makes it once."""
    return RowEncoder(*arguments)


def _start_worker() -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one core each: the processes are the parallelism


def _records(pieces: Iterable[Piece], columns: list[str]) -> Iterator[TableRow]:
    for piece in pieces:
        if piece.part.start == 0:
            piece.table.check()
        yield from read_records(piece.table.path, columns, piece.part)
