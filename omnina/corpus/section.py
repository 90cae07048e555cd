"""Checks on the sections of a corpus configuration: every mistake names its place and the nearest known key.

``where`` is that place, as in ``corpus.yaml: templates.questions[2]``.
"""

import difflib
from collections.abc import Collection, Mapping

from omnina.errors import UserError


def nearest(name: str, known: Collection[str]) -> str:
    """A hint for an error message: the known name that looks most like ``name``, or all there are."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean '{close[0]}'?" if close else f"Known are: {', '.join(known)}."


def checked_mapping(value: object, known: Collection[str], where: str) -> Mapping:
    """``value`` if it is a mapping with known keys only, else UserError."""
    if not isinstance(value, Mapping):
        raise UserError(f"{where}: expected lines of the form 'key: value', not {value!r}.")
    for key in value:
        if key not in known:
            raise UserError(f"{where}: unknown key '{key}'. {nearest(str(key), known)}")
    return value


def text(value: object, where: str) -> str:
    """``value`` if it is a text that is not blank; UserError else, as for a number without quotes."""
    if not isinstance(value, str):
        raise UserError(f"{where}: expected a text, not {value!r}; put it in quotes.")
    if not value.strip():
        raise UserError(f"{where}: the text is empty; write it or remove the key.")
    return value


def texts(value: object, where: str) -> tuple[str, ...]:
    """One text, or those of a list; UserError for an empty list or anything that is no text."""
    if not isinstance(value, list):
        return (text(value, where),)
    if not value:
        raise UserError(f"{where}: the list is empty; name one or more, or remove the key.")
    return tuple(text(entry, f"{where}[{place}]") for place, entry in enumerate(value))


def number(value: object, lowest: float, highest: float, where: str) -> float:
    """``value`` if it is a number between the two; UserError else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{where}: expected a number, not {value!r}.")
    if not lowest <= value <= highest:
        raise UserError(f"{where}: {value} is not between {lowest} and {highest}.")
    return value


def whole_number(value: object, lowest: int, where: str) -> int:
    """``value`` if it is a whole number of at least ``lowest``; UserError else."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise UserError(f"{where}: expected a whole number, not {value!r}.")
    if value < lowest:
        raise UserError(f"{where}: {value} is less than {lowest}.")
    return value


def choice(value: object, known: Collection[str], where: str) -> str:
    """``value`` if it is one of the known names; UserError else, with the nearest."""
    if value not in known:
        raise UserError(f"{where}: '{value}' is unknown. {nearest(str(value), known)}")
    return value


def flag(value: object, where: str) -> bool:
    """``value`` if it is true or false; UserError else."""
    if not isinstance(value, bool):
        raise UserError(f"{where}: expected true or false, not {value!r}.")
    return value
