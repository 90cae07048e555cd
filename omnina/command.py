"""How a command of this repository ends when its user made a mistake."""

import sys
from collections.abc import Callable

from omnina.errors import UserError

USER_ERROR_STATUS = 2


def run_command(main: Callable[[], None]) -> None:
    """Run ``main``; a UserError is printed without a traceback, and the exit status is 2."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR_STATUS)
