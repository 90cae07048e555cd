"""``--help`` answers before anything heavy is imported."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from omnina.config import FinetuneSettings, PretrainSettings
from omnina.run_help import help_text
from omnina.setting_keys import REFUSED
from omnina.trainer_settings import TrainerSettings

ROOT = Path(__file__).parents[1]
HEAVY = (
    "torch",
    "transformers.trainer",
    "transformers.training_args",
    "datasets",
    "sklearn",
    "matplotlib",
    "peft",
)
COMMANDS = [
    *("omnina.pretrain", "omnina.finetune"),
    *sorted(str(path) for path in (ROOT / "scripts").glob("*.py") if "argparse" in path.read_text()),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: Path(command).name)
def test_help_imports_nothing_heavy(command):
    program = (
        "import atexit, runpy, sys\n"
        f"sys.argv = [{command!r}, '--help']\n"
        f"atexit.register(lambda: print('HEAVY:', *sorted(set({HEAVY}) & set(sys.modules))))\n"
        f"runpy.run_{'path' if command.endswith('.py') else 'module'}({command!r}, run_name='__main__')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "usage" in ran.stdout or "Keys of the YAML" in ran.stdout
    imported = ran.stdout.rsplit("HEAVY:", 1)[1].split()
    assert not imported


@pytest.mark.parametrize("kind", [PretrainSettings, FinetuneSettings])
def test_help_names_every_key_there_is_ours_first(kind):
    flags = [line.split()[0] for line in help_text("", kind).splitlines() if line.startswith("  --")]
    own = [f"--{entry.name}" for entry in fields(kind)]
    assert flags[: len(own)] == own
    theirs = {f"--{entry.name}" for entry in fields(TrainerSettings) if entry.init}
    assert set(flags[len(own) :]) == theirs - {f"--{name}" for name in REFUSED}
    assert len(flags) == len(set(flags))
