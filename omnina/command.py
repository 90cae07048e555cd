"""What commands share: how they end on a mistake or a stop, where they may write, checked numbers."""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

from omnina.errors import UserError
from omnina.files.output_links import refuse_links_out
from omnina.offline import stay_offline
from omnina.preemption import PREEMPTED_STATUS, Preempted

USER_ERROR_STATUS = 2
INTERRUPTED_STATUS = 130


def run_command(main: Callable[[], None]) -> None:
    """Run ``main``; a UserError (status 2), a preemption (75) or Ctrl-C (130) is told without a traceback."""
    stay_offline()
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR_STATUS)
    except Preempted as stop:
        print(stop, file=sys.stderr)
        sys.exit(PREEMPTED_STATUS)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(INTERRUPTED_STATUS)


def check_report_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise UserError if ``folder`` is a file, exists while ``overwrite`` is false, or links out."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file; name a folder for the report.")
    if folder.exists() and not overwrite:
        raise UserError(f"{folder}: this folder exists; name another, or add --overwrite.")
    refuse_links_out(folder)


def whole_number(lowest: int) -> Callable[[str], int]:
    """An argparse type: whole numbers from ``lowest``."""

    def checked(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = lowest - 1
        if value < lowest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {lowest}")
        return value

    return checked


def positive_number(text: str) -> float:
    """An argparse type: finite numbers above 0."""
    return _number(text, lambda value: 0 < value < math.inf, "a number above 0")


def share(text: str) -> float:
    """An argparse type: numbers from 0 to 1."""
    return _number(text, lambda value: 0 <= value <= 1, "a number from 0 to 1")


def _number(text: str, is_right: Callable[[float], bool], wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not is_right(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
    return value
