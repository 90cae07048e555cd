"""Files that a command makes: that must not be there yet, or that it may write anew."""

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
    check_output_file(path, option)


def check_output_file(path: Path, option: str) -> None:
    """Make the folder of a file; UserError if the path is a folder, or none can be made."""
    if path.is_dir():
        raise UserError(f"{path}: this is a folder; {option} names a file.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{path.parent}: no folder can be made there ({error.strerror}).") from error
