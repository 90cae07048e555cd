"""The options that a documented command's own parser knows."""

import contextlib
import io
import re
import runpy
import sys
from functools import cache
from unittest import mock

from accelerate.commands.launch import launch_command_parser
from doc_commands import Command
from doc_pages import ROOT

from omnina.config import FinetuneSettings, PretrainSettings
from omnina.run_help import help_text

ALWAYS = {"--help", "--key"}  # the latter stands for any
TAKES_A_RUNS_KEYS = "scripts/plan.py"
SETTINGS = {"pretrain": PretrainSettings, "finetune": FinetuneSettings}
_OPTION = re.compile(r"--[A-Za-z]\w*")


def unknown_options(command: Command) -> list[str]:
    """The options of a command that it would refuse; none of other programs than ours."""
    known = _known(command)
    options = [word.split("=")[0] for word in _own_words(command) if word.startswith("--")]
    return [option for option in options if known and option not in known]


def launcher_options(command: Command) -> list[str]:
    """Those that accelerate's launcher would refuse, of what stands before the module."""
    known = set(launch_command_parser()._option_string_actions)
    return [word for word in _launcher_words(command) if word.startswith("--") and word not in known]


def _known(command: Command) -> set[str]:
    stages = SETTINGS if command.script == TAKES_A_RUNS_KEYS else filter(None, [command.stage])
    known = set().union(*map(_of_stage, stages))
    known |= _of_script(command.script, _subcommand(command)) if command.script else set()
    return known and known | ALWAYS


def _own_words(command: Command) -> list[str]:
    """What the stage or script itself reads: behind what Slurm and the launcher read, before a ``--``."""
    words = command.words
    first = next((place for place, word in enumerate(words) if _starts(word, command)), 0)
    own = words[first + 1 :]
    return own[: own.index("--")] if "--" in own else own


def _starts(word: str, command: Command) -> bool:
    return word == command.script or bool(
        command.stage and re.fullmatch(rf"\S*{command.stage}(\.\w+)?", word)
    )


def _launcher_words(command: Command) -> list[str]:
    words = command.words
    if "omnina.launch" not in words:
        return []
    return words[words.index("omnina.launch") + 1 : len(words) - len(_own_words(command)) - 2]


@cache
def _of_stage(stage: str) -> set[str]:
    return set(_OPTION.findall(help_text("", SETTINGS[stage])))


@cache
def _of_script(script: str, subcommand: tuple[str, ...]) -> set[str]:
    """What ``--help`` names, of a script of ours."""
    path = str(ROOT / script)
    module = runpy.run_path(path)
    if "parse_arguments" not in module:
        return set()
    printed = io.StringIO()
    with (
        mock.patch.object(sys, "argv", [path, *subcommand, "--help"]),
        contextlib.redirect_stdout(printed),
        contextlib.suppress(SystemExit),
    ):
        module["parse_arguments"]()
    return set(_OPTION.findall(printed.getvalue()))


def _subcommand(command: Command) -> tuple[str, ...]:
    words = command.words
    return tuple(words[2:3]) if command.script == "scripts/benchmark.py" else ()
