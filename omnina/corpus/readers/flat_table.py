"""The feature table of a flat-file record: its entries, and a chosen one's location text and qualifiers.

Only entries that are wanted are parsed, so that an odd one of another kind does no harm.
"""

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from Bio import BiopythonParserWarning
from Bio.GenBank.Scanner import GenBankScanner

from omnina.corpus.readers.flat_text import FlatFormat

_HEADING = "FEATURES "
_PREFIX = {"genbank": "  ", "embl": "FT"}
_KIND_FROM, _TEXT_FROM = 2, 21  # columns
# "alpha- and beta-glucosidase": only before these does a hyphen at the end of a line stand before a blank.
_HANGING = re.compile(r"(?:and|or|to)\b")
# What parse_feature raises at text that it cannot follow.
_ENTRY_ERRORS = (ValueError, AssertionError, LookupError)


class BadEntry(ValueError):
    """An entry that cannot be taken apart."""


@dataclass(frozen=True)
class Entry:
    """One feature as it stands: ``index`` of its first line in the record, from 0; lines without margin."""

    index: int
    kind: str
    lines: list[str]


@dataclass(frozen=True)
class ParsedEntry:
    """The location without blanks, and the qualifiers' values; one without a value has an empty text."""

    location: str
    qualifiers: dict[str, list[str]]

    def first(self, *names: str) -> str:
        """The first value of the first of these qualifiers that says something, or an empty text."""
        return next((self.qualifiers[name][0] for name in names if any(self.qualifiers.get(name, ()))), "")


def table_start(lines: list[str], flat_format: FlatFormat) -> int:
    """Where the table begins in a record's lines; their number if it has none."""
    sign = _HEADING if flat_format == "genbank" else ("FH", _PREFIX["embl"])
    return next((index for index, line in enumerate(lines) if line.startswith(sign)), len(lines))


def entries(lines: list[str], start: int, flat_format: FlatFormat) -> Iterator[Entry]:
    """The table's features in file order."""
    prefix, entry = _PREFIX[flat_format], None
    for index, line in enumerate(lines[start:], start):
        if not line.startswith(prefix):
            if index > start and line.strip() and flat_format == "genbank":
                break  # what stands between the table and the bases
            continue
        if line[_KIND_FROM:_TEXT_FROM].strip():
            if entry:
                yield entry
            kind, *text = line[_KIND_FROM:].split(maxsplit=1)
            entry = Entry(index, kind, [text[0].strip() if text else ""])
        elif entry:
            entry.lines.append(line[_TEXT_FROM:].strip())
    if entry:
        yield entry


def parsed(entry: Entry) -> ParsedEntry:
    """Take an entry apart; raises BadEntry, with a reason, for one whose text does not end as it should."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BiopythonParserWarning)  # about layout
        try:
            _, location, found = GenBankScanner().parse_feature(entry.kind, entry.lines)
        except _ENTRY_ERRORS as error:
            shown = " ".join(" ".join(entry.lines).split())[:80]
            raise BadEntry(f"{shown!r} of a {entry.kind} does not end as a feature should") from error
    qualifiers: dict[str, list[str]] = {}
    for name, value in found:
        qualifiers.setdefault(name, []).append("" if value is None else _unquoted(value))
    return ParsedEntry("".join(location.split()), qualifiers)


def unwrapped(lines: Iterable[str]) -> str:
    """The text of wrapped lines: files break after a hyphen too, where no blank belongs."""
    text = ""
    for line in filter(None, (line.strip() for line in lines)):
        goes_on = text.endswith("-") and not text.endswith(" -") and not _HANGING.match(line)
        text += line if goes_on or not text else f" {line}"
    return text


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    return unwrapped(value.split("\n")).replace('""', '"')
