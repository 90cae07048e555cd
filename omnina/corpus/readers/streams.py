"""Record files as bytes or as numbered lines: plain, gzip (also block gzip) or Zstandard, ``-`` for stdin.

Which it is, the first bytes say, whatever the name. A file is trusted whole or not at all: one that is
absent, empty, cut short or damaged raises a UserError that names it. What was read before the damage was
already given, so write results under a name that is made final at the end only. Text is UTF-8; a byte that is
none is the reader's to reject, with its line or record.
"""

import gzip
import io
import re
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

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # of UTF-8, which some editors put first
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_NOT_READ = {
    b"\xff\xfe": "UTF-16 text; write it as UTF-8 (for example: iconv -f utf-16 -t utf-8)",
    b"\xfe\xff": "UTF-16 text; write it as UTF-8 (for example: iconv -f utf-16 -t utf-8)",
    b"BZh": "bzip2; unpack it, or pack it with gzip",
    b"\xfd7zXZ": "xz; unpack it, or pack it with gzip",
    b"PK\x03\x04": "a zip archive; unpack it",
}
# Block gzip is many gzip members and ends with this empty one: a file cut between two members is whole to
# gzip, so that only the missing end tells (SAM/BAM format specification, section 4.1.2).
_BGZF_START = b"\x1f\x8b\x08\x04"
_BGZF_EXTRA = b"BC\x02\x00"
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_NOT_UTF8 = re.compile("[\udc80-\udcff]")


def source_name(path: str | Path) -> str:
    """The name that passages and rejects carry: without folders, ``stdin`` for ``-``."""
    return "stdin" if str(path) == STDIN else Path(path).name


def plain_suffix(path: str | Path) -> str:
    """A name's last suffix below that of its compression, lower case."""
    name = Path(path)
    return Path(name.stem if name.suffix.lower() in COMPRESSIONS else name).suffix.lower()


def is_compressed(path: str | Path) -> bool:
    """Whether a file is, by its name or first bytes; False for one that is not there."""
    path = Path(path)
    if not path.is_file():
        return False
    return path.suffix.lower() in COMPRESSIONS or _first_bytes(path).startswith((_GZIP, _ZSTD))


@contextmanager
def opened_bytes(path: str | Path, span: Span | None = None) -> Iterator[BinaryIO]:
    """Open a record file, decompressed, or a span of a plain one; a byte order mark is skipped.

    Raises UserError, now or while it is read, for a file that is absent, empty, cut short or damaged.
    """
    try:
        with _decompressed(path) if span is None or span.is_whole else _spanned(span) as stream:
            start = stream.peek(len(_BYTE_ORDER_MARK))
            if not start:
                raise UserError(f"{path}: the file is empty; fetch the record file again.")
            for mark, what in _NOT_READ.items():
                if start.startswith(mark):
                    raise UserError(f"{path}: it is {what}.")
            if start.startswith(_BYTE_ORDER_MARK):
                stream.read(len(_BYTE_ORDER_MARK))
            yield stream
    except (gzip.BadGzipFile, EOFError, zlib.error, zstd.Damaged) as error:
        raise UserError(
            f"{path}: not a whole compressed file ({error}); fetch the record file again."
        ) from error


def numbered_lines(path: str | Path, span: Span | None = None) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line), ends LF, CRLF and CR alike given as LF; of a span the first is 1.

    Bytes that are not UTF-8 come as surrogates, which ``not_utf8`` finds. Raises UserError as
    ``opened_bytes`` does.
    """
    with opened_bytes(path, span) as stream:
        # newline=None: all three line ends
        text = TextIOWrapper(stream, encoding="utf-8", errors="surrogateescape")
        try:
            yield from enumerate(text, 1)
        finally:
            text.detach()  # stdin is not ours to close


def not_utf8(line: str) -> str | None:
    """What is wrong with the first byte of a line that is not UTF-8; None if there is none."""
    found = None if line.isascii() else _NOT_UTF8.search(line)
    return found and f"byte 0x{ord(found[0]) - 0xDC00:02x} after {line[: found.start()][-40:]!r} is not UTF-8"


def _decompressed(path: str | Path) -> BinaryIO:
    if str(path) == STDIN:
        return _standard_input()
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: there is no such record file; check the path.")
    suffix, start = path.suffix.lower(), _first_bytes(path)
    if suffix == ZSTD_SUFFIX or start == _ZSTD:
        return zstd.opened(path)
    if suffix in GZIP_SUFFIXES or start.startswith(_GZIP):
        _check_block_gzip(path)
        return gzip.open(path, "rb")
    return path.open("rb")


def _standard_input() -> BinaryIO:
    stream = sys.stdin.buffer
    start = stream.peek(len(_ZSTD))
    if start.startswith(_ZSTD):
        raise UserError("-: it is Zstandard, which is read from files only; unpack it with: zstd -dc")
    return gzip.GzipFile(fileobj=stream) if start.startswith(_GZIP) else _Borrowed(stream)


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(len(_ZSTD))


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
