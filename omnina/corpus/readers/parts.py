"""Parts of a plain record file, so that several tasks can read one: the records that begin in a byte range.

Which records those are depends on the range alone. The parts of a file give its records, in order and each
once. Records are not cut: of a chromosome that reaches over many ranges, the part that it begins in has all
bases. An accession counts as used only within a part. Compressed files have one part, as they can only be
read from their start.

To find where a part begins and ends costs at most one look at its bytes. Numbers of lines and records are
those of the whole file; what stands before the part is counted when a message needs such a number, once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

BLOCK_BYTES = 1 << 20
_LINE_ENDS = b"\r\n"


@dataclass(frozen=True)
class FilePart:
    """The records that begin in bytes ``start`` (inclusive) to ``stop`` (exclusive; None: the file's end)."""

    start: int = 0
    stop: int | None = None


WHOLE_FILE = FilePart()


def parts_of(size: int, range_bytes: int) -> list[FilePart]:
    """The parts of a file of ``size`` bytes, in order."""
    starts = range(0, max(size, 1), range_bytes)
    return [FilePart(start, start + range_bytes if start + range_bytes < size else None) for start in starts]


@dataclass(frozen=True)
class Span:
    """Bytes ``begin`` to ``end`` (None: all that follow) of a file, from one record's first to another's.

    ``first`` is what a record's first line starts with.
    """

    path: str | Path
    first: bytes
    begin: int = 0
    end: int | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it is the whole file."""
        return not self.begin and self.end is None

    @cached_property
    def lines_before(self) -> int:
        """Lines of the file before the span; CR LF is one end."""
        ends, carried = 0, b""
        for block in self._before():
            block = carried + block
            carried = block[-1:] if block.endswith(b"\r") else b""  # the LF may be in the next block
            block = block[: len(block) - len(carried)]
            ends += block.count(b"\n") + block.count(b"\r") - block.count(b"\r\n")
        return ends + len(carried)

    @cached_property
    def records_before(self) -> int:
        """Records of the file before the span."""
        if not self.begin:
            return 0
        with Path(self.path).open("rb") as stream:
            return sum(1 for _ in _record_starts(stream, 0, self.begin, self.first))

    def _before(self) -> Iterator[bytes]:
        left = self.begin
        if left:
            with Path(self.path).open("rb") as stream:
                while left and (block := stream.read(min(left, BLOCK_BYTES))):
                    left -= len(block)
                    yield block


def span_of(path: str | Path, part: FilePart, first: bytes) -> Span | None:
    """Where a part's records stand; None if none begins in it.

    The first part has whatever stands before the first record, too, and is never None.
    """
    if part == WHOLE_FILE:
        return Span(path, first)
    with Path(path).open("rb") as stream:
        begin = next(_record_starts(stream, part.start, part.stop, first), None) if part.start else 0
        if begin is None:
            return None
        end = None if part.stop is None else next(_record_starts(stream, part.stop, None, first), None)
        return Span(path, first, begin, end)


def _record_starts(stream: BinaryIO, start: int, stop: int | None, first: bytes) -> Iterator[int]:
    """Places, from ``start`` to before ``stop``, where a line begins with ``first``."""
    stream.seek(max(0, start - 1))
    held = stream.read(1) if start else b"\n"
    at = start - 1  # the place of held[0]
    while stop is None or at + len(held) < stop + len(first):
        block = stream.read(BLOCK_BYTES)
        held += block
        for found in _line_starts(held, first):
            if stop is not None and at + found >= stop:
                return
            yield at + found
        if not block:
            return
        kept = min(len(held), len(first))  # the line end and all but the last letter may be here already
        at, held = at + len(held) - kept, held[len(held) - kept :]


def _line_starts(block: bytes, first: bytes) -> Iterator[int]:
    """Where ``first`` follows a line end."""
    found = block.find(first)
    while found >= 0:
        if found and block[found - 1] in _LINE_ENDS:
            yield found
        found = block.find(first, found + 1)
