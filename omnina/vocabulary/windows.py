"""What a tokenizer is trained on: windows of DNA and of English, cut from tables and text files.

SentencePiece drops lines over 4,192 bytes without a word, so every text is cut into windows below that.
"""

from collections.abc import Iterator
from pathlib import Path

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.tables.part import WHOLE, TablePart
from omnina.tables.table import read_rows

WINDOW_BYTES = 4096  # SentencePiece's limit is 4,192
DNA, ENGLISH = "dna", "english"
TEXT_COLUMNS = ("sequence", "response", "question")


def cut_text(text: str, limit: int = WINDOW_BYTES) -> Iterator[str]:
    """Cut a text into windows of at most ``limit`` bytes (4 or more), before a space where there is one.

    Joined, the windows are the text; an empty text has none.
    """
    data, start = text.encode(), 0
    while len(data) - start > limit:
        end = data.rfind(b" ", start + 1, start + limit + 1)
        if end < 0:
            end = start + limit
            while data[end] & 0b11000000 == 0b10000000:  # not in the middle of a character
                end -= 1
        yield data[start:end].decode()
        start = end
    if start < len(data):
        yield data[start:].decode()


def table_windows(path: Path, row_group: int | None = None) -> Iterator[tuple[str, str]]:
    """(language, window) of every cell, as the prompt shows it: sequence and question follow a space.

    ``row_group``: of a Parquet file, this one only.
    """
    part = WHOLE if row_group is None else TablePart(row_group, row_group + 1)
    for line, row in read_rows(path, columns=TEXT_COLUMNS, part=part):
        if not row.keys() & set(TEXT_COLUMNS):
            raise UserError(f"{path}: no column 'sequence', 'response' or 'question' to train on.")
        for window in cut_text(_nucleotides(path, line, row), WINDOW_BYTES - 1):
            yield DNA, " " + window.lstrip(" ")
        for column, before in (("response", ""), ("question", " ")):
            for text in row.get(column, "").splitlines():
                yield from ((ENGLISH, window) for window in _english_windows(before + text))


def plain_text_windows(path: Path) -> Iterator[tuple[str, str]]:
    """(ENGLISH, window) of a text file of any size and line length; memory stays at a few windows."""
    rest = ""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            while part := stream.readline(WINDOW_BYTES):
                *whole, rest = list(cut_text(rest + part)) or [""]
                if part.endswith("\n"):
                    whole, rest = [*whole, rest], ""
                yield from ((ENGLISH, window) for text in whole for window in _english_windows(text))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte 0x{error.object[error.start]:02x} is not UTF-8 ({error.reason}); save the file "
            "as UTF-8 (for example: iconv -f latin1 -t utf-8)."
        ) from error
    yield from ((ENGLISH, window) for window in _english_windows(rest))


def _nucleotides(path: Path, line: int, row: dict[str, str]) -> str:
    if "sequence" not in row:
        return ""
    try:
        return parse_cell(row["sequence"]).text
    except ValueError as error:
        raise UserError(f"{path}:{line}: {error}") from error


def _english_windows(text: str) -> Iterator[str]:
    return cut_text(text.rstrip())
