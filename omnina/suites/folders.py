"""Tasks of public benchmarks, and of one's own files, as they lie on disk.

A folder is a task if it holds its splits in one of these forms; folders are searched to any depth, and the
path below the suite's folder is the task's name:

    train.csv  test.csv  [dev.csv]         columns sequence, label          GUE
    train.csv  test.csv                    columns text, label              GENEB's tasks
    train.parquet  test.parquet            columns sequence, label, task    Nucleotide Transformer's, revised
    train.fna  test.fna                    headers NAME|LABEL               Nucleotide Transformer's tasks
    train/LABEL/*.txt  test/LABEL/*.txt    one sequence in each file        Genomic Benchmarks
    train/LABEL.fasta  test/LABEL.fasta    a FASTA file of each class
    LABEL.fasta LABEL.fasta ...            the same without splits: these are then drawn by the sequence
    ANY_NAME.csv                           one table without splits, which are drawn as well

Tables may be ``.csv``, ``.tsv`` (also ``.gz``) or ``.parquet``, FASTA may be compressed. A split may be in
shards, ``train-00000-of-00002.parquet`` and so on; a folder ``data`` has the name of the one it lies in. A
table whose column ``task`` has several values is several tasks, each named by its value below the folder's
name, or by the value alone if the folder is the suite's. Validation is called ``dev``, ``eval``, ``valid``,
``val`` or ``validation``; where there is none, a tenth of the training rows is held out. Names of splits and
columns count in any case. A table or FASTA file beside splits that is none is refused; files beside folders
that hold tasks are none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from omnina.errors import UserError
from omnina.suites.published import SuiteNotes, TaskNotes
from omnina.suites.task import TEST, TRAIN, Task, with_splits, with_validation
from omnina.suites.task_files import (
    TABLES,
    by_class,
    class_files,
    entries,
    files_of,
    is_labelled,
    labelled_rows,
    tasks_in,
)
from omnina.suites.task_splits import VALIDATION_NAMES, check_classes, splits_of, tasks_of

DATA = "data"  # where the Hugging Face Hub puts a repository's tables


@dataclass(frozen=True)
class TaskPlace:
    """A folder, and which of its tasks; None: it has one."""

    folder: Path
    task: str | None = None


@dataclass(frozen=True)
class FolderTasks(Sequence[Task]):
    """Tasks on disk, in order; each is read whenever it is asked for, so that one is in memory at a time.

    Attributes:
        places: by name.
        notes: questions and the labels' words.

    Raises UserError, where a task is asked for, for one whose files cannot be read.
    """

    places: Mapping[str, TaskPlace]
    notes: SuiteNotes

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int) -> Task:
        name = list(self.places)[place]
        return _read_task(name, self.places[name], self.notes.of(name))


def read_tasks(folder: Path, notes: SuiteNotes, wanted: Sequence[str] | None = None) -> FolderTasks:
    """The tasks below a folder, by name; names are checked at once, rows when they are read.

    Args:
        folder: the suite's.
        notes: questions and the labels' words, for tasks that have them.
        wanted: names; None: all.

    Raises UserError for a folder without tasks, a name that is none of them, notes of which none fits, or a
    task without both splits.
    """
    found = _found(folder)
    if not found:
        raise UserError(
            f"{folder}: no task in it; a task is a folder with the files train and test, with FASTA files of "
            "two classes or more, or with one table that has the columns sequence and label."
        )
    for name in wanted or ():
        if name not in found:
            raise UserError(f"{folder}: no task '{name}'; there are: {', '.join(found)}.")
    if notes.tasks and not set(notes.tasks) & set(found):
        raise UserError(
            f"{folder}: the notes name none of its tasks ({', '.join(found)}), but {', '.join(notes.tasks)}."
        )
    return FolderTasks({name: found[name] for name in wanted or found}, notes)


def _found(suite: Path) -> dict[str, TaskPlace]:
    """All places by name; UserError for two of one name."""
    found: dict[str, TaskPlace] = {}
    for path in _task_folders(suite):
        for name, place in _places(path, suite).items():
            if name in found:
                raise UserError(
                    f"{path}: the task '{name}' is in {found[name].folder} too; rename one of them."
                )
            found[name] = place
    return found


def _places(path: Path, suite: Path) -> dict[str, TaskPlace]:
    """The tasks of one folder by name."""
    splits, table = splits_of(path), _lone_table(path)
    of_table = sorted(tasks_in(table)) if table and not splits else []
    tasks = tasks_of(path, splits) if splits else of_table
    home = path.parent if path.name == DATA and path != suite else path
    if len(tasks) < 2:
        return {_name(home, suite): TaskPlace(path, *tasks)}
    start = "" if home == suite else f"{_name(home, suite)}/"
    return {f"{start}{task}": TaskPlace(path, task) for task in tasks}


def _name(path: Path, folder: Path) -> str:
    return folder.resolve().name if path == folder else path.relative_to(folder).as_posix()


def _task_folders(folder: Path) -> list[Path]:
    """Folders of tasks at any depth, sorted; a task's own folders are not searched."""
    if folder.is_file():
        raise UserError(f"{folder}: this is a file; give the folder that holds it.")
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder.")
    if splits_of(folder):
        return [folder]
    below = [path for entry in entries(folder) if entry.is_dir() for path in _task_folders(entry)]
    return below or ([folder] if _has_rows_to_split(folder) else [])


def _has_rows_to_split(folder: Path) -> bool:
    """Whether FASTA files of classes or one labelled table lie in it; UserError for both."""
    check_classes(folder)
    classes, table = len(class_files(folder)) > 1, _lone_table(folder)
    if classes and table:
        raise UserError(f"{folder}: FASTA files of classes and a table, {table.name}; keep one of them.")
    return classes or table is not None


def _lone_table(folder: Path) -> Path | None:
    """The only table in a folder, if its rows have sequences and labels: others are no tasks."""
    tables = files_of(folder, TABLES)
    return tables[0] if len(tables) == 1 and is_labelled(tables[0]) else None


def _read_task(name: str, place: TaskPlace, notes: TaskNotes) -> Task:
    folder = place.folder
    splits = {
        split: notes.worded(of_split.rows(place.task), f"{folder}, {split}")
        for split, of_split in splits_of(folder).items()
    }
    if splits:
        own = next((splits[split] for split in VALIDATION_NAMES if split in splits), [])
        return with_validation(name, notes.question, splits[TRAIN], splits[TEST], own)
    table = _lone_table(folder)
    rows = labelled_rows(table, place.task) if table else by_class(folder)
    return with_splits(name, notes.question, notes.worded(rows, str(folder)))
