"""The loader of training batches: built ahead in other processes, in pinned memory, its delays counted."""

import time
from collections.abc import Iterator

from torch.utils.data import DataLoader

PREFETCH = 4  # batches that each process builds ahead; a pass of a published size takes longer than one


class TimedLoader(DataLoader):
    """A DataLoader that counts how long the loop over it waited.

    Attributes:
        waited: seconds, over all batches so far; building a batch counts where no other process does it.
    """

    waited = 0.0

    def __iter__(self) -> Iterator:
        batches = super().__iter__()
        while True:
            began = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            finally:
                self.waited += time.perf_counter() - began
            yield batch
