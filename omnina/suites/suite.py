"""All tasks of a suite, with every configuration and seed, into one table."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from omnina.evaluation.metrics import classification_metrics
from omnina.suites.convolution import NAME as CONVOLUTION
from omnina.suites.convolution import fit_convolution
from omnina.suites.published import SuiteNotes
from omnina.suites.runs import Run
from omnina.suites.table import TaskFigures, markdown
from omnina.suites.task import Task

TABLE_FILE, FIGURES_FILE = "table.md", "figures.json"


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
    """

    configs: Sequence[Path]
    seeds: Sequence[int]
    notes: SuiteNotes
    folder: Path
    train_rows: int | None = None
    overrides: Sequence[str] = ()

    def run(self, tasks: Iterable[Task]) -> str:
        """The table; it is written, with the figures behind it, after every task."""
        found: dict[str, TaskFigures] = {}
        for task in tasks:
            found[task.name] = self._figures(task.capped(self.train_rows))
            table = markdown(found, self.notes.metric)
            (self.folder / TABLE_FILE).write_text(table, encoding="utf-8")
            figures = {name: asdict(of) for name, of in found.items()}
            (self.folder / FIGURES_FILE).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        return markdown(found, self.notes.metric)

    def _figures(self, task: Task) -> TaskFigures:
        folder = self.folder / task.name
        tables = task.write(folder)
        figures = TaskFigures(optimum=task.optimum, published=self.notes.of(task.name).published)
        convolution = classification_metrics(fit_convolution(task, self.seeds[0]))
        figures.others[CONVOLUTION] = convolution[self.notes.metric]
        for config in self.configs:
            for seed in self.seeds:
                place = folder / config.stem / f"seed_{seed}"
                results = Run(tables, config, seed, place, self.overrides).results()
                figures.add(config.stem, results, self.notes.metric)
        return figures
