"""What a folder's figures were made with, so that those of other settings are not taken for them."""

from collections.abc import Mapping
from pathlib import Path

from omnina.errors import UserError
from omnina.files.durable import write_json
from omnina.files.json_file import read_object

STAMP_FILE = "made_with.json"


def check_stamp(folder: Path, settings: Mapping) -> None:
    """UserError, naming what differs, if figures of other settings are in a folder."""
    differing = other_settings(folder, settings) if (folder / STAMP_FILE).is_file() else []
    if differing:
        raise UserError(
            f"{folder}: figures of other settings are here (other {', '.join(differing)}); choose another "
            "--output."
        )


def other_settings(folder: Path, settings: Mapping) -> list[str]:
    """The names of those that a folder's stamp has otherwise, or not at all; all if there is no stamp."""
    path = folder / STAMP_FILE
    theirs = read_object(path) if path.is_file() else {}
    return [name for name in {**settings, **theirs} if theirs.get(name) != settings.get(name)]


def write_stamp(folder: Path, settings: Mapping) -> None:
    """Note the settings, as JSON values, of what is in a folder."""
    write_json(folder / STAMP_FILE, settings)
