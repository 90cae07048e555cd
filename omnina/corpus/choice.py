"""Which of equal passages is kept: the first in canonical order, whoever read it and when.

Each task writes a key for every passage that could be a row (24 bytes on disk: the digest of either strand,
and the place), in runs sorted by digest. Where tables have names, the name is part of the digest, so that a
passage of one is no duplicate of another's. One step goes through the digests from the lowest to the highest
and reads that stretch of every run at a time; the first of each digest stays, others are duplicates. It holds
one stretch, PART_KEYS x 64 bytes, and 16 bytes a duplicate: 1.6 GB for 100 million of them. Clusters of
near-duplicates, where they are asked for, take more: see ``clustering``.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from omnina.corpus.candidate import Candidate
from omnina.corpus.dedup.exact import KEY_BYTES, strand_free_key
from omnina.corpus.durable import write_arrays

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
    keys = ((*_digest(one, table(one.unit)), place_of(one.unit, one.number)) for one in kept)
    while len(run := np.fromiter(islice(keys, RUN_KEYS), dtype=KEY)):
        yield _ascending(run)


def duplicates_of(runs: Sequence[np.ndarray]) -> np.ndarray:
    """(duplicates,) uint64 places of all but the first of each digest, ascending; from ascending runs."""
    parts = max(1, sum(map(len, runs)) // PART_KEYS)
    borders = [part * 2**64 // parts for part in range(1, parts)]
    cuts = [[0, *(bisect_left(run["high"], border) for border in borders), len(run)] for run in runs]
    found = [np.empty(0, dtype=np.uint64)]
    for part in range(parts):
        stretches = [run[cut[part] : cut[part + 1]] for run, cut in zip(runs, cuts, strict=True)]
        found.append(_duplicates(_ascending(np.concatenate([np.empty(0, KEY), *stretches]))))
    duplicates = np.concatenate(found)
    duplicates.sort()
    return duplicates


@dataclass(frozen=True)
class Choice:
    """What was chosen among all passages; arrays in canonical order.

    Attributes:
        duplicates, near_duplicates: (.,) uint64 places of the passages that are left out.
        groups: (.,) KEY of those that are no duplicates, by place: the digest is the name of what they stay
            together with; empty where clusters were not asked for.
    """

    duplicates: np.ndarray
    near_duplicates: np.ndarray
    groups: np.ndarray

    def save(self, folder: Path) -> None:
        """Write a folder that is there whole or not at all."""
        write_arrays(folder, vars(self))

    @classmethod
    def load(cls, folder: Path) -> "Choice":
        """What ``save`` wrote, left on disk until it is looked at."""
        return cls(*(mapped(folder / f"{name}.npy") for name in ("duplicates", "near_duplicates", "groups")))

    def of_unit(self, unit: int) -> "ChoiceOfUnit":
        """For the passages of one unit."""
        first = place_of(unit, 0)
        places = (self.duplicates, self.near_duplicates, self.groups["place"])
        return ChoiceOfUnit(first, *(Walk(array, first) for array in places), self.groups)


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


@dataclass
class ChoiceOfUnit:
    """Why passages of a unit are left out, and the names of the others' groups; asked for in order."""

    first: int
    duplicates: Walk
    near_duplicates: Walk
    groups: Walk
    names: np.ndarray

    def reason(self, number: int) -> str | None:
        """Why a passage is left out; None if it stays."""
        if self.duplicates.index(self.first + number) is not None:
            return DUPLICATE
        return None if self.near_duplicates.index(self.first + number) is None else NEAR_DUPLICATE

    def group(self, number: int) -> str:
        """The group's name; empty where there are none."""
        index = self.groups.index(self.first + number)
        return "" if index is None else f"{self.names['high'][index]:016x}{self.names['low'][index]:016x}"


def _digest(candidate: Candidate, table: str) -> tuple[int, int]:
    key = strand_free_key(candidate.item.sequence)
    if table:
        key = hashlib.blake2b(key + table.encode(), digest_size=KEY_BYTES).digest()
    return int.from_bytes(key[:8]), int.from_bytes(key[8:])


def _ascending(keys: np.ndarray) -> np.ndarray:
    return keys[np.lexsort((keys["place"], keys["low"], keys["high"]))]


def _duplicates(keys: np.ndarray) -> np.ndarray:
    """Places of all but the first of each digest among ascending keys."""
    again = np.zeros(len(keys), dtype=bool)
    again[1:] = (keys["high"][1:] == keys["high"][:-1]) & (keys["low"][1:] == keys["low"][:-1])
    return keys["place"][again]
