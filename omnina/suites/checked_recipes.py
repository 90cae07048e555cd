"""What is known of recipes before the first of them trains: most mistakes in the last then cost no hours.

Their settings are parsed as the runs will, their tables, tokenizer and architecture looked at. It takes the
time to read the tables once for their sha256, unless the cache remembers it. What needs the rows themselves
shows in a recipe's own first run: bad rows, a ``tokens_per_step`` too small for the longest document, a
weight of soft-masked bases where there are none. So does what needs the GPU: memory, float8.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from omnina.config import PretrainSettings
from omnina.errors import UserError
from omnina.files.yaml_file import read_yaml
from omnina.setting_values import flag
from omnina.suites.recipes import Recipe
from omnina.suites.stage_settings import (
    at_root,
    check_table_weights,
    stage_settings,
    start_of,
    table_digests,
)
from omnina.trainer_settings import TrainerSettings

ROWS = ("validation_documents", "min_bases", "max_n_run", "window", "overlap", "bad_rows")  # decide them


@dataclass(frozen=True)
class CheckedRecipe:
    """A recipe that can be run.

    Attributes:
        recipe: what was checked.
        cache_dir: of all recipes, the first one's.
        stamp: what decides its figures, seeds aside, as JSON values.
        parsed: every setting but those that the sweep sets, to tell recipes apart.
        validated_on: what must be alike for figures to be compared, by key.
    """

    recipe: Recipe
    cache_dir: str
    stamp: dict
    parsed: dict
    validated_on: dict


def checked_recipes(recipes: Sequence[Recipe], overrides: Sequence[str]) -> list[CheckedRecipe]:
    """The recipes, each with what stands behind ``--``, checked.

    Raises UserError, naming the recipe, for settings that a run would refuse, for tables that are not there,
    two recipes with the same settings, or validation on other rows than the first one's.
    """
    found: list[CheckedRecipe] = []
    for recipe in recipes:
        with at_root(recipe.name):
            found.append(_checked(recipe, overrides, found[0].cache_dir if found else None))
        _check_beside(found[-1], found[:-1])
    return found


def _checked(recipe: Recipe, overrides: Sequence[str], cache_dir: str | None) -> CheckedRecipe:
    own = flag("output_dir", "a sweep's") + flag("seed", 0) + flag("cache_dir", cache_dir)
    run, args = stage_settings("pretrain", recipe.config, [*overrides, *recipe.flags(), *own])
    assert isinstance(run, PretrainSettings)
    _check_needs(args)
    check_table_weights(run)
    start = start_of(run)
    training, validation = (
        table_digests(files, run.cache_dir) for files in (run.train_files, run.validation_files)
    )
    stamp = {
        "keys": read_yaml(recipe.config),
        "varied": dict(recipe.varied),
        "overrides": list(overrides),
        **start,
        "tables": [*training, *validation],
    }
    return CheckedRecipe(
        recipe, run.cache_dir, stamp, vars(run) | args.to_dict(), _validated_on(run, validation)
    )


def _check_needs(args: TrainerSettings) -> None:
    """UserError for a run that leaves out what the table is made of."""
    for key in ("logging_strategy", "eval_strategy"):
        if getattr(args, key) == "no":
            raise UserError(f"{key}: the table is made of what runs log and validate; set {key}: steps.")
    first_log = 1 if args.logging_first_step else args.logging_steps
    if args.logging_strategy == "steps" and 0 < args.max_steps < first_log:
        raise UserError(f"logging_steps ({first_log}) is above max_steps ({args.max_steps}); lower it.")


def _validated_on(run: PretrainSettings, tables: list[str]) -> dict:
    """By key. Rows the other way round matter where documents are drawn from among both."""
    drawn = run.validation_documents is not None
    of_rows = {name: getattr(run, name) for name in ROWS}
    return {"validation_files": tables, **of_rows, "write_sequences": drawn and run.write_sequences}


def _check_beside(new: CheckedRecipe, earlier: Sequence[CheckedRecipe]) -> None:
    for other in earlier:
        if other.parsed == new.parsed:
            raise UserError(f"{new.recipe.name}: the same settings as {other.recipe.name}; leave one out.")
    theirs = earlier[0].validated_on if earlier else new.validated_on
    differing = [key for key, value in new.validated_on.items() if theirs[key] != value]
    if differing:
        raise UserError(
            f"{new.recipe.name}: validates on other rows than {earlier[0].recipe.name}, so their figures "
            f"cannot be compared; give both the same {', '.join(differing)}."
        )
