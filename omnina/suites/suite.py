"""All tasks of a suite, with every configuration and seed, into one table."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from omnina.errors import UserError
from omnina.files.yaml_file import read_yaml
from omnina.suites.choosing import check_once
from omnina.suites.convolution import name as name_of_convolution
from omnina.suites.published import SuiteNotes
from omnina.suites.runs import Run
from omnina.suites.same_rows import convolution_metrics
from omnina.suites.table import TaskFigures, markdown
from omnina.suites.task import Task

TABLE_FILE, FIGURES_FILE = "table.md", "figures.json"
OURS = ("seed", "output_dir", "train_files", "validation_files")  # no business of the command line's


@dataclass(frozen=True)
class Suite:
    """How a suite is run.

    Attributes:
        configs: YAML files of ``bash finetune.sh``; their names head the table's columns.
        seeds: of each.
        notes: the metric, and published scores.
        folder: where everything goes.
        train_rows: at most so many of each task; None: all.
        overrides: of the YAML's keys, as on the command line.

    Raises UserError for two configurations of one name, a seed named twice, or overrides of what is ours.
    """

    configs: Sequence[Path]
    seeds: Sequence[int]
    notes: SuiteNotes
    folder: Path
    train_rows: int | None = None
    overrides: Sequence[str] = ()

    def __post_init__(self) -> None:
        for config in self.configs:
            read_yaml(config)  # a missing file is told before anything trains
        check_once("--config", [path.stem for path in self.configs])
        check_once("--seeds", self.seeds)
        for key in OURS:
            if any(part.split("=")[0] == f"--{key}" for part in self.overrides):
                raise UserError(f"--{key} behind --: the suite sets it; leave it out.")

    def run(self, tasks: Iterable[Task]) -> str:
        """The table; it is written, with the figures behind it, after every task."""
        found: dict[str, TaskFigures] = {}
        table = ""
        for task in tasks:
            found[task.name] = self._figures(task.capped(self.train_rows))
            table = markdown(found, self.notes.metric, self.notes.source)
            (self.folder / TABLE_FILE).write_text(table, encoding="utf-8")
            figures = {name: asdict(of) for name, of in found.items()}
            (self.folder / FIGURES_FILE).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return table

    def _figures(self, task: Task) -> TaskFigures:
        folder = self.folder / task.name
        tables = task.write(folder)
        figures = TaskFigures(optimum=task.optimum, published=self.notes.of(task.name).published)
        for config in self.configs:
            for seed in self.seeds:
                place = folder / config.stem / f"seed_{seed}"
                results = Run(tables, config, seed, place, self.overrides).results()
                figures.add(config.stem, results, self.notes.metric)
        convolution = convolution_metrics(task, folder, self.seeds[0])
        figures.others[name_of_convolution(task)] = convolution[self.notes.metric]
        return figures
