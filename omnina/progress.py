"""The progress bar of every long step: rate and remaining time on a terminal, nothing elsewhere.

A bar in a log file is a line of thousands of characters. transformers shows bars of its own whenever it reads
or writes weights, terminal or not; ``no_library_bars`` keeps them back. ``no_library_words`` is for what the
caller checks itself, so that a library's doubts tell nobody anything.
"""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import TypeVar

from tqdm import tqdm

Thing = TypeVar("Thing")


def progress_bar(doing: str, unit: str, total: int | None = None, *, done: int = 0) -> tqdm:
    """A bar on stderr, to be closed by ``with``; silent where that is no terminal.

    Args:
        doing: the step, in a word or two.
        unit: what is counted, in the plural; ``B`` is scaled to kB, MB, ...
        total: of them; None where it is not known.
        done: of them, before this process began.
    """
    shown = {"unit": "B", "unit_scale": True} if unit == "B" else {"unit": f" {unit}"}
    return tqdm(total=total, initial=done, desc=doing, disable=None, **shown)


def counted(things: Iterable[Thing], doing: str, unit: str, *, shown: bool = True) -> Iterator[Thing]:
    """The same things, one after another, under a bar that goes away at the end.

    Args:
        things: what is worked on; where they have a length, the bar knows the end.
        doing, unit: as above.
        shown: false in a process that leaves the bar to another one.
    """
    return iter(tqdm(things, desc=doing, unit=f" {unit}", leave=False, disable=None if shown else True))


def told_beside_bars(text: str) -> None:
    """Print a line to stderr without breaking the bar that may stand there."""
    tqdm.write(text, file=sys.stderr)


@contextmanager
def no_library_bars() -> Iterator[None]:
    """A block in which transformers shows no bars of its own."""
    from transformers.utils import logging as bars  # seconds to import, and bars are wanted where it is not

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


@contextmanager
def no_library_words() -> Iterator[None]:
    """A block in which libraries log no warnings and write nothing to stderr; errors are raised as ever."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with redirect_stderr(StringIO()):
            yield
    finally:
        logging.disable(before)
