"""Steps without padding: which rows each one holds, and who computes them.

Rows form an endless stream: epoch after epoch, each epoch a new order of all rows (blocks of rows are
shuffled, then the rows inside each block). Step s takes the rows whose first token lies in
[s x stride, (s + 1) x stride) of the stream. The stride is ``tokens_per_step`` less the longest row (or
1 % if that is more), so that no step exceeds its budget. Nothing is remembered between steps: step
150,000 is found by arithmetic, and a step is the same however many processes share it.

Lengths are read once at the start and then block by block, so a memory-mapped array stays on disk: of 100
million rows a plan keeps the sizes and orders of 1,526 blocks, and the rows of four (4 MB).

    plan = StepPlan(lengths, tokens_per_step=524288, seed=42, data_hash="...")
    plan.rows(150_000)                        ids of the rows of one optimizer step
    partition(lengths[rows], bins=64)         the same rows as 64 balanced forward passes
"""

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np

BLOCK_ROWS = 65_536
SLACK = 0.01  # share of a step left free, so that its rows can be dealt out evenly under a fixed size


def spread_over_blocks(rows: np.ndarray, seed: int, block_rows: int = BLOCK_ROWS) -> np.ndarray:
    """(rows,) ids in an order in which neighbours are in different blocks; as they are if they fit one.

    For rows that are alike and side by side: a block of them would be learned in one stretch, and not again.
    """
    if len(rows) <= block_rows:
        return rows
    return np.random.default_rng(seed).permutation(rows)


class StepPlan:
    """The rows of every step; depends on the arguments alone.

    Args:
        lengths: (rows,) tokens of each row.
        tokens_per_step: budget of one optimizer step over all processes, in tokens.
        seed, data_hash: choose the order.
        copies: (copies,) row ids of an epoch where some rows come up several times; else each once.
        block_rows: rows that are shuffled together.

    Raises ValueError if there is no row, or the longest row fills half a step or more.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        *,
        tokens_per_step: int,
        seed: int,
        data_hash: str,
        copies: np.ndarray | None = None,
        block_rows: int = BLOCK_ROWS,
    ) -> None:
        if len(lengths) == 0:
            raise ValueError("there is no row to make steps from")
        self.lengths = lengths
        self.longest = int(self.lengths.max())
        if 2 * self.longest > tokens_per_step:
            raise ValueError(
                f"tokens_per_step ({tokens_per_step}) must be at least twice the longest row, "
                f"{self.longest} tokens; set tokens_per_step to {2 * self.longest} or more, or max_length to "
                f"{tokens_per_step // 2} or less"
            )
        self.tokens_per_step = tokens_per_step
        self.stride = tokens_per_step - max(self.longest, ceil(SLACK * tokens_per_step))
        self.copies = copies
        self.items_per_epoch = len(lengths if copies is None else copies)
        self._key = f"{data_hash}/{seed}"
        self._block_rows = block_rows
        self._block_tokens = np.array(
            [
                self._tokens(self.items(first, first + block_rows)).sum()
                for first in range(0, self.items_per_epoch, block_rows)
            ]
        )
        self.tokens_per_epoch = int(self._block_tokens.sum())
        self.steps_per_epoch = self.tokens_per_epoch / self.stride
        # A step reads neighbouring blocks, so the last few are all that is worth keeping.
        self._epoch_blocks = lru_cache(maxsize=2)(self._shuffled_blocks)
        self._block_order = lru_cache(maxsize=4)(self._shuffled_rows)

    def rows(self, step: int) -> np.ndarray:
        """Ids of the rows of a step, in stream order, (rows of the step,) int64; may be empty."""
        begin, end = step * self.stride, (step + 1) * self.stride
        first_epoch, last_epoch = begin // self.tokens_per_epoch, (end - 1) // self.tokens_per_epoch
        parts = [
            self._rows_of_epoch(epoch, begin - shift, end - shift)
            for epoch in range(first_epoch, last_epoch + 1)
            for shift in [epoch * self.tokens_per_epoch]
        ]
        items = np.concatenate(parts)
        return items if self.copies is None else self.copies[items]

    def items(self, first: int, stop: int) -> np.ndarray:
        """Row ids of the items from ``first`` to ``stop`` of an epoch, unshuffled; fewer at its end."""
        if self.copies is not None:
            return self.copies[first:stop]
        return np.arange(first, min(stop, self.items_per_epoch))

    def epoch(self, step: int) -> float:
        """Passes over the data before this step."""
        return step * self.stride / self.tokens_per_epoch

    def _rows_of_epoch(self, epoch: int, begin: int, end: int) -> np.ndarray:
        """Rows of one epoch whose first token lies in [begin, end) of it."""
        blocks, starts = self._epoch_blocks(epoch)
        found = []
        first = max(int(np.searchsorted(starts, begin, side="right")) - 1, 0)
        for place in range(first, int(np.searchsorted(starts, end, side="left"))):
            rows, row_starts = self._block_order(epoch, int(blocks[place]))
            low, high = np.searchsorted(row_starts, [begin - starts[place], end - starts[place]])
            found.append(rows[low:high])
        return np.concatenate(found) if found else np.empty(0, dtype=np.int64)

    def _tokens(self, rows: np.ndarray) -> np.ndarray:
        """Tokens of rows, int64: sums over a block may exceed what one length is stored in."""
        return self.lengths[rows].astype(np.int64)

    def _shuffled_blocks(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Blocks in this epoch's order, and the token at which each starts."""
        order = self._generator(epoch).permutation(len(self._block_tokens))
        return order, _starts(self._block_tokens[order])

    def _shuffled_rows(self, epoch: int, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows of a block in this epoch's order, and the token of the block at which each starts."""
        first = block * self._block_rows
        rows = self.items(first, first + self._block_rows)
        order = self._generator(epoch, block).permutation(len(rows))
        return first + order, _starts(self._tokens(rows[order]))

    def _generator(self, *place: int) -> np.random.Generator:
        digest = hashlib.sha256(f"{self._key}/{place}".encode()).digest()
        return np.random.default_rng(int.from_bytes(digest, "big"))


def _starts(lengths: np.ndarray) -> np.ndarray:
    return np.cumsum(lengths) - lengths


def partition(lengths: np.ndarray, bins: int) -> list[np.ndarray]:
    """Deal rows into bins of nearly equal tokens: longest first, each to the emptiest bin.

    (Graham's longest-processing-time rule, 1969.) Returns the places in ``lengths`` of each bin's rows, in
    their given order; bins are empty where there are fewer rows than bins.
    """
    loads = [(0, index) for index in range(bins)]
    dealt: list[list[int]] = [[] for _ in range(bins)]
    for place in np.argsort(-lengths, kind="stable"):
        load, index = heapq.heappop(loads)
        dealt[index].append(int(place))
        heapq.heappush(loads, (load + int(lengths[place]), index))
    return [np.array(sorted(places), dtype=np.int64) for places in dealt]


def accumulation_steps(tokens_per_step: int, tokens_per_device: int, processes: int) -> int:
    """Forward passes per process and step: ``tokens_per_device`` is the most one may hold."""
    return ceil(tokens_per_step / (tokens_per_device * processes))


@dataclass(frozen=True)
class StepSampler:
    """Row ids of this process's micro-batches, from ``first_step`` on, without end.

    It has no length on purpose: the Trainer then counts steps, and does not skip or shard batches again.
    """

    plan: StepPlan
    processes: int
    rank: int
    accumulation: int
    first_step: int = 0

    def __iter__(self) -> Iterator[list[int]]:
        step = self.first_step
        while True:
            yield from self.micro_batches(step)
            step += 1

    def micro_batches(self, step: int) -> list[list[int]]:
        """This process's micro-batches of one step."""
        rows = self.plan.rows(step)
        bins = partition(self.plan.lengths[rows], self.processes * self.accumulation)
        return [rows[places].tolist() for places in bins[self.rank :: self.processes]]
