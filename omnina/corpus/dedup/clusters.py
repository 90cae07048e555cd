"""Clusters from links between numbered passages, in 4 bytes a passage that stand on disk."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

BLOCK = 1 << 20  # passages looked at together


class UnionFind:
    """Sets of numbers that grow together; the root of a set is its smallest number.

    The order in which links come changes nothing, so that tasks may join the same links in any order. Each
    number has a parent in its set that is smaller, but the root; parents are a file that has no name and is
    mapped, so that the system may take the memory back, and that a killed process leaves nothing behind.

    Args:
        size: numbers 0 to size - 1, each a set of its own at first.
        folder: on the disk that the parents are to stand on.
    """

    def __init__(self, size: int, folder: Path) -> None:
        self.size = size
        with TemporaryFile(dir=folder) as file:
            # One more than needed: nothing at all cannot be mapped.
            self._parents = np.memmap(file, np.uint32, "w+", shape=(size + 1,)).view(np.ndarray)
        for start in range(0, size, BLOCK):
            self._parents[start : start + BLOCK] = np.arange(start, min(start + BLOCK, size + 1))

    def roots(self, numbers: np.ndarray) -> np.ndarray:
        """(n,) numbers -> (n,) uint32 smallest number of the set of each."""
        parents = self._parents[numbers]
        while True:
            above = self._parents[parents]
            if np.array_equal(above, parents):
                self._parents[numbers] = parents
                return parents
            # What is asked for climbs two steps at a time where its parents are asked for as well.
            self._parents[numbers] = above
            parents = self._parents[above]

    def join(self, left: np.ndarray, right: np.ndarray) -> None:
        """Make one set of the sets of left[i] and right[i], (n,) each, for all i."""
        while len(left):
            left, right = np.split(self.roots(np.concatenate((left, right))), 2)
            apart = left != right
            low, high = np.minimum(left, right)[apart], np.maximum(left, right)[apart]
            # Of several links of a root the last in this order is kept, the lowest one: a star is joined in
            # two rounds. The others come again.
            order = np.argsort(low)[::-1]
            left, right = low[order], high[order]
            self._parents[right] = left

    def links(self) -> Iterator[np.ndarray]:
        """(n, 2) uint32 blocks of all numbers that are no root, ascending, and the root of each."""
        for start in range(0, self.size, BLOCK):
            numbers = np.arange(start, min(start + BLOCK, self.size), dtype=np.uint32)
            roots = self.roots(numbers)
            below = roots != numbers
            yield np.stack((numbers[below], roots[below]), axis=1)
