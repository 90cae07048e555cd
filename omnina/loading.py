"""The loader of training batches: built ahead in other processes, in pinned memory, its delays counted."""

import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from signal import Signals

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from omnina.dataset import TokenizedData

PREFETCH = 4  # batches that each process builds ahead; a pass of a published size takes longer than one


class RowsAtHand(Dataset):
    """Rows of a dataset, in whichever process: which row each loading process reads can be seen from outside.

    Attributes:
        row_ids: (processes,) int64 in shared memory: the row that each reads, or read last; -1: none yet.
    """

    def __init__(self, data: TokenizedData, processes: int) -> None:
        self.data = data
        self.row_ids = torch.full((max(processes, 1),), -1).share_memory_()

    def __len__(self) -> int:
        return len(self.data)

    def __getitems__(self, row_ids: list[int]) -> list[dict]:
        """Rows of one batch; an empty batch is allowed."""
        worker = get_worker_info()
        return [self._row(row_id, worker.id if worker else 0) for row_id in row_ids]

    def _row(self, row_id: int, process: int) -> dict:
        self.row_ids[process] = row_id
        return self.data[row_id]


class TimedLoader(DataLoader):
    """A DataLoader that counts how long the loop over it waited, and knows which process of it died.

    Args:
        rows: the data; ``options`` are a DataLoader's.

    Attributes:
        waited: seconds, over all batches so far; building a batch counts where no other process does it.
    """

    waited = 0.0

    def __init__(self, rows: RowsAtHand, **options) -> None:
        super().__init__(rows, **options)
        self._processes: list[BaseProcess] = []

    def __iter__(self) -> Iterator:
        batches = super().__iter__()
        self._processes = getattr(batches, "_workers", [])
        while True:
            began = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            finally:
                self.waited += time.perf_counter() - began
            yield batch

    def death(self) -> str | None:
        """Which loading process died, of what, at which row; None while all live."""
        for number, process in enumerate(self._processes):
            if process.exitcode:
                return f"loading process {number} {_end(process)} {self._place(number)}"
        return None

    def _place(self, process: int) -> str:
        row_id = int(self.dataset.row_ids[process])
        if row_id < 0:
            return "before its first row"
        table, line = self.dataset.data.origin(row_id)
        return f"at {table}:{line} (row {row_id} of the token cache)"


def _end(process: BaseProcess) -> str:
    code = process.exitcode
    return f"was killed by {Signals(-code).name}" if code < 0 else f"ended with status {code}"
