"""Texts with a passage's fields in braces: ``"Product: {product}."``

A field is one of those in ``passage.FIELDS``, or a rank of the lineage: ``{lineage.0}`` is its first name
(the domain), ``{lineage.1}`` the next, ``{lineage.-1}`` the last. ``accession``, ``start`` (counted from 0),
``end`` (exclusive) and ``strand`` are the passage's own where ``fields`` says nothing of them; the strand
``.`` counts as absent. A brace that is meant as such is written twice, ``{{``. What a field holds is put in
as it stands, whatever it is; but a full stop after a field that ends in one ("Clostridium sp.") is not
written twice.
"""

import re
import string
from dataclasses import dataclass

from omnina.corpus.passage import FIELDS, Passage
from omnina.corpus.section import nearest, texts
from omnina.errors import UserError

_RANK = re.compile(r"lineage\.-?\d+")
_NAMES = (*FIELDS, "lineage.1", "lineage.-1")  # what a misspelt field is compared with


def checked_field(name: str, where: str) -> str:
    """``name`` if it is a field or a rank, else UserError with the nearest."""
    if name not in FIELDS and not _RANK.fullmatch(name):
        raise UserError(f"{where}: unknown field '{name}'. {nearest(name, _NAMES)}")
    return name


def field_value(passage: Passage, name: str) -> str | None:
    """What the record says under a checked name; None if nothing."""
    field, _, rank = name.partition(".")
    value = passage.fields.get(field)
    if rank:
        return _rank(value, int(rank)) if value else None
    if value is None and field in ("accession", "start", "end"):
        return str(getattr(passage, field))
    if value is None and field == "strand" and passage.strand != ".":
        return passage.strand
    return value


@dataclass(frozen=True)
class Piece:
    """A text as (literal, field after it or None), in order."""

    parts: tuple[tuple[str, str | None], ...]

    def filled(self, passage: Passage) -> str | None:
        """The text with its fields' values; None if one of them is absent."""
        found, value = [], ""
        for literal, field in self.parts:
            stop_is_there = value.endswith(".") and literal.startswith(".")
            value = field_value(passage, field) if field else ""
            if value is None:
                return None
            found += [literal[1:] if stop_is_there else literal, value]
        return "".join(found)


@dataclass(frozen=True)
class Wording:
    """Pieces that are joined by a space, each left out where one of its fields is absent."""

    pieces: tuple[Piece, ...]

    def filled(self, passage: Passage) -> str | None:
        """The text, or None if all pieces are left out."""
        found = [filled for piece in self.pieces if (filled := piece.filled(passage)) is not None]
        return " ".join(found) if found else None


def read_wording(value: object, where: str) -> Wording:
    """One text or a list of them; raises UserError for what is none, or names an unknown field."""
    one = not isinstance(value, list)
    places = enumerate(texts(value, where))
    return Wording(tuple(_piece(written, where if one else f"{where}[{place}]") for place, written in places))


def _piece(written: str, where: str) -> Piece:
    try:
        parsed = list(string.Formatter().parse(written))
    except ValueError as error:
        raise UserError(f"{where}: {written!r}: {error}; a brace meant as such is written twice.") from error
    for _, field, width, conversion in parsed:
        if width or conversion:
            raise UserError(f"{where}: {written!r}: write {{{field}}} alone, without ':' or '!'.")
        if field is not None:
            checked_field(field, f"{where}: {written!r}")
    return Piece(tuple((literal, field) for literal, field, _, _ in parsed))


def _rank(lineage: str, place: int) -> str | None:
    names = [name.strip() for name in lineage.split(";")]
    return names[place] or None if -len(names) <= place < len(names) else None
