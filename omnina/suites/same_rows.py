"""Baselines of a task, trained on its own training rows; made once for a task's folder.

Metrics have their ``interval``, that of the test rows. Figures of before that have none are made anew.
"""

from pathlib import Path

from omnina.chunking import parse_cell
from omnina.evaluation.baselines import fit_baselines
from omnina.evaluation.bootstrap import bootstrap_intervals
from omnina.evaluation.metrics import Scored, classification_metrics
from omnina.files.durable import write_json
from omnina.files.json_file import read_object
from omnina.suites.convolution import fit_convolution
from omnina.suites.task import Task

INTERVAL = "interval"
BASELINES_FILE = "baselines.json"


def baseline_metrics(task: Task, folder: Path) -> dict[str, dict]:
    """Metrics on the test rows of majority, k-mers and positions, by name."""
    path = folder / BASELINES_FILE
    if not path.is_file() or any(INTERVAL not in of for of in read_object(path).values()):
        train = [(parse_cell(row.sequence), row.label) for row in task.train]
        gold = [row.label for row in task.test]
        fitted = fit_baselines(train, [parse_cell(row.sequence) for row in task.test])
        write_json(path, {name: _metrics(Scored(gold, *of)) for name, of in fitted.items()})
    return read_object(path)


def convolution_metrics(task: Task, folder: Path, seed: int) -> dict:
    """Those of the convolutional network from a seed."""
    path = folder / f"convolution_seed_{seed}.json"
    if not path.is_file() or INTERVAL not in read_object(path):
        write_json(path, _metrics(fit_convolution(task, seed)))
    return read_object(path)


def _metrics(scored: Scored) -> dict:
    return classification_metrics(scored) | {INTERVAL: bootstrap_intervals(scored)}
