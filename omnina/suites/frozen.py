"""All tasks of a suite by the vectors of a frozen checkpoint, into one table.

    FOLDER/TASK/{train,validation,test}.csv     the rows, as run_suite.py writes them
    FOLDER/TASK/frozen/embeddings.npz           their vectors (omnina/suites/task_embeddings.py)
    FOLDER/TASK/frozen/results.json             every metric, by regime and seed
    FOLDER/frozen.md  FOLDER/geneb.json         the table; MCC, accuracy and macro F1 in GENEB's layout

Vectors that are there are not made again; those of another checkpoint, layer or pooling are refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from omnina.evaluation.evaluate import MODEL
from omnina.files.durable import write_json
from omnina.files.json_file import read_object
from omnina.inference.embedding import Embedder
from omnina.suites.choosing import check_once
from omnina.suites.convolution import name as name_of_convolution
from omnina.suites.geneb import geneb_layout
from omnina.suites.options import FROZEN_SEEDS
from omnina.suites.probe import FULL, INTERVAL, ITERATIONS, REGIMES, probe
from omnina.suites.published import SuiteNotes
from omnina.suites.same_rows import baseline_metrics, convolution_metrics
from omnina.suites.stamp import STAMP_FILE, check_stamp, write_stamp
from omnina.suites.table import TaskFigures, markdown
from omnina.suites.task import Task
from omnina.suites.task_embeddings import TaskEmbeddings, embed_task

FROZEN, EMBEDDINGS_FILE, RESULTS_FILE = "frozen", "embeddings.npz", "results.json"
TABLE_FILE, GENEB_FILE = "frozen.md", "geneb.json"
Results = dict[str, list[dict]]  # metrics by regime


@dataclass(frozen=True)
class FrozenSuite:
    """How a suite is measured.

    Attributes:
        embedder: the checkpoint, with one layer.
        notes: the table's metric, and published scores.
        folder: where everything goes.
        seeds: of the few rows.
        train_rows: at most so many of each task; None: all.
        standardised: whether vectors are, before they are fitted.

    Raises UserError for a seed named twice.
    """

    embedder: Embedder
    notes: SuiteNotes
    folder: Path
    seeds: Sequence[int] = FROZEN_SEEDS
    train_rows: int | None = None
    standardised: bool = True

    def __post_init__(self) -> None:
        check_once("--seeds", self.seeds)

    def run(self, tasks: Sequence[Task]) -> str:
        """The table; it is written, with the figures behind it, after every task.

        Raises UserError, before anything is measured, for tasks that cannot be read, and folders with other
        rows or vectors.
        """
        for task in tasks:
            task.capped(self.train_rows).check_folder(self.folder / task.name)
            check_stamp(self.folder / task.name / FROZEN, self._settings())
        figures: dict[str, TaskFigures] = {}
        results: dict[str, Results] = {}
        table = ""
        for task in tasks:
            task = task.capped(self.train_rows)
            task.write(self.folder / task.name)
            results[task.name] = self._results(task)
            figures[task.name] = self._figures(task, results[task.name])
            table = markdown(figures, self.notes.metric, self.notes.sources) + "\n" + mean_mcc(results)
            (self.folder / TABLE_FILE).write_text(table, encoding="utf-8")
            write_json(self.folder / GENEB_FILE, geneb_layout(self.embedder.reader, results))
        return table

    def _results(self, task: Task) -> Results:
        """Made now, or read where they are there with these seeds."""
        path = self.folder / task.name / FROZEN / RESULTS_FILE
        fitted = {"standardised": self.standardised, "iterations": ITERATIONS, "seeds": list(self.seeds)}
        embeddings = self._embeddings(task, path.parent)
        if not path.is_file() or read_object(path)["fitted"] != fitted:
            write_json(path, {"fitted": fitted, "results": probe(embeddings, self.seeds, self.standardised)})
        return read_object(path)["results"]

    def _embeddings(self, task: Task, folder: Path) -> TaskEmbeddings:
        """Read if they are stamped, which they are once they are whole."""
        settings = self._settings()
        check_stamp(folder, settings)
        if not (folder / STAMP_FILE).is_file():
            folder.mkdir(exist_ok=True)
            (folder / RESULTS_FILE).unlink(missing_ok=True)
            embed_task(self.embedder, task).write(folder / EMBEDDINGS_FILE)
            write_stamp(folder, settings)
        return TaskEmbeddings.read(folder / EMBEDDINGS_FILE)

    def _settings(self) -> dict:
        reader = self.embedder.reader
        read = {"weights": reader.digest, "resolution": reader.resolution, "dtype": str(reader.dtype)}
        return read | {"layers": self.embedder.layers} | asdict(self.embedder.settings)

    def _figures(self, task: Task, results: Results) -> TaskFigures:
        metric, folder, notes = self.notes.metric, self.folder / task.name, self.notes.of(task.name)
        figures = TaskFigures(optimum=task.optimum, published=notes.all_published)
        baselines = baseline_metrics(task, folder)
        for regime, of_seeds in results.items():
            for of_seed in of_seeds:
                figures.add(regime, {MODEL: of_seed} | baselines, metric)
        figures.intervals[FULL] = results[FULL][0][INTERVAL][metric]
        convolution = [convolution_metrics(task, folder, self.seeds[0])]
        figures.add_baseline(name_of_convolution(task), convolution, metric)
        return figures


def mean_mcc(results: Mapping[str, Results]) -> str:
    """A sentence: MCC by regime, the mean over tasks of each one's mean over seeds."""
    found = {
        regime: np.mean([np.mean([of_seed["mcc"] for of_seed in of[regime]]) for of in results.values()])
        for regime in REGIMES
    }
    figures = ", ".join(f"{regime} {value:.3f}" for regime, value in found.items())
    return f"MCC, mean over {len(results)} tasks: {figures}.\n"
