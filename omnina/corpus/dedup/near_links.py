"""Near-duplicates as a whole among the passages of all tasks: candidates from bands, verified by signatures.

A band's keys of all tasks are gone through from the lowest to the highest, a stretch of PART_KEYS at a time.
Passages of one key are candidates, each with the one before it only, so that a family of a thousand copies
takes a thousand comparisons a band and not half a million. A candidate counts if the whole signatures agree.
Near of near is in one cluster, so what is joined already need not be compared again. For a short sequence
inside a long one see ``containment``.

Shapes: n links, left and right, each of two passages by their numbers.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from omnina.corpus.dedup.clusters import UnionFind
from omnina.corpus.dedup.numbering import Numbering
from omnina.corpus.dedup.signature_files import SIGNATURES, band_runs, read_scattered
from omnina.corpus.dedup.sketch import SketchSettings, identity_of_jaccard, jaccard

PART_KEYS = 1 << 20  # about; keys are spread evenly
COMPARED = 1 << 14  # links, x 2 x 1,280 bytes, compared at a time

Links = tuple[np.ndarray, np.ndarray]


class SignedPassages:
    """What ``SignatureWriter`` wrote for each task, in its order.

    Args:
        folders: of the tasks.
        numbering: of their passages.
    """

    def __init__(self, folders: Sequence[Path], numbering: Numbering, settings: SketchSettings) -> None:
        self.folders, self.numbering, self.settings = folders, numbering, settings

    def join_near(self, bands: Iterable[int], clusters: UnionFind) -> None:
        """Join what is near by these bands."""
        for band in bands:
            for left, right in self._candidates(band):
                apart = clusters.roots(left) != clusters.roots(right)
                clusters.join(*self._near(left[apart], right[apart]))

    def _candidates(self, band: int) -> Iterator[Links]:
        runs = [(task, run) for task, one in enumerate(self.folders) for run in band_runs(one, self.settings)]
        parts = max(1, sum(run.rows for _, run in runs) // PART_KEYS)
        borders = [part * 2**64 // parts for part in range(1, parts)]
        cuts = [run.cuts(band, borders) for _, run in runs]
        for part in range(parts):
            pieces = [
                run.read(band, cut[part], cut[part + 1]) for (_, run), cut in zip(runs, cuts, strict=True)
            ]
            yield self._successive(pieces, [task for task, _ in runs])

    def _successive(self, pieces: list[np.ndarray], tasks: list[int]) -> Links:
        """Links of the passages of each key to the one before, from the pieces of a stretch."""
        if not sum(map(len, pieces)):
            return np.empty(0, np.uint32), np.empty(0, np.uint32)
        stretch = np.concatenate(pieces)
        of_tasks = np.repeat(tasks, [len(piece) for piece in pieces])
        shared = _shared(stretch["key"])
        keys, numbers = (
            stretch["key"][shared],
            self.numbering.numbers(of_tasks[shared], stretch["row"][shared]),
        )
        order = np.lexsort((numbers, keys))
        keys, numbers = keys[order], numbers[order]
        same = keys[1:] == keys[:-1]
        return numbers[:-1][same], numbers[1:][same]

    def _near(self, left: np.ndarray, right: np.ndarray) -> Links:
        """Those of the links whose identity by the signatures is high enough."""
        near = np.zeros(len(left), dtype=bool)
        for start in range(0, len(left), COMPARED):
            span = slice(start, start + COMPARED)
            share = jaccard(self._signatures(left[span]), self._signatures(right[span]))
            near[span] = identity_of_jaccard(share, self.settings.k) >= self.settings.min_identity
        return left[near], right[near]

    def _signatures(self, numbers: np.ndarray) -> np.ndarray:
        """(n,) numbers -> (n, values) uint32."""
        tasks, rows = self.numbering.held(numbers)
        found = np.empty((len(numbers), self.settings.values), dtype="<u4")
        for task in np.unique(tasks):
            places = np.flatnonzero(tasks == task)
            read = read_scattered(self.folders[task] / SIGNATURES, rows[places], self.settings)
            found[places] = np.frombuffer(b"".join(read), "<u4").reshape(len(places), -1)
        return found


def _shared(keys: np.ndarray) -> np.ndarray:
    """Where the keys stand that occur more than once."""
    order = np.argsort(keys)
    ordered = keys[order]
    same = ordered[1:] == ordered[:-1]
    return order[np.concatenate((same, [False])) | np.concatenate(([False], same))]
