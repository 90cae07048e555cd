"""Where a corpus run keeps what it knows between its stages, and which tasks of a stage are complete.

``OUTPUT/progress/`` holds ``run.json`` (the configuration), ``lock.json`` while a run is going on, ``keys/``
(a folder for each task of the first stage), ``choice/`` (which passages are duplicates), ``forbidden/``,
``rejected/`` (a file for each unit) and ``logs/`` (datatrove's); where something is drawn, ``notes/`` (a file
for each task of the first stage) and ``draw.npz``; where tables are one file, ``parts/`` (theirs). What
stands there is whole, so its presence says that it is complete; datatrove's own completion marks are taken
back where the file is missing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omnina.corpus.durable import write_json
from omnina.corpus.manifest import MANIFEST_FILE
from omnina.corpus.task_output import json_values, task_file
from omnina.errors import UserError

KEYS_STAGE, CHOICE_STAGE, FORBID_STAGE = "keys", "choice", "forbid"
ROWS_STAGE, MANIFEST_STAGE = "rows", "manifest"


@dataclass(frozen=True)
class Progress:
    """The files of a run, in its output folder; ``tasks`` is the number of tasks of the stages that read."""

    folder: Path
    tasks: int

    @property
    def own(self) -> Path:
        """The folder beside the tables."""
        return self.folder / "progress"

    @property
    def choice_folder(self) -> Path:
        """Which passages are duplicates, and what the others stay together with."""
        return self.own / "choice"

    @property
    def forbidden_folder(self) -> Path:
        """The index of the sequences that training must stay away from."""
        return self.own / "forbidden"

    def keys_folder(self, task: int) -> Path:
        """Keys of the passages that a task read."""
        return self.own / "keys" / f"{task:05d}"

    def rejected_file(self, unit: int) -> Path:
        """Rejects of one unit."""
        return self.own / "rejected" / f"{unit:06d}.csv"

    def notes_file(self, task: int) -> Path:
        """What a draw needs to know of the passages that a task read."""
        return self.own / "notes" / f"{task:05d}.npz"

    @property
    def draw_file(self) -> Path:
        """What was decided by all passages together."""
        return self.own / "draw.npz"

    def logs(self, stage: str) -> Path:
        """datatrove's folder for a stage."""
        return self.own / "logs" / stage

    def tasks_of(self, stage: str) -> int:
        """How many tasks a stage has."""
        return self.tasks if stage in (KEYS_STAGE, ROWS_STAGE) else 1

    def result(self, stage: str, task: int) -> Path:
        """The file or folder whose presence says that a task of a stage is complete."""
        return {
            KEYS_STAGE: self.keys_folder(task),
            CHOICE_STAGE: self.choice_folder,
            FORBID_STAGE: self.forbidden_folder,
            ROWS_STAGE: task_file(self.folder, task),
            MANIFEST_STAGE: self.folder / MANIFEST_FILE,
        }[stage]

    def missing(self, stage: str) -> list[int]:
        """Tasks of a stage that are not complete."""
        return [task for task in range(self.tasks_of(stage)) if not self.result(stage, task).exists()]

    def begin(self, config: Mapping) -> None:
        """Make the folders and note the configuration; UserError if the folder is of another one.

        A run has its lock by then, so that the folder can be written to.
        """
        for name in ("keys", "notes", "rejected", "logs"):
            (self.own / name).mkdir(parents=True, exist_ok=True)
        _check_same(self.own / "run.json", config)

    def take_back_marks(self, stage: str) -> None:
        """Remove datatrove's mark of each task whose file is not there, or it would never run again."""
        for task in self.missing(stage):
            (self.logs(stage) / "completions" / f"{task:05d}").unlink(missing_ok=True)

    def check_complete(self, stage: str) -> None:
        """UserError if a task of the stage is not complete."""
        missing = self.missing(stage)
        if missing:
            raise UserError(
                f"{self.folder}: {len(missing)} of {self.tasks_of(stage)} tasks of stage '{stage}' are not "
                f"complete (the first is {missing[0]}); see {self.logs(stage)}/logs and run the same "
                "command again."
            )


def _check_same(path: Path, config: Mapping) -> None:
    if not path.exists():
        write_json(path, json_values(config))
        return
    theirs, ours = json.loads(path.read_text(encoding="utf-8")), json_values(config)
    different = sorted(key for key in theirs | ours if theirs.get(key) != ours.get(key))
    if different:
        lines = [f"  {key}: there {theirs.get(key)}, here {ours.get(key)}" for key in different]
        raise UserError(
            f"{path.parents[1]} holds tables of another configuration:\n" + "\n".join(lines) + "\n"
            "Choose another --output, or remove that folder."
        )
