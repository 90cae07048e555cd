"""The tables of one task of a corpus run: whole or not at all, so that a killed run goes on where it was.

    with TaskOutput(folder, 7, settings, config) as output:
        output.counts.kept += 1
        output.add("train", passage, "CDS of Escherichia coli.")

Shards are written in ``.task-00007/``. When the block ends they are moved into the folder, and last of all
``task-00007.json``, which names them: a task is complete exactly when that file stands there. What a killed
task left behind is removed when the task runs again. A task must not run twice at the same time.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from omnina.corpus.durable import publish, write_json
from omnina.corpus.filters import Counts
from omnina.corpus.passage import Passage
from omnina.corpus.shards import SHARD_NAME, ShardSettings, SplitWriter
from omnina.errors import UserError


def task_file(folder: Path, task: int) -> Path:
    """The record whose presence says that the task is complete."""
    return folder / f"task-{task:05d}.json"


def completed_task(folder: Path, task: int, config: Mapping) -> dict | None:
    """The record of a complete task, None if it is to be run; UserError if it ran under another config."""
    path = task_file(folder, task)
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: not a whole record ({error}); remove it and run the task again.") from error
    theirs, ours = record["config"], json_values(config)
    names = sorted(key for key in theirs | ours if theirs.get(key) != ours.get(key))
    if names:
        lines = [f"  {name}: there {theirs.get(name)}, here {ours.get(name)}" for name in names]
        raise UserError(
            f"{path} was made by another configuration:\n"
            + "\n".join(lines)
            + "\nChoose another output folder "
            "or remove this one; the tables of two configurations do not go together."
        )
    return record


def json_values(config: Mapping) -> dict:
    """A configuration as it comes back from JSON: tuples as lists."""
    return json.loads(json.dumps(config))


class TaskOutput:
    """Collects a task's rows; see the module's docstring.

    Args:
        folder: of the tables; made if it is not there.
        task: number of the task, from 0.
        settings: how tables are written.
        config: everything that decides the rows, as JSON values; recorded, and compared on the next run.

    Attributes:
        counts: what became of the passages; the caller counts.

    Entering raises UserError for a folder that cannot be written to and for a task that is complete.
    """

    def __init__(self, folder: Path, task: int, settings: ShardSettings, config: Mapping) -> None:
        self.folder, self.task, self.settings, self.config = folder, task, settings, config
        self.counts = Counts()
        self._aside = folder / f".task-{task:05d}"
        self._writers: dict[str, SplitWriter] = {}

    def __enter__(self) -> "TaskOutput":
        if completed_task(self.folder, self.task, self.config):
            raise UserError(
                f"{task_file(self.folder, self.task)}: the task is complete; remove this to redo it."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()
            self._aside.mkdir()
        except OSError as error:
            raise UserError(f"{self.folder}: no tables can be written there ({error.strerror}).") from error
        return self

    def add(
        self,
        split: str,
        passage: Passage,
        response: str,
        question: str | None = None,
        source: str | None = None,
    ) -> None:
        """Write a row to a split; ``question`` and ``source`` exactly if the settings have such a column."""
        if split not in self._writers:
            self._writers[split] = SplitWriter(self._aside, split, self.task, self.settings)
        self._writers[split].add(passage, response, question, source)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._publish()
        finally:
            for writer in self._writers.values():
                writer.abandon()
            shutil.rmtree(self._aside)

    def _publish(self) -> None:
        shards = [asdict(shard) for _, writer in sorted(self._writers.items()) for shard in writer.close()]
        for shard in shards:
            publish(self._aside / shard["file"], self.folder / shard["file"])
        config, counts = json_values(self.config), self.counts.as_json()
        record = {"task": self.task, "config": config, "counts": counts, "shards": shards}
        write_json(task_file(self.folder, self.task), record)

    def _remove_leftovers(self) -> None:
        if self._aside.exists():
            shutil.rmtree(self._aside)
        for path in self.folder.iterdir():
            name = SHARD_NAME.fullmatch(path.name)
            if name and int(name["task"]) == self.task:  # moved, but killed before its record was written
                path.unlink()
