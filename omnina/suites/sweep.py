"""Pretraining recipes compared at equal tokens and equal FLOPs, over seeds.

    FOLDER/RECIPE/seed_1/          the run, as pretraining writes it
    FOLDER/sweep.md, sweep.json    the table and the figures behind it

A run costs what pretraining costs. One that was finished is kept, one that was stopped goes on; its folder
says from the beginning which settings it is of, and is refused to others. All share a cache, the first
recipe's ``cache_dir``, so that a table is tokenised once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omnina.errors import UserError
from omnina.files.durable import write_json
from omnina.run_folder import SETTINGS_FILE, is_finished
from omnina.suites.checked_recipes import CheckedRecipe, checked_recipes
from omnina.suites.choosing import check_once
from omnina.suites.launching import launch
from omnina.suites.recipes import Recipe
from omnina.suites.stamp import other_settings, write_stamp
from omnina.suites.sweep_figures import RunFigures, read_figures
from omnina.suites.sweep_table import sweep_figures, sweep_table

TABLE_FILE, FIGURES_FILE = "sweep.md", "sweep.json"
OURS = ("seed", "output_dir", "resume_from_checkpoint")  # the sweep sets them
SHARED = ("cache_dir", "validation_files", "validation_documents")  # alike in all recipes


@dataclass(frozen=True)
class Sweep:
    """Which runs are made.

    Attributes:
        recipes: the first is what the others are compared with.
        seeds: of each.
        folder: where everything goes.
        overrides: of the YAML files' keys, as on the command line, for every run.

    Raises UserError for a seed named twice, a key that is ours, shared or set twice.
    """

    recipes: Sequence[Recipe]
    seeds: Sequence[int]
    folder: Path
    overrides: Sequence[str] = ()

    def __post_init__(self) -> None:
        check_once("--seeds", self.seeds)
        behind = {part[2:].split("=")[0] for part in self.overrides if part.startswith("--")}
        varied = {key for recipe in self.recipes for key in recipe.varied}
        for key in OURS:
            if key in behind | varied:
                raise UserError(f"{key}: the sweep sets it; leave it out.")
        for key in SHARED:
            if key in varied:
                raise UserError(f"--vary {key}: all recipes share it; put it behind --, or leave it out.")
        for key in sorted(behind & varied):
            raise UserError(f"--vary {key}: it stands behind -- too; leave it out there.")

    def run(self) -> str:
        """Make what is missing; the table, as Markdown, written after each seed.

        Raises UserError before the first run for recipes that ``checked_recipes`` refuses, and for folders
        in which other settings have trained; later for a run that fails, which it names.
        """
        checked = checked_recipes(self.recipes, self.overrides)
        for recipe in checked:
            for seed in self.seeds:
                _check_place(self._place(recipe, seed), recipe.stamp)
        figures: dict[str, list[RunFigures]] = {recipe.recipe.name: [] for recipe in checked}
        table = ""
        for seed in self.seeds:
            for recipe in checked:
                figures[recipe.recipe.name].append(self._figures(recipe, seed))
            table = self._written(figures)
        return table

    def _place(self, recipe: CheckedRecipe, seed: int) -> Path:
        return self.folder.resolve() / recipe.recipe.name / f"seed_{seed}"

    def _figures(self, checked: CheckedRecipe, seed: int) -> RunFigures:
        place, recipe = self._place(checked, seed), checked.recipe
        if not is_finished(place):
            print(f"{recipe.name}, seed {seed}: {place}", flush=True)
            place.mkdir(parents=True, exist_ok=True)
            write_stamp(place, checked.stamp)
            settings = {"output_dir": place, "seed": seed, "cache_dir": checked.cache_dir}
            launch("pretrain.sh", recipe.config, settings, [*self.overrides, *recipe.flags()])
        return read_figures(place)

    def _written(self, figures: dict[str, list[RunFigures]]) -> str:
        table = sweep_table(figures)
        (self.folder / TABLE_FILE).write_text(table, encoding="utf-8")
        seeds = self.seeds[: len(next(iter(figures.values())))]
        write_json(self.folder / FIGURES_FILE, sweep_figures(figures, seeds))
        return table


def _check_place(place: Path, stamp: dict) -> None:
    """UserError if other settings, or a run that is no sweep's, have trained here, to the end or not."""
    begun = is_finished(place) or (place / SETTINGS_FILE).is_file()
    differing = other_settings(place, stamp)
    if begun and differing:
        raise UserError(
            f"{place}: a run of other settings is here (other {', '.join(differing)}); choose another "
            "--output, or remove this folder to train anew."
        )
