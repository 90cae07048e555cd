"""``--help`` of the two stages: this project's keys first, then transformers'.

Importing ``TrainingArguments`` takes as long as torch and more, so its keys are read from its source file.
Nothing heavy is imported here.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields
from importlib.util import find_spec
from pathlib import Path
from textwrap import fill

from omnina.run_settings import RunSettings
from omnina.setting_keys import REFUSED

WIDTH, INDENT = 110, 34  # columns
OURS = "omnina.trainer_settings", "TrainerSettings"
THEIRS = "transformers.training_args", "TrainingArguments"


def wants_help(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for help."""
    return "-h" in arguments or "--help" in arguments


def help_text(description: str, kind: type[RunSettings]) -> str:
    """What a stage does and every key of its YAML, which are its flags too."""
    own = [_entry(entry.name, _own_help(entry)) for entry in fields(kind)]
    adjusted = dict(keys_in_source(*OURS))
    inherited = adjusted | {
        name: text
        for name, text in keys_in_source(*THEIRS)
        if name not in adjusted and name not in REFUSED and not name.startswith("_")
    }
    return "\n".join(
        [
            description.strip(),
            "\nKeys of the YAML, and flags, of this project:\n",
            *own,
            "\nKeys of transformers' TrainingArguments (the first with other defaults here):\n",
            *(_entry(name, text) for name, text in inherited.items()),
        ]
    )


def keys_in_source(module: str, class_name: str) -> Iterator[tuple[str, str]]:
    """Name and help of each field of a dataclass, in order, without importing its module.

    Raises ValueError if its source has no such class.
    """
    package, file = module.split(".")
    found = find_spec(package)  # of a top-level package: nothing is imported
    source = Path(found.submodule_search_locations[0], f"{file}.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef) and node.name == class_name:
            assigned = (part for part in node.body if isinstance(part, ast.AnnAssign))
            return ((part.target.id, _help_of(part.value)) for part in assigned)
    raise ValueError(f"{module} has no class {class_name}")


def _help_of(value: ast.expr | None) -> str:
    """The text of ``field(metadata={"help": ...})``; empty where it is no plain text."""
    for node in ast.walk(value) if value else ():
        if isinstance(node, ast.Dict):
            for key, text in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "help" and isinstance(text, ast.Constant):
                    return " ".join(text.value.replace("%%", "%").split())
    return ""


def _own_help(entry) -> str:
    text = entry.metadata.get("help", "")
    if entry.default is MISSING:
        return f"{text} (required)"
    return text if entry.default is None else f"{text} ({entry.default})"


def _entry(name: str, text: str) -> str:
    """``  --name   text``, wrapped."""
    flag = f"  --{name}".ljust(INDENT - 1) + " "
    return fill(flag + text, WIDTH, subsequent_indent=" " * INDENT, break_on_hyphens=False)
