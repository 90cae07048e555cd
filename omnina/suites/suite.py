"""All tasks of a suite, with every configuration and seed, into one table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from omnina.errors import UserError
from omnina.evaluation.evaluate import MODEL
from omnina.files.durable import write_json
from omnina.suites.choosing import check_once
from omnina.suites.convolution import name as name_of_convolution
from omnina.suites.published import SuiteNotes
from omnina.suites.runs import AS_TRAINED, OURS, Reading, Run, finetuning_stamp
from omnina.suites.same_rows import convolution_metrics
from omnina.suites.table import TaskFigures, markdown
from omnina.suites.task import Task, tables_in

TABLE_FILE, FIGURES_FILE = "table.md", "figures.json"
Stamps = Mapping[Path, Mapping]  # by configuration


@dataclass(frozen=True)
class Suite:
    """How a suite is run.

    Attributes:
        configs: YAML files of ``bash finetune.sh``, from the root of the file system (the stage's script
            changes folder); their names head the table's columns.
        seeds: of each.
        notes: the metric, and published scores.
        folder: where everything goes, from the root as well.
        train_rows: at most so many of each task; None: all.
        overrides: of the YAML's keys, as on the command line.
        reading: of the test rows.

    Raises UserError for two configurations of one name, a seed named twice, or overrides of what is ours.
    """

    configs: Sequence[Path]
    seeds: Sequence[int]
    notes: SuiteNotes
    folder: Path
    train_rows: int | None = None
    overrides: Sequence[str] = ()
    reading: Reading = AS_TRAINED

    def __post_init__(self) -> None:
        check_once("--config", [path.stem for path in self.configs])
        check_once("--seeds", self.seeds)
        for key in OURS:
            if any(part.split("=")[0] == f"--{key}" for part in self.overrides):
                raise UserError(f"--{key} behind --: the suite sets it; leave it out.")

    def run(self, tasks: Sequence[Task]) -> str:
        """The table; it is written, with the figures behind it, after every task.

        Raises UserError before the first run for settings that a run would refuse, tasks that cannot be
        read, and folders with other rows or settings; later for a run that fails.
        """
        stamps = {config: finetuning_stamp(config, self.overrides, self.reading) for config in self.configs}
        for task in tasks:
            self._check(task.capped(self.train_rows), stamps)
        found: dict[str, TaskFigures] = {}
        table = ""
        for task in tasks:
            found[task.name] = self._figures(task.capped(self.train_rows), stamps)
            table = markdown(found, self.notes.metric, self.notes.source)
            (self.folder / TABLE_FILE).write_text(table, encoding="utf-8")
            write_json(self.folder / FIGURES_FILE, {name: asdict(of) for name, of in found.items()})
        return table

    def _check(self, task: Task, stamps: Stamps) -> None:
        task.check_folder(self.folder / task.name)
        for run in self._runs(task, stamps):
            run.check()

    def _runs(self, task: Task, stamps: Stamps) -> list[Run]:
        """Each configuration with each seed."""
        folder = self.folder / task.name
        tables = tables_in(folder)
        return [
            Run(tables, config, seed, place, stamps[config], self.overrides, self.reading)
            for config in self.configs
            for seed in self.seeds
            for place in [folder / config.stem / f"seed_{seed}"]
        ]

    def _figures(self, task: Task, stamps: Stamps) -> TaskFigures:
        folder, metric = self.folder / task.name, self.notes.metric
        task.write(folder)
        figures = TaskFigures(optimum=task.optimum, published=self.notes.of(task.name).published)
        for run in self._runs(task, stamps):
            results, column = run.results(), f"{run.config.stem}{self.reading.suffix}"
            figures.add(column, results, metric)
            figures.cut_rows[column] = run.cut_rows()
            if len(self.seeds) == 1:  # seeds leave nothing open, the test rows do
                figures.intervals[column] = results[MODEL]["interval"][metric]
        convolution = [convolution_metrics(task, folder, seed) for seed in self.seeds]
        figures.add_baseline(name_of_convolution(task), convolution, metric)
        return figures
