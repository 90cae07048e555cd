"""Signatures of one task's passages on disk, and their bands in runs sorted by key.

``signatures``    a row of ``values`` uint32 for each passage, in order; zeros for one that is not compared
``bands-00000``   for up to RUN_ROWS passages that are compared, band after band: BANDs in ascending order

A passage takes 4 bytes a value and 12 bytes a band, 3,200 bytes with the default settings. Memory is that of
GROUP_BANDS keys, and some numbers more, of a run: 200 MB, however many passages there are.

Shapes: m compared passages of a run, in rows of the signatures.
"""

import os
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from omnina.corpus.dedup.sketch import SketchSettings, band_keys, signature

BAND = np.dtype([("key", "<u8"), ("row", "<u4")])
RUN_ROWS = 1 << 20
GROUP_BANDS = 10
BLOCK_ROWS = 1 << 12  # x 1,280 bytes, read back at a time
SIGNATURES = "signatures"


class SignatureWriter:
    """Takes the passages of a task one after another and writes both kinds of files; a context."""

    def __init__(self, folder: Path, settings: SketchSettings) -> None:
        self.folder, self.settings = folder, settings
        self._rows = 0
        self._compared = array("I")  # rows of the run that is being made
        self._runs = 0

    def __enter__(self) -> "SignatureWriter":
        self._stream = (self.folder / SIGNATURES).open("wb")
        return self

    def __exit__(self, failure: object, *_: object) -> None:
        if failure is None and self._compared:
            self._write_run()
        self._stream.close()

    def add(self, sequence: str | None) -> None:
        """The next row: of a sequence, or of a passage that is not to be compared."""
        values = None if sequence is None else signature(sequence, self.settings)
        if values is None:
            self._stream.write(bytes(4 * self.settings.values))
        else:
            self._stream.write(values.tobytes())
            self._compared.append(self._rows)
        self._rows += 1
        if len(self._compared) == RUN_ROWS:
            self._write_run()

    def _write_run(self) -> None:
        self._stream.flush()
        rows = np.array(self._compared, dtype=np.uint32)
        with (self.folder / f"bands-{self._runs:05d}").open("wb") as stream:
            for first in range(0, self.settings.bands, GROUP_BANDS):
                bands = range(first, min(first + GROUP_BANDS, self.settings.bands))
                for keys in self._keys(rows, bands):
                    stream.write(_ascending(keys, rows).tobytes())
        self._compared = array("I")
        self._runs += 1

    def _keys(self, rows: np.ndarray, bands: range) -> np.ndarray:
        """(bands, m) uint64, from the signatures in the file."""
        keys = np.empty((len(bands), len(rows)), dtype=np.uint64)
        path, done = self.folder / SIGNATURES, 0
        for start in range(int(rows[0]), int(rows[-1]) + 1, BLOCK_ROWS):
            of_block = rows[done : bisect_left(rows, start + BLOCK_ROWS)] - start
            block = read_rows(path, start, BLOCK_ROWS, self.settings)[of_block]
            keys[:, done : done + len(block)] = band_keys(block, bands, self.settings)
            done += len(block)
        return keys


class BandRun:
    """A file of sorted bands."""

    def __init__(self, path: Path, settings: SketchSettings) -> None:
        self.path = path
        self._band_bytes = path.stat().st_size // settings.bands
        self.rows = self._band_bytes // BAND.itemsize

    def cuts(self, band: int, borders: Sequence[int]) -> list[int]:
        """Where the keys that reach each border begin among a band's, and its ends."""
        place = band * self._band_bytes
        keys = np.memmap(self.path, BAND, "r", place, (self.rows,))["key"]
        return [0, *(bisect_left(keys, border) for border in borders), self.rows]

    def read(self, band: int, start: int, stop: int) -> np.ndarray:
        """(stop - start,) BAND."""
        place = band * self._band_bytes + start * BAND.itemsize
        return np.fromfile(self.path, BAND, stop - start, offset=place)


def band_runs(folder: Path, settings: SketchSettings) -> list[BandRun]:
    """All runs of a task."""
    return [BandRun(path, settings) for path in sorted(folder.glob("bands-*"))]


def read_rows(path: Path, start: int, rows: int, settings: SketchSettings) -> np.ndarray:
    """(rows or fewer, values) uint32 signatures from row ``start`` on."""
    values = settings.values
    found = np.fromfile(path, "<u4", rows * values, offset=4 * start * values)
    return found.reshape(-1, values)


def read_scattered(path: Path, rows: np.ndarray, settings: SketchSettings) -> Iterator[bytes]:
    """Bytes of the signatures of these rows, one after another; nothing else of the file is read."""
    size = 4 * settings.values
    with path.open("rb") as stream:
        for row in rows.tolist():
            yield os.pread(stream.fileno(), size, row * size)


def _ascending(keys: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """(m,) BAND, from (m,) keys and rows."""
    order = np.argsort(keys)
    bands = np.empty(len(keys), dtype=BAND)
    bands["key"], bands["row"] = keys[order], rows[order]
    return bands
