"""What is known of recipes before the first of them trains, so that a mistake in the last costs no hours.

Their settings are parsed as the runs will, their tables, tokenizer and architecture looked at. It takes the
time to read the tables once for their sha256, unless the cache remembers it.
"""

from collections.abc import Sequence
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

from omnina.checkpoints.contents import weights_digest
from omnina.config import PretrainSettings
from omnina.errors import UserError
from omnina.files.yaml_file import read_yaml
from omnina.planning.architecture import architecture_of
from omnina.planning.settings import planned_settings
from omnina.setting_values import flag
from omnina.stage import tokenizer_of
from omnina.suites.launching import ROOT
from omnina.suites.recipes import Recipe
from omnina.tables.digests import digested_tables
from omnina.tables.table import expand_paths
from omnina.tokenizer import vocabulary_digest


@dataclass(frozen=True)
class CheckedRecipe:
    """A recipe that can be run.

    Attributes:
        recipe: what was checked.
        cache_dir: of all recipes, the first one's.
        stamp: what decides its figures, seeds aside, as JSON values.
        parsed: every setting but those that the sweep sets, to tell recipes apart.
        validated_on: what must be alike for figures to be compared.
    """

    recipe: Recipe
    cache_dir: str
    stamp: dict
    parsed: dict
    validated_on: tuple


def checked_recipes(recipes: Sequence[Recipe], overrides: Sequence[str]) -> list[CheckedRecipe]:
    """The recipes, each with what stands behind ``--``, checked.

    Raises UserError, naming the recipe, for settings that a run would refuse, for tables that are not there,
    two recipes with the same settings, or validation on other rows than the first one's.
    """
    found: list[CheckedRecipe] = []
    for recipe in recipes:
        try:
            with chdir(ROOT):  # as the stage's script: paths in a YAML are from there
                found.append(_checked(recipe, overrides, found[0].cache_dir if found else None))
        except UserError as error:
            raise UserError(f"{recipe.name}: {error}") from error
        _check_beside(found[-1], found[:-1])
    return found


def _checked(recipe: Recipe, overrides: Sequence[str], cache_dir: str | None) -> CheckedRecipe:
    own = flag("output_dir", "a sweep's") + flag("seed", 0) + flag("cache_dir", cache_dir)
    arguments = [str(recipe.config), *overrides, *recipe.flags(), *own]
    run, args = planned_settings(arguments, "pretrain", elsewhere=True)
    assert isinstance(run, PretrainSettings)
    tokenizer = tokenizer_of(run)
    architecture_of(run, tokenizer)
    training, validation = (
        _digests(files, run.cache_dir) for files in (run.train_files, run.validation_files)
    )
    stamp = {
        "keys": read_yaml(recipe.config),
        "varied": dict(recipe.varied),
        "overrides": list(overrides),
        "start": _start(run),
        "tokenizer": vocabulary_digest(tokenizer),
        "tables": [*training, *validation],
    }
    validated_on = (*validation, run.validation_documents, run.min_bases, run.max_n_run)
    return CheckedRecipe(recipe, run.cache_dir, stamp, vars(run) | args.to_dict(), validated_on)


def _check_beside(new: CheckedRecipe, earlier: Sequence[CheckedRecipe]) -> None:
    for other in earlier:
        if other.parsed == new.parsed:
            raise UserError(f"{new.recipe.name}: the same settings as {other.recipe.name}; leave one out.")
    if earlier and earlier[0].validated_on != new.validated_on:
        raise UserError(
            f"{new.recipe.name}: validates on other rows than {earlier[0].recipe.name}, so their figures "
            "cannot be compared; give both the same validation_files, validation_documents, min_bases and "
            "max_n_run."
        )


def _digests(files: list[str], cache_dir: str) -> list[str]:
    Path(cache_dir).mkdir(parents=True, exist_ok=True)
    return [table.sha256 for table in digested_tables(expand_paths(files), Path(cache_dir))]


def _start(run: PretrainSettings) -> str:
    """The weights of the checkpoint, or the architecture of random ones."""
    if run.checkpoint:
        return weights_digest(Path(run.checkpoint))
    return Path(run.model_config).read_text(encoding="utf-8")
