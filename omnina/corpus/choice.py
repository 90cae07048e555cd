"""Which of equal passages is kept: the first in canonical order, whoever read it and when.

Each task writes a key for every passage that could be a row (28 bytes: the digest of either strand, and the
place). One step sorts all keys by digest and place; the first of each digest stays, others are duplicates.
That holds about 28 bytes x 3 a passage in memory: 8.4 GB for 100 million. Clusters of near-duplicates, where
they are asked for, take 3 KB more for each passage that stays.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omnina.corpus.candidate import Candidate
from omnina.corpus.dedup.exact import strand_free_key
from omnina.corpus.dedup.neighbours import NeighbourIndex

DUPLICATE = "same bases as an earlier passage, or their reverse complement"
NEAR_DUPLICATE = "near-duplicate of an earlier passage"

PLACE = [("unit", "<u4"), ("number", "<u8")]
KEY = np.dtype([("high", "<u8"), ("low", "<u8"), *PLACE])
CLUSTER = np.dtype([*PLACE, ("high", "<u8"), ("low", "<u8")])


def keys_of(candidates: Iterable[Candidate]) -> np.ndarray:
    """(passages,) KEY of those candidates that could be rows."""
    return np.fromiter(((*_digest(one), one.unit, one.number) for one in candidates if one.kept), dtype=KEY)


def duplicates_of(keys: np.ndarray) -> np.ndarray:
    """(duplicates,) PLACE of all but the first of each digest, in canonical order."""
    order = np.lexsort((keys["number"], keys["unit"], keys["low"], keys["high"]))
    ordered = keys[order]
    again = np.zeros(len(keys), dtype=bool)
    again[1:] = (ordered["high"][1:] == ordered["high"][:-1]) & (ordered["low"][1:] == ordered["low"][:-1])
    return _places(np.sort(ordered[again], order=["unit", "number"]))


def clusters_of(candidates: Iterable[Candidate]) -> np.ndarray:
    """(passages,) CLUSTER: the smallest digest among the near-duplicates of each candidate, in their order.

    A passage that is too short to be told from chance is a cluster of its own.
    """
    places: list[tuple[int, int, str]] = []
    named = _noted(candidates, places)
    clusters = NeighbourIndex(named).clusters()
    names = ((unit, number, clusters.get(name, name)) for unit, number, name in places)
    return np.array(
        [(unit, number, int(name[:16], 16), int(name[16:], 16)) for unit, number, name in names], CLUSTER
    )


def near_duplicates_of(clusters: np.ndarray) -> np.ndarray:
    """(duplicates,) PLACE of all but the first of each cluster, in canonical order."""
    keys = np.empty(len(clusters), dtype=KEY)
    for name in CLUSTER.names:
        keys[name] = clusters[name]
    return duplicates_of(keys)


@dataclass(frozen=True)
class Choice:
    """What was chosen among all passages; arrays in canonical order.

    Attributes:
        duplicates, near_duplicates: (.,) PLACE of the passages that are left out.
        clusters: (.,) CLUSTER of those that stay; empty where clusters were not asked for.
    """

    duplicates: np.ndarray
    near_duplicates: np.ndarray
    clusters: np.ndarray

    def save(self, path: Path) -> None:
        """Write aside and rename."""
        aside = path.with_name(f".{path.name}")
        np.savez(aside, **vars(self))
        aside.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Choice":
        """What ``save`` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in arrays.files})

    def of_unit(self, unit: int) -> "ChoiceOfUnit":
        """By number of the passage, for one unit."""
        reasons = dict.fromkeys(_of_unit(self.duplicates, unit)["number"].tolist(), DUPLICATE)
        reasons |= dict.fromkeys(_of_unit(self.near_duplicates, unit)["number"].tolist(), NEAR_DUPLICATE)
        clusters = {
            number: f"{high:016x}{low:016x}"
            for _, number, high, low in _of_unit(self.clusters, unit).tolist()
        }
        return ChoiceOfUnit(reasons, clusters)


@dataclass(frozen=True)
class ChoiceOfUnit:
    """Why passages of a unit are left out, and the names of the others' clusters, by their numbers."""

    reasons: dict[int, str]
    clusters: dict[int, str]


def save_array(path: Path, array: np.ndarray) -> None:
    """Write a ``.npy`` aside and rename it: it is there whole or not at all."""
    aside = path.with_name(f".{path.name}")
    np.save(aside, array, allow_pickle=False)
    aside.replace(path)


def _digest(candidate: Candidate) -> tuple[int, int]:
    key = strand_free_key(candidate.item.sequence)
    return int.from_bytes(key[:8]), int.from_bytes(key[8:])


def _noted(candidates: Iterable[Candidate], places: list) -> Iterable[tuple[str, str]]:
    for one in candidates:
        name = strand_free_key(one.item.sequence).hex()
        places.append((one.unit, one.number, name))
        yield name, one.item.sequence


def _places(array: np.ndarray) -> np.ndarray:
    places = np.empty(len(array), dtype=PLACE)
    for name in places.dtype.names:
        places[name] = array[name]
    return places


def _of_unit(array: np.ndarray, unit: int) -> np.ndarray:
    start, stop = np.searchsorted(array["unit"], [unit, unit + 1])
    return array[start:stop]
