"""Worker processes that read units of a table, each within its own limit of memory."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

import pyarrow

from omnina.errors import UserError
from omnina.memory_limit import limit_memory_growth
from omnina.vocabulary.units import Unit

Result = TypeVar("Result")
REMEDY = "Raise --max_memory_gb, or lower --workers; one record is held whole, several times over."


def in_processes(
    read: Callable[..., Result], units: Sequence[Unit], arguments: tuple, workers: int, worker_bytes: int
) -> Iterator[tuple[Unit, Result]]:
    """(unit, ``read(unit, *arguments)``) of every unit, in order; at most one a worker is under way.

    Raises UserError if a unit needs more memory than ``worker_bytes``.
    """
    spawn = get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _start_worker, (worker_bytes,)) as pool:
        under_way: deque = deque()
        for unit in units:
            under_way.append((unit, pool.submit(_read, read, unit, arguments)))
            if len(under_way) >= workers:
                yield _finished(*under_way.popleft())
        while under_way:
            yield _finished(*under_way.popleft())


def _finished(unit: Unit, future: object) -> tuple[Unit, object]:
    try:
        return unit, future.result()
    except BrokenProcessPool as error:
        raise UserError(
            f"{unit.file.path}: a reading process was killed, as if out of memory. {REMEDY}"
        ) from error


def _start_worker(worker_bytes: int) -> None:
    pyarrow.set_memory_pool(pyarrow.system_memory_pool())  # the default one reserves 1 GB that it never uses
    limit_memory_growth(worker_bytes)


def _read(read: Callable[..., Result], unit: Unit, arguments: tuple) -> Result:
    try:
        return read(unit, *arguments)
    except MemoryError:
        place = "" if unit.row_group is None else f", row group {unit.row_group}"
        raise UserError(f"{unit.file.path}{place}: no memory left to read it. {REMEDY}") from None
