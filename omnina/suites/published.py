"""What is known of a suite beside its files: questions, the labels' words, and others' published scores.

metric: mcc                              the suite's own: a key of metrics.json
source: where the published scores stand
frozen_source: where those of frozen vectors stand
tasks:
  prom/prom_300_all:
    question: Is this a promoter?        "Which class ..." if not given
    labels: {"0": "no", "1": "yes"}      words for the files' labels; as they stand if not given
    published: {DNABERT-2: 0.8677}       of fine-tuned models
    frozen: {DNABERT-2: 0.7821}          of logistic regressions on frozen models' vectors
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from omnina.errors import UserError
from omnina.files.yaml_file import read_yaml
from omnina.suites.task import Example

QUESTION = "Which class does this sequence belong to?"
METRIC = "mcc"
METRICS = ("mcc", "accuracy", "balanced_accuracy", "f1_macro", "auroc_macro", "average_precision_macro")


@dataclass(frozen=True)
class TaskNotes:
    """Of one task; see above."""

    question: str = QUESTION
    labels: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[str, float] = field(default_factory=dict)
    frozen: Mapping[str, float] = field(default_factory=dict)

    @property
    def all_published(self) -> dict[str, float]:
        """Those of frozen models, who say so, then those of fine-tuned ones."""
        return {f"{name}, frozen": score for name, score in self.frozen.items()} | dict(self.published)

    def worded(self, row: Example) -> Example:
        """The row with its label in words; UserError for a label that has none where others have."""
        if not self.labels:
            return row
        if row.label not in self.labels:
            raise UserError(f"label '{row.label}' has no word; there are: {', '.join(self.labels)}.")
        return replace(row, label=self.labels[row.label])


@dataclass(frozen=True)
class SuiteNotes:
    """Of a suite; see above."""

    metric: str = METRIC
    source: str = ""
    frozen_source: str = ""
    tasks: Mapping[str, TaskNotes] = field(default_factory=dict)

    @property
    def sources(self) -> str:
        """Of all published scores."""
        named = {"frozen": self.frozen_source, "fine-tuned": self.source}
        return "; ".join(f"{kind}: {source}" for kind, source in named.items() if source)

    def of(self, task: str) -> TaskNotes:
        """Those of a task; none if it is not named."""
        return self.tasks.get(task, TaskNotes())


def read_notes(path: Path) -> SuiteNotes:
    """Notes from a YAML file.

    Raises UserError for a key that is none of those above, or a value of another kind.
    """
    values = read_yaml(path)
    _check_keys(values, {"metric", "source", "frozen_source", "tasks"}, path)
    if values.get("metric", METRIC) not in METRICS:
        raise UserError(f"{path}: metric '{values['metric']}' is none of {', '.join(METRICS)}.")
    tasks = values.pop("tasks", None) or {}
    return SuiteNotes(
        tasks={name: _task_notes(given, f"{path}: {name}") for name, given in tasks.items()}, **values
    )


def _task_notes(given: Mapping | None, where: str) -> TaskNotes:
    given = given or {}
    _check_keys(given, {"question", "labels", "published", "frozen"}, where)
    for label, word in given.get("labels", {}).items():
        if not (isinstance(label, str) and isinstance(word, str)):
            raise UserError(
                f'{where}: quote label and word, as in {{"0": "no"}}; {label}: {word} is no text.'
            )
    for model, score in [*given.get("published", {}).items(), *given.get("frozen", {}).items()]:
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise UserError(f"{where}: the score of {model}, {score!r}, is no number.")
    return TaskNotes(**given)


def _check_keys(given: Mapping, known: set[str], where: Path | str) -> None:
    if not isinstance(given, Mapping):
        raise UserError(f"{where}: {given!r} is no mapping of {', '.join(sorted(known))}.")
    for key in given:
        if key not in known:
            raise UserError(f"{where}: '{key}' is none of {', '.join(sorted(known))}.")
