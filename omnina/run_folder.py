"""A run's folder: whose it is, where to go on, what it says in the end.

``run_settings.json`` holds what decides the weights; a folder whose settings differ is refused.
``run.json`` is the record of a finished run. A checkpoint is whole once its ``trainer_state.json`` is
there, which the Trainer writes last.
"""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from omnina.checkout import git_commit
from omnina.errors import UserError

SETTINGS_FILE = "run_settings.json"
RECORD_FILE = "run.json"
PACKAGES = ("torch", "transformers", "accelerate", "datasets", "tokenizers")


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
        theirs = json.loads(path.read_text(encoding="utf-8"))
        names = sorted(name for name in settings | theirs if settings.get(name) != theirs.get(name))
        if names:
            lines = [f"  {name}: there {theirs.get(name)}, here {settings.get(name)}" for name in names]
            raise UserError(
                f"{folder} holds another run:\n" + "\n".join(lines) + "\nChoose another --output_dir, remove "
                "the folder, or go on from a checkpoint on purpose with --resume_from_checkpoint FOLDER."
            )
    elif check and last_whole_checkpoint(folder):
        raise UserError(
            f"{folder} holds checkpoints without {SETTINGS_FILE}, so of another program. Choose another "
            "--output_dir, or name the checkpoint with --resume_from_checkpoint FOLDER."
        )
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def last_whole_checkpoint(folder: Path) -> Path | None:
    """The checkpoint with the most steps among those written to the end."""
    whole = [path.parent for path in folder.glob("checkpoint-*/trainer_state.json") if _is_json(path)]
    return max(whole, key=lambda path: int(path.name.split("-")[1]), default=None)


def checkpoint_step(checkpoint: Path) -> int:
    """Steps done at a checkpoint; UserError if the folder is not a whole one."""
    path = checkpoint / "trainer_state.json"
    if not path.is_file() or not _is_json(path):
        raise UserError(f"{checkpoint}: not a whole checkpoint (no readable trainer_state.json in it).")
    return json.loads(path.read_text(encoding="utf-8"))["global_step"]


def is_finished(folder: Path) -> bool:
    """Whether the run in this folder came to its end and wrote its record."""
    return (folder / RECORD_FILE).is_file()


def write_record(folder: Path, record: dict) -> None:
    """Write ``run.json``: the given figures, and where they were made."""
    made = {"git_commit": git_commit(), "hardware": hardware(), "versions": _versions()}
    path = folder / RECORD_FILE
    path.write_text(json.dumps(record | made, indent=2) + "\n", encoding="utf-8")


def hardware() -> str:
    """The device in words."""
    if torch.cuda.is_available():
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}"
    return f"{platform.machine()} CPU, {torch.get_num_threads()} threads"


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError:
        return False
    return True
