"""Pretraining recipes: YAML files, each with every combination of the values that some keys are varied by.

    recipes_of([Path("a.yaml")], ["learning_rate=1e-3,2e-3", "muon=false,true"])     four recipes

Values are texts as on the command line of ``bash pretrain.sh``: 1e-3 is a number there (YAML reads a text).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from omnina.errors import UserError
from omnina.setting_values import flag
from omnina.suites.choosing import check_once

LONGEST_NAME = 255  # bytes of a folder's name, on most file systems


@dataclass(frozen=True)
class Recipe:
    """A YAML file of ``bash pretrain.sh``, and keys set over it.

    Attributes:
        config: the file, from the root of the file system (the stage's script changes folder).
        varied: values by key, as on the command line.
    """

    config: Path
    varied: Mapping[str, str]

    @property
    def name(self) -> str:
        """Of its folder and its row; ``example,learning_rate=1e-3``."""
        parts = [self.config.stem, *(f"{key}={value}" for key, value in self.varied.items())]
        return re.sub(r"[^\w.,=+-]+", "_", ",".join(parts))

    def flags(self) -> list[str]:
        """The varied keys on the command line; a value in square brackets has several words."""
        return [part for key, value in self.varied.items() for part in flag(key, _words(value))]


def recipes_of(configs: Sequence[Path], vary: Sequence[str] = ()) -> list[Recipe]:
    """Each file with each combination of values, the last key's changing fastest; the first is the reference.

    Args:
        configs: YAML files.
        vary: ``KEY=VALUE,VALUE`` each.

    Raises UserError for a text of another form, a key varied twice, two recipes of one name, or a name that
    no folder can have.
    """
    axes = [_axis(text) for text in vary]
    check_once("--vary", [key for key, _ in axes])
    recipes = [Recipe(config.resolve(), varied) for config in configs for varied in _combinations(dict(axes))]
    check_once("recipes", [recipe.name for recipe in recipes])
    for recipe in recipes:
        _check_name(recipe.name)
    return recipes


def _check_name(name: str) -> None:
    size = len(name.encode())
    if size > LONGEST_NAME:
        raise UserError(
            f"{name[:60]}...: the recipe's folder would have a name of {size} bytes, and {LONGEST_NAME} is "
            "the most; vary fewer keys, or write the longest values into YAML files of their own."
        )


def _axis(text: str) -> tuple[str, list[str]]:
    """``KEY=VALUE,VALUE`` as the key and its values."""
    key, _, values = text.partition("=")
    parts = _split(values)
    if not key or not all(parts):
        raise UserError(f"--vary {text}: write KEY=VALUE,VALUE, as in learning_rate=1e-3,2e-3.")
    return key, parts


def _split(text: str) -> list[str]:
    """At commas, those inside brackets and braces left alone: lists and JSON are one value."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _combinations(axes: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    for values in product(*axes.values()):
        yield dict(zip(axes, values, strict=True))


def _words(value: str) -> str | list[str]:
    is_list = value.startswith("[") and value.endswith("]")
    return [word.strip() for word in value[1:-1].split(",")] if is_list else value
