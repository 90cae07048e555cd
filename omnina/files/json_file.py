"""JSON files as mappings, checked."""

import json
from pathlib import Path

from omnina.errors import UserError


def read_object(path: Path) -> dict:
    """The object in a JSON file; UserError, naming the file, if it holds anything else."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not JSON, or not even UTF-8
        raise UserError(f"{path}: not JSON ({error}); copy the file again.") from error
    if not isinstance(values, dict):
        raise UserError(f"{path}: expected names and values in braces; copy the file again.")
    return values
