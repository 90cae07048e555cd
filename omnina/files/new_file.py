"""Files that a command makes, and that must not be there yet."""

from pathlib import Path

from omnina.errors import UserError


def check_new_file(path: Path, option: str) -> None:
    """Make the folder of a file; UserError if the file exists, or no folder can be made.

    Args:
        path: of the file.
        option: that names it, for the message.
    """
    if path.exists():
        raise UserError(f"{path}: this exists already; choose another {option}, or remove it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path.parent}: no folder can be made there ({error.strerror}).") from error
