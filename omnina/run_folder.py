"""A run's folder: whose it is, where to go on, what it says in the end.

``run_settings.json`` holds what decides the weights; a folder whose settings differ is refused.
``run.json`` is the record of a finished run, ``training_log.json`` what it logged; ``checkpoint-N``
folders are where a killed one goes on.
"""

import platform
import re
from importlib.metadata import version
from pathlib import Path

import torch

from omnina.checkout import git_commit
from omnina.errors import UserError
from omnina.files.durable import write_json
from omnina.files.json_file import read_object

SETTINGS_FILE = "run_settings.json"
RECORD_FILE = "run.json"
LOG_FILE = "training_log.json"
PACKAGES = ("torch", "transformers", "accelerate", "tokenizers")


def claim(folder: Path, settings: dict, *, check: bool) -> None:
    """Make the folder this run's, writing its settings.

    Args:
        folder: the run's output folder.
        settings: everything that decides the weights, as JSON values.
        check: refuse a folder with checkpoints of other settings.

    Raises UserError naming the settings that differ.
    """
    path = folder / SETTINGS_FILE
    if check and path.is_file():
        theirs = read_object(path)
        names = sorted(name for name in settings | theirs if settings.get(name) != theirs.get(name))
        if names:
            lines = [f"  {name}: there {theirs.get(name)}, here {settings.get(name)}" for name in names]
            raise UserError(
                f"{folder} holds another run:\n" + "\n".join(lines) + "\nChoose another --output_dir, remove "
                "the folder, or go on from a checkpoint on purpose with --resume_from_checkpoint FOLDER."
            )
    elif check and numbered_checkpoints(folder):
        raise UserError(
            f"{folder} holds checkpoints without {SETTINGS_FILE}, so of another program. Choose another "
            "--output_dir, or name the checkpoint with --resume_from_checkpoint FOLDER."
        )
    folder.mkdir(parents=True, exist_ok=True)
    write_json(path, dict(sorted(settings.items())))


def numbered_checkpoints(folder: Path) -> list[Path]:
    """Its ``checkpoint-N`` folders, whole or not, the fewest steps first."""
    steps = {path: re.fullmatch(r"checkpoint-(\d+)", path.name) for path in folder.glob("checkpoint-*")}
    found = {path: int(match[1]) for path, match in steps.items() if match and path.is_dir()}
    return sorted(found, key=found.__getitem__)


def is_finished(folder: Path) -> bool:
    """Whether the run in this folder came to its end and wrote its record."""
    return (folder / RECORD_FILE).is_file()


def write_record(folder: Path, record: dict) -> None:
    """Write ``run.json``."""
    write_json(folder / RECORD_FILE, record)


def write_log(folder: Path, log_history: list[dict]) -> None:
    """Write ``training_log.json``, the Trainer's log under the name that its own state gives it."""
    write_json(folder / LOG_FILE, {"log_history": log_history})


def made_by() -> dict:
    """Code, hardware and versions of this process, for a record."""
    return {"git_commit": git_commit(), "hardware": hardware(), "versions": _versions()}


def hardware() -> str:
    """The device in words."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
