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

import math
from collections.abc import Mapping, Sequence
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

    def worded(self, rows: Sequence[Example], where: str) -> list[Example]:
        """The rows with their labels in words; UserError for a label that has none where others have.

        ``where`` the rows stand is what the error begins with.
        """
        if not self.labels:
            return list(rows)
        for row in rows:
            if row.label not in self.labels:
                raise UserError(
                    f"{where}: label '{row.label}' has no word; there are: {', '.join(self.labels)}. "
                    "Add it to the task's labels in the notes."
                )
        return [replace(row, label=self.labels[row.label]) for row in rows]


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

    Raises UserError, naming file and key, for a key that is none of those above, or a value of another kind.
    """
    values = read_yaml(path)
    _check_keys(values, {"metric", "source", "frozen_source", "tasks"}, str(path))
    if values.get("metric", METRIC) not in METRICS:
        raise UserError(f"{path}: metric '{values['metric']}' is none of {', '.join(METRICS)}.")
    for key in {"source", "frozen_source"} & set(values):
        _check_text(values[key], f"{path}: {key}")
    tasks = _mapping(values.pop("tasks", None) or {}, f"{path}: tasks", "names of tasks")
    return SuiteNotes(
        tasks={name: _task_notes(given, f"{path}: {name}") for name, given in tasks.items()}, **values
    )


def _task_notes(given: object, where: str) -> TaskNotes:
    given = {} if given is None else given
    _check_keys(given, {"question", "labels", "published", "frozen"}, where)
    if "question" in given:
        _check_text(given["question"], f"{where}: question")
    for label, word in _part(given, "labels", where, "labels").items():
        _check_text(word, f"{where}: labels: {label}")
    for kind in ("published", "frozen"):
        for model, score in _part(given, kind, where, "models").items():
            _check_score(score, f"{where}: {kind}: the score of {model}")
    return TaskNotes(**given)


def _part(given: Mapping, key: str, where: str, of_what: str) -> Mapping[str, object]:
    """The mapping under a key; empty if the key is left out."""
    return _mapping(given.get(key, {}), f"{where}: {key}", of_what)


def _mapping(given: object, where: str, of_what: str) -> Mapping[str, object]:
    """It, if it is a mapping by texts."""
    if not isinstance(given, Mapping):
        raise UserError(f"{where}: {given!r} is no mapping by {of_what}; write lines 'name: ...' below it.")
    for name in given:
        if not isinstance(name, str):  # YAML reads 1 as a number, no as false
            raise UserError(f"{where}: {name!r} is no text; quote it, as in '1'.")
    return given


def _check_text(given: object, where: str) -> None:
    if not isinstance(given, str) or not given.strip():
        raise UserError(f"{where}: {given!r} is no text; quote it, as in '1', or leave the key out.")


def _check_score(given: object, where: str) -> None:
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise UserError(f"{where}, {given!r}, is no number.")


def _check_keys(given: object, known: set[str], where: str) -> None:
    if not isinstance(given, Mapping):
        raise UserError(f"{where}: {given!r} is no mapping of {', '.join(sorted(known))}.")
    for key in given:
        if key not in known:
            raise UserError(f"{where}: '{key}' is none of {', '.join(sorted(known))}.")
