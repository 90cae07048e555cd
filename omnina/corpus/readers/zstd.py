"""Zstandard files as byte streams; needs the ``zstandard`` package, which only these files need."""

import io
from pathlib import Path
from typing import BinaryIO

from omnina.errors import UserError

_INPUT_BYTES = 1 << 16


class Damaged(Exception):
    """The file is not whole Zstandard."""


def opened(path: Path) -> BinaryIO:
    """Open for reading: ``Damaged`` is raised as it is read; UserError here if the package is absent."""
    try:
        import zstandard
    except ImportError as error:
        raise UserError(
            f"{path}: reading .zst files needs the zstandard package; "
            "run: pip install -r requirements-corpus.txt"
        ) from error
    return io.BufferedReader(_Frames(path, zstandard), buffer_size=1 << 17)


class _Frames(io.RawIOBase):
    """The frames of a file one after another.

    zstandard's own ``stream_reader`` ends without complaint where a file is cut short; here it raises.
    """

    def __init__(self, path: Path, zstandard: object) -> None:
        self._library = zstandard
        self._file = path.open("rb")
        self._frame = None
        self._input = self._output = b""

    def readable(self) -> bool:
        """True, as io.BufferedReader asks."""
        return True

    def readinto(self, target: bytearray) -> int:
        """Fill ``target``; returns how many bytes, 0 at the end."""
        while not self._output:
            self._input = self._input or self._file.read(_INPUT_BYTES)
            if not self._input:
                if self._frame:
                    raise Damaged("it ends before its last frame does")
                return 0
            self._output = self._decompressed()
        count = min(len(target), len(self._output))
        target[:count] = self._output[:count]
        self._output = self._output[count:]
        return count

    def close(self) -> None:
        """Close the file below, too."""
        self._file.close()
        super().close()

    def _decompressed(self) -> bytes:
        self._frame = self._frame or self._library.ZstdDecompressor().decompressobj()
        try:
            output = self._frame.decompress(self._input)
        except self._library.ZstdError as error:
            raise Damaged(str(error)) from error
        self._input = self._frame.unused_data if self._frame.eof else b""
        if self._frame.eof:
            self._frame = None
        return output
