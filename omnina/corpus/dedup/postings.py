"""Which owners hold a key: sorted arrays instead of dictionaries, for 100 million keys in little memory.

Shapes: P postings (key, owner), Q keys asked for. 12 bytes a posting with uint64 keys, 8 with uint32;
twice that while it is built.
"""

from collections.abc import Iterable

import numpy as np


class Postings:
    """An immutable map from integer keys to the owners that hold them, owners in ascending order.

    Attributes:
        keys: (P,) ascending.
        owners: (P,) uint32; those of one key ascend.
    """

    def __init__(self, keys: np.ndarray, owners: np.ndarray):
        """Take both arrays as they are to stay; memory-mapped ones stay on disk."""
        self.keys, self.owners = keys, owners

    @classmethod
    def build(cls, keys_of_owners: Iterable[np.ndarray], dtype: type) -> "Postings":
        """From each owner's keys, owners counted from 0."""
        parts = list(keys_of_owners)
        sizes = [len(part) for part in parts]
        keys = np.concatenate(parts) if parts else np.empty(0, dtype=dtype)
        owners = np.repeat(np.arange(len(parts), dtype=np.uint32), sizes)
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], owners[order])

    @property
    def nbytes(self) -> int:
        """Bytes of both arrays."""
        return self.keys.nbytes + self.owners.nbytes

    def shared(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Who holds any of (Q,) different keys: (owners, how many of the keys each holds)."""
        starts = np.searchsorted(self.keys, keys, side="left")
        sizes = np.searchsorted(self.keys, keys, side="right") - starts
        total = int(sizes.sum())
        if not total:
            return np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64)
        # Positions starts[i], starts[i] + 1, ... for each key i, without a loop over the keys.
        ends = np.cumsum(sizes)
        positions = np.arange(total) + np.repeat(starts - (ends - sizes), sizes)
        return np.unique(self.owners[positions], return_counts=True)
