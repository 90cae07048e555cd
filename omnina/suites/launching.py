"""Runs of the two stages as a user starts them, one after the other."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from omnina.errors import UserError

ROOT = Path(__file__).parents[2]


def launch(script: str, config: Path, settings: Mapping[str, object], more: Sequence[str] = ()) -> None:
    """Run ``bash SCRIPT CONFIG --key value ...``, on all GPUs of the machine.

    Args:
        script: ``pretrain.sh`` or ``finetune.sh``.
        config: its YAML file.
        settings: of the YAML's keys; a list has several values.
        more: of them, as on the command line.

    Raises UserError if the run fails; its own message stands above.
    """
    flags = [part for key, value in settings.items() for part in (f"--{key}", *_texts(value))]
    done = subprocess.run(["bash", ROOT / script, config, *flags, *more], check=False)
    if done.returncode:
        raise UserError(f"{settings['output_dir']}: {script} ended with status {done.returncode}; see above.")


def _texts(value: object) -> list[str]:
    return [str(entry) for entry in value] if isinstance(value, list) else [str(value)]
