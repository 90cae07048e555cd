"""Passages numbered in canonical order, and where the files of several tasks hold each.

Task t of T holds the passages of the units t, t + T, ... one after another, a row for each. A number runs
over units in their order, so it is the same for any number of tasks, and a smaller one is an earlier passage.

Shapes: U units, P passages.
"""

from collections.abc import Iterator

import numpy as np

from omnina.errors import UserError

MOST = 2**32  # a number is a uint32
_TASK = np.uint64(40)  # bits of a row


class Numbering:
    """Between a passage's number and its task and row.

    Args:
        counts: (U,) passages of each unit.
        tasks: T.

    Raises UserError for more passages than can be numbered.
    """

    def __init__(self, counts: np.ndarray, tasks: int) -> None:
        self.tasks, self.passages = tasks, int(counts.sum())
        if self.passages > MOST:
            raise UserError(
                f"near-duplicates are found among {MOST:,} passages at most, and here are "
                f"{self.passages:,}; build several corpora."
            )
        self._counts = counts
        self._starts = np.cumsum(counts) - counts
        self._rows = np.zeros_like(counts)
        for task in range(tasks):
            of_task = counts[task::tasks]
            self._rows[task::tasks] = np.cumsum(of_task) - of_task
        units = [np.arange(task, len(counts), tasks) for task in range(tasks)]
        self._by_task = np.concatenate(units)
        self._first_rows = _joined(self._by_task % tasks, self._rows[self._by_task])

    def numbers(self, tasks: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """(n,) tasks and rows -> (n,) uint32 numbers."""
        found = np.searchsorted(self._first_rows, _joined(tasks, rows), side="right") - 1
        units = self._by_task[found]
        return (self._starts[units] + rows - self._rows[units]).astype(np.uint32)

    def held(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) numbers -> (n,) int64 tasks and (n,) int64 rows."""
        # Of units that start alike all but the last are empty.
        units = np.searchsorted(self._starts, numbers, side="right") - 1
        return units % self.tasks, self._rows[units] + numbers - self._starts[units]

    def spans(self) -> Iterator[tuple[int, int, int]]:
        """Task, first row and number of rows of each unit, in canonical order."""
        for unit, (row, count) in enumerate(zip(self._rows.tolist(), self._counts.tolist(), strict=True)):
            yield unit % self.tasks, row, count


def _joined(tasks: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return (np.asarray(tasks, np.uint64) << _TASK) | np.asarray(rows, np.uint64)
