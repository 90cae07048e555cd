"""What a run's folder holds, read for its report: of a finished run, or of one that is still at work."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from omnina.errors import UserError
from omnina.evaluation.curves import QuestionCurves
from omnina.evaluation.examples import EXAMPLES_FILE, Example
from omnina.evaluation.files import CURVES_FILE, EVALUATION_FOLDER, METRICS_FILE
from omnina.files.json_file import read_object
from omnina.files.yaml_file import read_yaml
from omnina.run_folder import LOG_FILE, RECORD_FILE, numbered_checkpoints

SETTINGS = "config.yaml"
TRAINER_STATE = "trainer_state.json"  # transformers.trainer says so too, but takes seconds to import


@dataclass(frozen=True)
class Run:
    """A run.

    Attributes:
        folder: its output folder.
        record: ``run.json``; empty while the run is at work.
        settings: ``config.yaml``, every setting.
        log: the Trainer's entries, those of the last checkpoint while the run is at work.
        evaluation: ``metrics.json``; empty if there is none.
        curves: of each question with labels.
        examples: rows of ``examples.json``.
        name: the folder's.
    """

    folder: Path
    record: Mapping
    settings: Mapping
    log: list[dict]
    evaluation: Mapping
    curves: Mapping[str, QuestionCurves]
    examples: list[Example]
    name: str

    def called(self, name: str) -> "Run":
        """The same under another name."""
        return replace(self, name=name)

    @property
    def answers_questions(self) -> bool:
        """Whether it was fine-tuned: only then there are label sets to be given."""
        return "label_sets" in self.settings

    @property
    def is_finished(self) -> bool:
        """Whether the run came to its end."""
        return bool(self.record)


def read_run(folder: Path) -> Run:
    """A run's files; UserError for a folder that holds no run, or a file that another program wrote."""
    if not (folder / SETTINGS).is_file():
        raise UserError(
            f"{folder}: no {SETTINGS} is in it, so it is no output folder of pretrain.sh or finetune.sh; "
            "name one, such as output/finetune."
        )
    evaluation = folder / EVALUATION_FOLDER
    curves, examples = (_object(evaluation / name) for name in (CURVES_FILE, EXAMPLES_FILE))
    try:
        by_question = {question: QuestionCurves.from_json(values) for question, values in curves.items()}
        shown = [Example.from_json(values) for values in examples.get("examples", [])]
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{evaluation}: {CURVES_FILE} or {EXAMPLES_FILE} is not as evaluation writes it; run "
            "scripts/evaluate.py again, or remove the folder."
        ) from error
    return Run(
        folder,
        _object(folder / RECORD_FILE),
        read_yaml(folder / SETTINGS),
        _log(folder),
        _object(evaluation / METRICS_FILE),
        by_question,
        shown,
        folder.resolve().name,
    )


def _object(path: Path) -> dict:
    """A file that a run has not written yet, or never writes, is empty."""
    return read_object(path) if path.is_file() else {}


def _log(folder: Path) -> list[dict]:
    whole = folder / LOG_FILE
    states = [checkpoint / TRAINER_STATE for checkpoint in numbered_checkpoints(folder)]
    for path in (whole, *reversed(states)):
        if path.is_file():
            return read_object(path).get("log_history", [])
    return []
