"""Tables as text: ``.csv``, ``.tsv``, both also ``.gz``; parsed strictly, one record in memory."""

import csv
import gzip
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from omnina.errors import UserError
from omnina.tables.part import TablePart

DELIMITERS = {".csv": ",", ".tsv": "\t"}
SUPPORTED = ".csv, .tsv, .csv.gz, .tsv.gz or .parquet"
UTF8_BOM = b"\xef\xbb\xbf"


def is_packed(path: Path) -> bool:
    """Whether a text can only be read from its start."""
    return path.suffix.lower() == ".gz"


def text_records(
    path: Path, stream: BinaryIO, byte: int = 0, line: int = 0
) -> Iterator[tuple[int, int, list[str]]]:
    """(first byte, first line, cells) of each record of an open text, which stands at ``byte``.

    ``line`` is the number of lines before it. Raises UserError for what cannot be parsed or decoded.
    """
    suffix = (Path(path.stem).suffix if is_packed(path) else path.suffix).lower()
    if suffix not in DELIMITERS:
        raise UserError(f"{path}: unknown kind of table; supported are {SUPPORTED}.")
    csv.field_size_limit(sys.maxsize)  # the default, 131,072 characters, is shorter than many a gene
    lines = _Lines(path, stream, byte, line)
    reader = csv.reader(lines, delimiter=DELIMITERS[suffix], strict=True)
    while True:
        first_byte, first_line = lines.byte, lines.number + 1  # the reader takes no line ahead of its record
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{path}:{first_line}: this record cannot be parsed ({error}; read on to line "
                f"{lines.number}). Look for a quote that is opened and not closed; "
                'a quote inside a quoted cell is written twice ("").'
            ) from error
        if cells:  # a blank line holds no record
            yield first_byte, first_line, cells


def open_text(path: Path) -> BinaryIO:
    """The bytes of a text, unpacked."""
    return gzip.open(path, "rb") if is_packed(path) else path.open("rb")


class _Lines:
    """Decoded lines, and where the next one stands."""

    def __init__(self, path: Path, stream: BinaryIO, byte: int, number: int) -> None:
        self.path, self.byte, self.number = path, byte, number
        self._stream = iter(stream)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        try:
            line = next(self._stream)
            self.number += 1
            self.byte += len(line)
            return (line.removeprefix(UTF8_BOM) if self.number == 1 else line).decode("utf-8")
        except UnicodeDecodeError as error:
            raise UserError(
                f"{self.path}:{self.number}:{error.start + 1}: byte 0x{error.object[error.start]:02x} is not "
                "UTF-8; save the table as UTF-8 (for example: iconv -f latin1 -t utf-8)."
            ) from error
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(
                f"{self.path}:{self.number + 1}: not a whole gzip file ({error}); make or fetch it again."
            ) from error


def read_text(path: Path, part: TablePart) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of the header, and of each record of a part."""
    with open_text(path) as stream:
        records = text_records(path, stream)
        for _, line, header in records:
            yield line, header
            break
        if part.start:
            stream.seek(part.start)
            records = text_records(path, stream, part.start, part.lines_before)
        for byte, line, cells in records:
            if part.stop is not None and byte >= part.stop:
                return
            yield line, cells
