"""The tables of one task of a corpus run: whole or not at all, so that a killed run goes on where it was.

    with TaskOutput(folder, 7, {"genes": settings}, config) as output:
        output.counts_of("genes").kept += 1
        output.add("genes", "train", passage, "CDS of Escherichia coli.")

A table's name stands before its shards' splits, ``genes_train-00007-000.parquet``; it may be empty. Shards
are written in ``.task-00007/``. When the block ends they are moved into the folder (parts of a table that is
one file into ``progress/parts``, where they stay until that folder is removed), and last of all
``task-00007.json``, which names them: a task is complete exactly when that file stands there. What a killed
task left behind is removed when the task runs again. A task must not run twice at the same time.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from omnina.corpus.filters import Counts, counts_as_json
from omnina.corpus.passage import Passage
from omnina.corpus.shards import SHARD_NAME, ShardSettings, SplitWriter
from omnina.errors import UserError
from omnina.files.durable import publish, write_json

PARTS = Path("progress") / "parts"


def split_name(table: str, split: str) -> str:
    """How a split of a table is called in the names of its shards."""
    return f"{table}_{split}" if table else split


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
        settings: how each table is written, by its name.
        config: everything that decides the rows, as JSON values; recorded, and compared on the next run.

    Entering raises UserError for a folder that cannot be written to and for a task that is complete.
    """

    def __init__(
        self, folder: Path, task: int, settings: Mapping[str, ShardSettings], config: Mapping
    ) -> None:
        self.folder, self.task, self.settings, self.config = folder, task, settings, config
        self._counts: dict[str, Counts] = {}
        self._aside = folder / f".task-{task:05d}"
        self._writers: dict[tuple[str, str], SplitWriter] = {}

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

    def counts_of(self, label: str) -> Counts:
        """What became of the passages of a table's source; the caller counts."""
        return self._counts.setdefault(label, Counts())

    @property
    def kept(self) -> int:
        """Passages that became rows."""
        return sum(counts.kept for counts in self._counts.values())

    def add(
        self,
        table: str,
        split: str,
        passage: Passage,
        response: str,
        question: str | None = None,
        source: str | None = None,
        order: str = "",
    ) -> None:
        """Write a row to a split; ``question`` and ``source`` exactly if the settings have such a column.

        ``order``: where the table is one file, what its rows are sorted by.
        """
        if (table, split) not in self._writers:
            settings = self.settings[table]
            settings = settings.of_parts if settings.file else settings
            name = split_name(table, split)
            self._writers[table, split] = SplitWriter(self._aside, name, self.task, settings)
        self._writers[table, split].add(passage, response, question, source, order)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._publish()
        finally:
            for writer in self._writers.values():
                writer.abandon()
            shutil.rmtree(self._aside)

    def _publish(self) -> None:
        shards, parts = [], []
        for (table, split), writer in sorted(self._writers.items()):
            written = [asdict(shard) for shard in writer.close()]
            if self.settings[table].file:
                parts += [part | {"table": table, "side": split} for part in written]
            else:
                shards += written
        for folder, files in ((self.folder, shards), (self.folder / PARTS, parts)):
            for file in files:
                folder.mkdir(parents=True, exist_ok=True)
                publish(self._aside / file["file"], folder / file["file"])
        record = {"task": self.task, "config": json_values(self.config), **counts_as_json(self._counts)}
        write_json(task_file(self.folder, self.task), record | {"shards": shards, "parts": parts})

    def _remove_leftovers(self) -> None:
        if self._aside.exists():
            shutil.rmtree(self._aside)
        parts = (self.folder / PARTS).glob("*")
        for path in [*self.folder.iterdir(), *parts]:
            name = SHARD_NAME.fullmatch(path.name)
            if name and int(name["task"]) == self.task:  # moved, but killed before its record was written
                path.unlink()
