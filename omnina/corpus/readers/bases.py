"""Letters of a record file -> upper-case bases, checked, at memory speed."""

import re
from collections.abc import Iterable, Iterator

from omnina.chunking import IUPAC
from omnina.corpus.reject import NOT_NUCLEOTIDE

_LAYOUT = b" \t\r\n"
_WRONG = 0  # what a byte that is no nucleotide code becomes, for one fast search
_LETTERS = IUPAC.encode()
_NOT_NUCLEOTIDE = re.compile(rb"(?i)[^" + _LETTERS + _LAYOUT + rb"]")


def _upper_t_table() -> bytes:
    table = bytearray([_WRONG]) * 256
    for letter in _LETTERS:
        table[letter] = table[letter | 0x20] = letter  # 0x20 makes an ASCII letter lower case
    table[ord("U")] = table[ord("u")] = ord("T")
    return bytes(table)


_UPPER_T = _upper_t_table()


class BadRecord(Exception):
    """The record turned out bad while it was read: ``kind`` and ``reason`` as in Reject."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind, self.reason = kind, reason


def checked_bases(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a record's bases, upper case with T for U, from pieces of its text; blanks and line ends go.

    Raises BadRecord, with letter and position, at the first that is no nucleotide code.
    """
    done = 0
    for piece in pieces:
        bases = piece.translate(_UPPER_T, _LAYOUT)
        wrong = bases.find(_WRONG)
        if wrong >= 0:
            letter = _NOT_NUCLEOTIDE.search(piece).group().decode("latin-1")
            raise BadRecord(
                NOT_NUCLEOTIDE, f"{letter!r} at base {done + wrong + 1} is not a nucleotide code ({IUPAC})"
            )
        done += len(bases)
        if bases:
            yield bases
