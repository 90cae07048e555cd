"""The documented commands: one by one, from fenced blocks and from code within sentences."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from doc_pages import ROOT, Block, blocks, inline_code, manual

SHELL = ("bash", "sh", "console")
SYNTAX = re.compile(r"(for .*; do|done)$")  # a loop's lines; what it repeats is a command of its own
ENVIRONMENT = re.compile(r"\w+=\S*")
STAGES = ("pretrain", "finetune")


@dataclass(frozen=True)
class Command:
    """A command and where it stands; a whole block where that is Python, or a file to be written."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def words(self) -> list[str]:
        """Without settings of the environment before it."""
        words = shlex.split(self.text, comments=True)
        while words and ENVIRONMENT.fullmatch(words[0]):
            words = words[1:]
        return words

    @property
    def stage(self) -> str | None:
        """The stage that it starts; None for any other command."""
        for name in STAGES:
            if {f"{name}.sh", f"omnina.{name}", f"scripts/slurm/{name}.sbatch"} & set(self.words):
                return name
        return None

    @property
    def script(self) -> str | None:
        """The Python script that it runs."""
        words = self.words
        runs = len(words) > 1 and words[0] == "python" and words[1].endswith(".py")
        return words[1] if runs else None


def commands(page: Path) -> list[Command]:
    """The commands of a page's fenced blocks, in order."""
    return [command for block in blocks(page) for command in _of_block(block)]


def all_commands() -> list[Command]:
    return [command for page in manual() for command in commands(page)]


def shell_commands() -> list[Command]:
    """Those for a shell, and those within sentences, which show an option."""
    within = [
        Command(code.page, code.line, "bash", code.text)
        for page in manual()
        for code in inline_code(page)
        if re.match(r"(python|bash) \S+\.(py|sh)\b|python -m omnina\.|sbatch ", code.text)
    ]
    return [command for command in all_commands() if command.language == "bash"] + within


def _of_block(block: Block) -> list[Command]:
    if block.language in SHELL:
        return _of_shell(block)
    written = block.language == "yaml" and file_name(block.text)
    if block.language == "python" or written:
        return [Command(block.page, block.line, block.language, block.text)]
    return []


def file_name(text: str) -> str | None:
    """The file that a YAML block is to be saved as: its first line names it."""
    found = re.match(r"# (\S+\.yaml)\n", text)
    return found[1] if found else None


def _of_shell(block: Block) -> list[Command]:
    found, begun, first = [], "", 0
    for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
        if block.language == "console" and not begun and not line.startswith("$ "):
            continue
        first = first if begun else number
        begun += line.removeprefix("$ ").strip()
        if begun.endswith("\\"):
            begun = begun[:-1]
            continue
        text = " ".join(shlex.join(shlex.split(begun, comments=True)).split()) if "#" in begun else begun
        if text and not SYNTAX.match(text):
            found.append(Command(block.page, first, "bash", " ".join(text.split())))
        begun = ""
    return found
