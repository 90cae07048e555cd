"""What sources and questions are called in metrics and file names: letters, digits, underscores."""

import re
from collections.abc import Iterable
from itertools import count


def distinct_names(texts: Iterable[str], longest: int | None = None) -> dict[str, str]:
    """A name for each text, no two the same, case aside (files, and people, do not tell case apart).

    Args:
        texts: in an order that does not change: of two that would share a name, the later gets a number.
        longest: characters of a name before its number; all if None.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for text in dict.fromkeys(texts):
        plain = re.sub(r"\W+", "_", text).strip("_")[:longest] or "unnamed"
        numbered = (plain if number == 1 else f"{plain}_{number}" for number in count(1))
        names[text] = next(name for name in numbered if name.casefold() not in taken)
        taken.add(names[text].casefold())
    return names
