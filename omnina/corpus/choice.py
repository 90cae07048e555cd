"""Which of equal passages is kept: the first in canonical order, whoever read it and when.

Each task writes a key for every passage that could be a row (24 bytes on disk: the digest of either strand,
and the place), in runs sorted by digest. Of several tables the name is part of the digest, so that a passage
of one is no duplicate of another's. One step goes through the digests from the lowest to the highest and
reads that stretch of every run at a time; the first of each digest stays, others are duplicates. It holds one
stretch, PART_KEYS x 64 bytes, and 16 bytes a duplicate: 1.6 GB for 100 million of them. Near-duplicates are
found later, among those that stay: see ``clustering``.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from omnina.corpus.candidate import Candidate
from omnina.corpus.dedup.exact import KEY_BYTES, strand_free_key

DUPLICATE = "same bases as an earlier passage, or their reverse complement"
NEAR_DUPLICATE = "near-duplicate of an earlier passage"

RUN_KEYS = 1 << 20  # x 56 bytes while a run is sorted
PART_KEYS = 4 << 20  # about; digests are spread evenly
KEY = np.dtype([("high", "<u8"), ("low", "<u8"), ("place", "<u8")])
_UNIT_PLACES = 1 << 40  # passages of a unit at most


def place_of(unit: int, number: int) -> int:
    """A passage's place as one number that orders as (unit, number) does."""
    return unit * _UNIT_PLACES + number


def key_runs(candidates: Iterable[Candidate], table: Callable[[int], str]) -> Iterator[np.ndarray]:
    """(RUN_KEYS or fewer,) KEY, ascending, of those candidates that could be rows.

    ``table`` gives the name of a unit's table, which may be empty.
    """
    kept = (one for one in candidates if one.kept)
    return sorted_runs((_digest(one, table(one.unit)), place_of(one.unit, one.number)) for one in kept)


def sorted_runs(keys: Iterable[tuple[bytes, int]]) -> Iterator[np.ndarray]:
    """(RUN_KEYS or fewer,) KEY, ascending, from 16-byte digests and places."""
    numbers = ((int.from_bytes(key[:8]), int.from_bytes(key[8:]), place) for key, place in keys)
    while len(run := np.fromiter(islice(numbers, RUN_KEYS), dtype=KEY)):
        yield _ascending(run)


def stretches(runs: Sequence[np.ndarray], *, falling: bool = False) -> Iterator[np.ndarray]:
    """All keys of ascending runs as (about PART_KEYS,) KEY, ascending; those of one digest are together.

    The stretches follow each other from the lowest digests to the highest, or the other way if ``falling``.
    """
    parts = max(1, sum(map(len, runs)) // PART_KEYS)
    borders = [part * 2**64 // parts for part in range(1, parts)]
    cuts = [[0, *(bisect_left(run["high"], border) for border in borders), len(run)] for run in runs]
    for part in reversed(range(parts)) if falling else range(parts):
        pieces = [run[cut[part] : cut[part + 1]] for run, cut in zip(runs, cuts, strict=True)]
        yield _ascending(np.concatenate([np.empty(0, KEY), *pieces]))


def repeated(keys: np.ndarray) -> np.ndarray:
    """(n,) ascending KEY -> (n,) bool: which have the digest of the one before."""
    again = np.zeros(len(keys), dtype=bool)
    again[1:] = (keys["high"][1:] == keys["high"][:-1]) & (keys["low"][1:] == keys["low"][:-1])
    return again


def duplicates_of(runs: Sequence[np.ndarray]) -> np.ndarray:
    """(duplicates,) uint64 places of all but the first of each digest, ascending; from ascending runs."""
    found = [stretch["place"][repeated(stretch)] for stretch in stretches(runs)]
    duplicates = np.concatenate(found)
    duplicates.sort()
    return duplicates


def mapped(path: Path) -> np.ndarray:
    """The array of an ``.npy`` file, left on disk; an empty one, which cannot be mapped, is read."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return array if len(array) else np.load(path, allow_pickle=False)


class Walk:
    """A place in ascending numbers that are asked for in ascending order."""

    def __init__(self, numbers: np.ndarray, first: int = 0) -> None:
        self._numbers, self._at = numbers, bisect_left(numbers, first)

    def index(self, number: int) -> int | None:
        """Where the number stands; None if it is not among them."""
        while self._at < len(self._numbers) and self._numbers[self._at] < number:
            self._at += 1
        found = self._at < len(self._numbers) and self._numbers[self._at] == number
        return self._at if found else None


def _digest(candidate: Candidate, table: str) -> bytes:
    key = strand_free_key(candidate.item.sequence)
    return hashlib.blake2b(key + table.encode(), digest_size=KEY_BYTES).digest() if table else key


def _ascending(keys: np.ndarray) -> np.ndarray:
    return keys[np.lexsort((keys["place"], keys["low"], keys["high"]))]
