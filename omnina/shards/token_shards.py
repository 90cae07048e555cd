"""The documents of a tokenised table set, read from its shards through memory mapping.

A step's rows come from neighbouring blocks of rows, so a few shards are open at a time.
"""

import mmap
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa

from omnina.shards.writer import DOCUMENTS_PER_BATCH

OPEN_SHARDS = 16  # two blocks of rows and what lies across their ends; about 25 MB each

OpenFile = Callable[[Path], IO[bytes]]


def open_in_place(path: Path) -> IO[bytes]:
    """The file itself."""
    return path.open("rb")


class TokenShards:
    """Documents by their place in the table set.

    Args:
        files: each shard's rows.
        documents: how many each holds.
        open_file: opens one of ``files``, or a copy of it.
    """

    def __init__(
        self, files: Sequence[Path], documents: Sequence[int], open_file: OpenFile = open_in_place
    ) -> None:
        self.files, self.open_file = files, open_file
        self.starts = np.cumsum([0, *documents])
        self._open: OrderedDict[int, pa.Table] = OrderedDict()

    def __getitem__(self, index: int) -> dict:
        """``input_ids`` uint16, ``sequence_spans`` (``soft_masked``) int32, ``answer_start``, ``bases``."""
        shard = int(np.searchsorted(self.starts, index, side="right")) - 1
        batch, place = divmod(index - int(self.starts[shard]), DOCUMENTS_PER_BATCH)
        table = self._table(shard)
        row = {}
        for name, column in zip(table.column_names, table.columns, strict=True):
            value = column.chunk(batch)[place]
            # copied, so that no row keeps a shard mapped that is closed
            row[name] = value.values.to_numpy().copy() if pa.types.is_list(value.type) else value.as_py()
        return row

    def answers(self) -> Iterator[bytes]:
        """The token ids behind each document's prompt, in order; twenty times as fast as row by row."""
        for shard in range(len(self.files)):
            table = self._table(shard)
            for ids, starts in zip(table["input_ids"].chunks, table["answer_start"].chunks, strict=True):
                values, ends = ids.values.to_numpy(), ids.offsets.to_numpy()
                firsts = ends[:-1] + starts.to_numpy()
                for first, stop in zip(firsts.tolist(), ends[1:].tolist(), strict=True):
                    yield values[first:stop].tobytes()

    def __getstate__(self) -> dict:
        return vars(self) | {"_open": OrderedDict()}

    def _table(self, shard: int) -> pa.Table:
        if shard not in self._open:
            while len(self._open) >= OPEN_SHARDS:
                self._open.popitem(last=False)
            with self.open_file(self.files[shard]) as stream:  # the map keeps the open file, and its lock
                mapped = mmap.mmap(stream.fileno(), 0, prot=mmap.PROT_READ)
            self._open[shard] = pa.ipc.open_file(pa.py_buffer(mapped)).read_all()
        self._open.move_to_end(shard)
        return self._open[shard]
