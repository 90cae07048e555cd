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
    """The record turned out bad while it was read: ``kind`` and ``reason`` as in Reject.

    ``bases``: how many letters, from the bad one on, were not given.
    """

    def __init__(self, kind: str, reason: str, bases: int = 0) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.bases = kind, reason, bases


def checked_bases(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a record's bases, upper case with T for U, from pieces of its text; blanks and line ends go.

    At the first letter that is no nucleotide code those before it are still given, whatever the pieces; then
    the rest is counted and BadRecord raised, with letter and position.
    """
    done, pieces = 0, iter(pieces)
    for piece in pieces:
        bases = piece.translate(_UPPER_T, _LAYOUT)
        wrong = bases.find(_WRONG)
        good = bases if wrong < 0 else bases[:wrong]
        done += len(good)
        if good:
            yield good
        if wrong >= 0:
            letter = _NOT_NUCLEOTIDE.search(piece).group().decode("latin-1")
            reason = f"{letter!r} at base {done + 1} is not a nucleotide code ({IUPAC})"
            unread = len(bases) - wrong + sum(len(rest.translate(None, _LAYOUT)) for rest in pieces)
            raise BadRecord(NOT_NUCLEOTIDE, reason, unread)
