"""Long records cut into windows as they stream by, between runs of N if asked.

The windows of a stretch have exactly the spans of ``omnina.chunking.window_spans``, so that together they
hold each of its bases. Memory: two windows and a block, whatever the record's length; without ``window``
the whole stretch.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from omnina.corpus.passage import Passage
from omnina.corpus.readers.bases import BadRecord
from omnina.corpus.readers.fasta import FastaRecord
from omnina.corpus.reject import N_RUN, TOO_SHORT, Reject

# The published rule drops what has two N in a row: one N is an unclear base, more are a gap.
N_RUN_BASES = 2
_N_RUN = re.compile(rb"N{%d,}" % N_RUN_BASES)


@dataclass(frozen=True)
class Cutting:
    """How whole records are cut (bases).

    Attributes:
        window: size of a window; 0 keeps the record, or the stretch between runs of N, in one piece.
        overlap: what neighbouring windows share at least.
        min_bases: shorter records, or stretches between runs of N, are left out and counted.
        split_at_n: leave out runs of two or more N, counted, and cut each stretch between them on its own.
    """

    window: int = 0
    overlap: int = 0
    min_bases: int = 0
    split_at_n: bool = False

    def __post_init__(self) -> None:
        if self.overlap and not 0 <= self.overlap < self.window:
            raise ValueError(f"overlap ({self.overlap}) must be less than window ({self.window})")
        if self.window and self.min_bases > self.window:
            raise ValueError(f"min_bases ({self.min_bases}) must not exceed window ({self.window})")


WHOLE = Cutting()


@dataclass
class LeftOut:
    """Stretches of one record that gave no passage: how many, and their bases."""

    count: int = 0
    bases: int = 0

    def add(self, bases: int) -> None:
        """Count one more."""
        self.count += 1
        self.bases += bases


class WindowCutter:
    """Windows over one stretch that comes in blocks."""

    def __init__(self, window: int, overlap: int, offset: int = 0) -> None:
        self._window, self._step = window, window - overlap
        self._offset = offset  # of the stretch in its record
        self._held, self._held_from = bytearray(), 0
        self._next = 0  # start of the next window in the stretch

    @property
    def length(self) -> int:
        """Bases of the stretch that have come so far."""
        return self._held_from + len(self._held)

    def push(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """Take a block; yield (start in the record, bases) of the windows that are not the last."""
        self._held += block
        if not self._window:
            return
        while self._next + self._window < self.length:
            yield self._cut(self._next)
            self._next += self._step
        # The last window reaches back by up to a whole step from where the next one would start.
        unneeded = max(0, self._next - self._step) - self._held_from
        if unneeded > 0:
            del self._held[:unneeded]
            self._held_from += unneeded

    def finish(self) -> Iterator[tuple[int, bytes]]:
        """Yield the last window, which ends at the last base."""
        if self.length:
            yield self._cut(max(0, self.length - self._window) if self._window else 0)

    def _cut(self, start: int) -> tuple[int, bytes]:
        begin = start - self._held_from
        end = begin + self._window if self._window else None
        return self._offset + start, bytes(self._held[begin:end])


def stretches(blocks: Iterable[bytes]) -> Iterator[bytes | int]:
    """Yield the bases between runs of N in blocks, and each run of two or more N as its length."""
    trailing = 0  # N at the end of the block before, whose run may go on in this one
    for block in blocks:
        body = block.rstrip(b"N")
        if body and trailing:
            inner = body.lstrip(b"N")
            yield from _run(trailing + len(body) - len(inner))
            body, trailing = inner, 0
        trailing += len(block) - len(block.rstrip(b"N"))
        done = 0
        for start, end in _n_runs(body):
            yield body[done:start]
            yield end - start
            done = end
        yield body[done:]
    yield from _run(trailing)


def _n_runs(bases: bytes) -> Iterator[tuple[int, int]]:
    """(start, end) of each run of two or more N; to look for single letters is ten times as fast."""
    start = bases.find(b"N")
    while start >= 0:
        run = _N_RUN.match(bases, start)
        if run:
            yield run.span()
        start = bases.find(b"N", run.end() if run else start + 1)


def _run(bases: int) -> Iterator[bytes | int]:
    if bases >= N_RUN_BASES:
        yield bases
    elif bases:
        yield b"N" * bases


@dataclass
class RecordCutter:
    """Passages of one whole record, and at its end rejects that count what was left out."""

    source_file: str
    accession: str
    fields: Mapping[str, str]
    cutting: Cutting
    runs: LeftOut = field(default_factory=LeftOut)
    short: LeftOut = field(default_factory=LeftOut)

    def cut(self, blocks: Iterable[bytes]) -> Iterator[Passage | Reject]:
        """Yield the passages and then the rejects; raises what ``blocks`` raises."""
        cutter = WindowCutter(self.cutting.window, self.cutting.overlap)
        at = 0
        for part in stretches(blocks) if self.cutting.split_at_n else blocks:
            if isinstance(part, int):
                yield from self._end(cutter)
                self.runs.add(part)
                at += part
                cutter = WindowCutter(self.cutting.window, self.cutting.overlap, offset=at)
            else:
                at += len(part)
                yield from map(self._passage, cutter.push(part))
        yield from self._end(cutter)
        yield from self.rejects()

    def rejects(self) -> Iterator[Reject]:
        """What was left out so far."""
        if self.runs.count:
            yield self._reject(
                N_RUN, f"{self.runs.count} runs of two or more N were left out", self.runs.bases
            )
        if self.short.count:
            what = "stretches between runs of N are" if self.cutting.split_at_n else "record is"
            reason = f"{self.short.count} {what} shorter than {self.cutting.min_bases} bases"
            yield self._reject(TOO_SHORT, reason, self.short.bases)

    def _end(self, cutter: WindowCutter) -> Iterator[Passage]:
        if cutter.length >= self.cutting.min_bases:
            yield from map(self._passage, cutter.finish())
        elif cutter.length:
            self.short.add(cutter.length)

    def _passage(self, cut: tuple[int, bytes]) -> Passage:
        start, bases = cut
        end = start + len(bases)
        sequence = bases.decode("ascii")
        return Passage(self.source_file, self.accession, start, end, ".", sequence, self.fields)

    def _reject(self, kind: str, reason: str, bases: int) -> Reject:
        return Reject(self.source_file, self.accession, None, kind, reason, bases)


def record_passages(
    record: FastaRecord, source_file: str, fields: Mapping[str, str], cutting: Cutting
) -> Iterator[Passage | Reject]:
    """Cut a streaming FASTA record, whose fields are given.

    A record with a wrong letter ends there with a reject; the windows before the letter were yielded
    already, since the record is never held whole.
    """
    cutter = RecordCutter(source_file, record.accession, fields, cutting)
    try:
        yield from cutter.cut(record.blocks)
    except BadRecord as error:
        yield from cutter.rejects()
        yield Reject(source_file, record.accession, None, error.kind, error.reason)


def described_fields(record: FastaRecord) -> dict[str, str]:
    """What a FASTA header says: accession, and description if there is one."""
    fields = {"accession": record.accession}
    return fields | {"description": record.description} if record.description else fields
