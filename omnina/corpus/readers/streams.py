"""Record files as bytes or as numbered lines: plain, gzip (also block gzip) or Zstandard, ``-`` for stdin.

A file is trusted whole or not at all: one that is absent, empty, cut short, damaged or not ASCII raises a
UserError that names it. What was read before the damage was already given, so write results under a name
that is made final at the end only.
"""

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from omnina.corpus.readers import zstd
from omnina.corpus.readers.parts import Span
from omnina.errors import UserError

STDIN = "-"
GZIP_SUFFIXES = (".gz", ".bgz")
ZSTD_SUFFIX = ".zst"
COMPRESSIONS = (*GZIP_SUFFIXES, ZSTD_SUFFIX)

# Block gzip is many gzip members and ends with this empty one: a file cut between two members is whole to
# gzip, so that only the missing end tells (SAM/BAM format specification, section 4.1.2).
_BGZF_START = b"\x1f\x8b\x08\x04"
_BGZF_EXTRA = b"BC\x02\x00"
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def source_name(path: str | Path) -> str:
    """The name that passages and rejects carry: without folders, ``stdin`` for ``-``."""
    return "stdin" if str(path) == STDIN else Path(path).name


@contextmanager
def opened_bytes(path: str | Path, span: Span | None = None) -> Iterator[BinaryIO]:
    """Open a record file, decompressed by its suffix, or a span of a plain one; stdin is taken as it comes.

    Raises UserError, now or while it is read, for a file that is absent, empty, cut short or damaged.
    """
    try:
        with _decompressed(path) if span is None or span.is_whole else _spanned(span) as stream:
            if not stream.peek(1):
                raise UserError(f"{path}: the file is empty; fetch the record file again.")
            yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error, zstd.Damaged) as error:
        raise UserError(
            f"{path}: not a whole compressed file ({error}); fetch the record file again."
        ) from error


def numbered_lines(path: str | Path, span: Span | None = None) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line), ends LF, CRLF and CR alike given as LF; of a span the first is 1.

    Raises UserError as ``opened_bytes`` does, and for anything that is not ASCII.
    """
    number = 0
    with opened_bytes(path, span) as stream:
        text = TextIOWrapper(stream, encoding="ascii")  # newline=None: all three line ends
        try:
            for number, line in enumerate(text, 1):
                yield number, line
        except UnicodeDecodeError as error:
            number += span.lines_before if span else 0
            raise not_ascii(path, error, f"after line {number}") from error
        finally:
            text.detach()  # stdin is not ours to close


def not_ascii(path: str | Path, error: UnicodeDecodeError, where: str) -> UserError:
    """The error for a byte that no record file may hold."""
    return UserError(
        f"{path}: byte 0x{error.object[error.start]:02x} {where} is not ASCII text; if the file is "
        f"compressed, its name must end in {', '.join(COMPRESSIONS)}; otherwise write it in ASCII "
        "(for example: iconv -t ascii//TRANSLIT)."
    )


def _decompressed(path: str | Path) -> BinaryIO:
    if str(path) == STDIN:
        return _Borrowed(sys.stdin.buffer)
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: there is no such record file; check the path.")
    if path.suffix == ZSTD_SUFFIX:
        return zstd.opened(path)
    if path.suffix in GZIP_SUFFIXES:
        _check_block_gzip(path)
        return gzip.open(path, "rb")
    return path.open("rb")


def _spanned(span: Span) -> BinaryIO:
    return io.BufferedReader(_SpanBytes(span))


def _check_block_gzip(path: Path) -> None:
    with path.open("rb") as stream:
        start = stream.read(18)
        if not (start.startswith(_BGZF_START) and start[12:16] == _BGZF_EXTRA):
            return
        stream.seek(max(0, path.stat().st_size - len(_BGZF_END)))
        if stream.read() != _BGZF_END:
            raise EOFError("block gzip without its end mark")


class _Borrowed:
    """A context manager's shape for a stream that stays open."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream

    def __enter__(self) -> BinaryIO:
        return self.stream

    def __exit__(self, *_: object) -> None:
        pass


class _SpanBytes(io.RawIOBase):
    """The bytes of a span and no more."""

    def __init__(self, span: Span) -> None:
        path = Path(span.path)
        self._file = path.open("rb", buffering=0)
        self._file.seek(span.begin)
        self._left = sys.maxsize if span.end is None else span.end - span.begin

    def readable(self) -> bool:
        """True, as io.BufferedReader asks."""
        return True

    def readinto(self, target: bytearray) -> int:
        """Fill ``target``; returns how many bytes, 0 at the end."""
        count = self._file.readinto(memoryview(target)[: self._left])
        self._left -= count
        return count

    def close(self) -> None:
        """Close the file below, too."""
        self._file.close()
        super().close()
