"""Where a corpus run keeps what it knows between its stages, and which tasks of a stage are complete.

``OUTPUT/progress/`` holds ``run.json`` (the configuration), ``lock.json`` while a run is going on,
``slurm_jobs.jsonl`` (the jobs that were submitted), ``keys/`` (a folder for each task of the first stage),
``duplicates.npy`` (which passages are), ``forbidden/``, ``rejected/`` (a file for each unit) and ``logs/``
(datatrove's); where something is drawn, ``notes/`` (a file for each task of the first stage) and
``draw.npz``; where clusters are sought, ``signatures/`` (a folder for each task), ``links/`` (a file for each
task of the stage of bands) and ``clusters/``; where tables are one file, ``parts/`` (theirs). What stands
there is whole, so its presence says that it is complete; datatrove's own completion marks are taken back
where the file is missing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omnina.corpus.choice import mapped
from omnina.corpus.dedup.sketch import DEFAULT
from omnina.corpus.manifest import MANIFEST_FILE
from omnina.corpus.shards import SHARD_NAME
from omnina.corpus.task_output import json_values, task_file
from omnina.errors import UserError
from omnina.files.durable import write_json

KEYS_STAGE, CHOICE_STAGE, FORBID_STAGE = "keys", "choice", "forbid"
SIGNATURES_STAGE, BANDS_STAGE, CLUSTERS_STAGE = "signatures", "bands", "clusters"
ROWS_STAGE, MANIFEST_STAGE = "rows", "manifest"
_READING = (KEYS_STAGE, SIGNATURES_STAGE, ROWS_STAGE)


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
    def duplicates_file(self) -> Path:
        """Places of the passages that are duplicates."""
        return self.own / "duplicates.npy"

    @property
    def clusters_folder(self) -> Path:
        """Which passages are near-duplicates, and what all stay together with."""
        return self.own / "clusters"

    @property
    def forbidden_folder(self) -> Path:
        """The index of the sequences that training must stay away from."""
        return self.own / "forbidden"

    def keys_folder(self, task: int) -> Path:
        """Keys of the passages that a task read."""
        return self.own / "keys" / f"{task:05d}"

    def key_runs(self) -> list[np.ndarray]:
        """Ascending runs of the keys of all tasks, left on disk."""
        folders = map(self.keys_folder, range(self.tasks))
        return [mapped(path) for folder in folders for path in sorted(folder.iterdir())]

    def signatures_folder(self, task: int) -> Path:
        """Signatures of the passages that a task read, with what else clusters need of them."""
        return self.own / "signatures" / f"{task:05d}"

    def links_file(self, task: int) -> Path:
        """Links between near-duplicates that a task found."""
        return self.own / "links" / f"{task:05d}"

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

    @property
    def jobs_file(self) -> Path:
        """The jobs that Slurm was given."""
        return self.own / "slurm_jobs.jsonl"

    def logs(self, stage: str) -> Path:
        """datatrove's folder for a stage."""
        return self.own / "logs" / stage

    def tasks_of(self, stage: str) -> int:
        """How many tasks a stage has."""
        if stage == BANDS_STAGE:
            return min(self.tasks, DEFAULT.bands)
        return self.tasks if stage in _READING else 1

    def result(self, stage: str, task: int) -> Path:
        """The file or folder whose presence says that a task of a stage is complete."""
        return {
            KEYS_STAGE: self.keys_folder(task),
            CHOICE_STAGE: self.duplicates_file,
            SIGNATURES_STAGE: self.signatures_folder(task),
            BANDS_STAGE: self.links_file(task),
            CLUSTERS_STAGE: self.clusters_folder,
            FORBID_STAGE: self.forbidden_folder,
            ROWS_STAGE: task_file(self.folder, task),
            MANIFEST_STAGE: self.folder / MANIFEST_FILE,
        }[stage]

    def missing(self, stage: str) -> list[int]:
        """Tasks of a stage that are not complete."""
        return [task for task in range(self.tasks_of(stage)) if not self.result(stage, task).exists()]

    def begin(self, config: Mapping) -> None:
        """Make the folders and note the configuration; UserError if the folder is of another one.

        A run has its lock by then, so that the folder can be written to. A new one may hold no file that
        would be taken for a table.
        """
        for name in ("keys", "notes", "signatures", "links", "rejected", "logs"):
            (self.own / name).mkdir(parents=True, exist_ok=True)
        if not (self.own / "run.json").exists():
            self._refuse_foreign_tables()
        _check_same(self.own / "run.json", config)

    def _refuse_foreign_tables(self) -> None:
        for path in sorted(self.folder.iterdir()):
            if SHARD_NAME.fullmatch(path.name):
                raise UserError(
                    f"{path}: this has the name of a table, but no run of this program wrote it; move it "
                    "away, or choose another --output."
                )

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
