"""What the commands of this repository share: where they may write, and how they end on a user's mistake."""

import sys
from collections.abc import Callable
from pathlib import Path

from omnina.errors import UserError

USER_ERROR_STATUS = 2


def run_command(main: Callable[[], None]) -> None:
    """Run ``main``; a UserError is printed without a traceback, and the exit status is 2."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR_STATUS)


def check_report_folder(folder: Path, *, overwrite: bool) -> None:
    """Raise UserError if ``folder`` is a file, or exists while ``overwrite`` is false."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file; name a folder for the report.")
    if folder.exists() and not overwrite:
        raise UserError(f"{folder}: this folder exists; name another, or add --overwrite.")
