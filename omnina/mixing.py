"""Several training tables in one run: how often the rows of each come up in an epoch.

A table of n rows and weight w gets a share of w x n^(1/T) of an epoch's rows (T is the temperature; 1: by
size, higher: small tables come up more often). No row is dropped: the epoch is as long as it takes to have
every row at least once, so mixing only repeats rows.
"""

from collections.abc import Sequence

import numpy as np


def check_mixing(tables: int, weights: Sequence[float], temperature: float) -> None:
    """ValueError for a number of weights that does not fit, or a weight or temperature out of range."""
    if len(weights) != tables:
        raise ValueError(f"{len(weights)} train_weights for {tables} tables; give one for each")
    if min(weights) <= 0 or temperature < 1:
        raise ValueError("train_weights must be above 0, and mixing_temperature at least 1")


def row_copies(
    rows_by_table: Sequence[int], weights: Sequence[float], temperature: float, seed: int
) -> np.ndarray | None:
    """Row ids of an epoch, (copies,), a row as often as it comes up; None if that is once for all.

    int32, 4 bytes a copy, up to 2**31 rows; int64 beyond.

    Args:
        rows_by_table: number of rows of each table, in the order of the row ids.
        weights: one for each table.
        temperature: at least 1.
        seed: chooses the rows that are repeated once more than others of their table.

    Raises ValueError as ``check_mixing`` does.
    """
    repeats = table_repeats(rows_by_table, weights, temperature)
    if np.allclose(repeats, 1):
        return None
    generator = np.random.default_rng(seed)
    starts = np.cumsum([0, *rows_by_table[:-1]])
    kind = np.int32 if sum(rows_by_table) <= np.iinfo(np.int32).max else np.int64
    tables = [
        _repeated(rows, often, generator, kind) + kind(start)
        for start, rows, often in zip(starts, rows_by_table, repeats, strict=True)
    ]
    return np.concatenate(tables)


def table_repeats(rows_by_table: Sequence[int], weights: Sequence[float], temperature: float) -> np.ndarray:
    """(tables,) how often a row of each comes up in an epoch, at least once; raises as ``check_mixing``."""
    check_mixing(len(rows_by_table), weights, temperature)
    sizes = np.maximum(rows_by_table, 1).astype(np.float64)
    repeats = np.array(weights) * sizes ** (1 / temperature - 1)
    return repeats / repeats.min()


def drawn_times(rows: int, often: float, generator: np.random.Generator) -> np.ndarray:
    """(rows,) int32 how often each comes up: floor(often) times, and a random part of them once more."""
    whole = int(often)
    times = np.full(rows, whole, dtype=np.int32)
    times[generator.permutation(rows)[: round((often - whole) * rows)]] += 1
    return times


def _repeated(rows: int, often: float, generator: np.random.Generator, kind: type) -> np.ndarray:
    return np.repeat(np.arange(rows, dtype=kind), drawn_times(rows, often, generator))
