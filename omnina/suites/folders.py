"""Tasks of public benchmarks, and of one's own files, as they lie on disk.

A folder is a task if it holds its splits in one of these forms; folders are searched to any depth, and the
path below the suite's folder is the task's name:

    train.csv  test.csv  [dev.csv]         columns sequence, label          GUE
    train.csv  test.csv                    columns text, label              GENEB's tasks
    train.fna  test.fna                    headers NAME|LABEL               Nucleotide Transformer's tasks
    train/LABEL/*.txt  test/LABEL/*.txt    one sequence in each file        Genomic Benchmarks
    train/LABEL.fasta  test/LABEL.fasta    a FASTA file of each class
    LABEL.fasta LABEL.fasta ...            the same without splits: these are then drawn by the sequence
    ANY_NAME.csv                           one table without splits, which are drawn as well

Tables may be ``.csv``, ``.tsv`` (also ``.gz``) or ``.parquet``, FASTA may be compressed. Validation is called
``dev``, ``eval``, ``valid``, ``val`` or ``validation``; where there is none, a tenth of the training rows is
held out. Names of splits and columns count in any case. A table or FASTA file beside splits that is none is
refused; files beside folders that hold tasks are none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from Bio.SeqIO.FastaIO import SimpleFastaParser

from omnina.corpus.readers.streams import opened_bytes
from omnina.errors import UserError
from omnina.suites.published import SuiteNotes, TaskNotes
from omnina.suites.task import TEST, TRAIN, Example, Task, with_splits, with_validation
from omnina.tables.table import read_rows

VALIDATION_NAMES = ("dev", "eval", "valid", "val", "validation")
SPLIT_NAMES = (TRAIN, TEST, *VALIDATION_NAMES)
FASTA = (".fa", ".fna", ".fasta")
TABLES = (".csv", ".tsv", ".parquet")
PACKED = (".gz", ".bgz", ".zst")
SEQUENCE, TEXT, LABEL = "sequence", "text", "label"


@dataclass(frozen=True)
class FolderTasks(Sequence[Task]):
    """Tasks on disk, in order; each is read whenever it is asked for, so that one is in memory at a time.

    Attributes:
        folders: by name.
        notes: questions and the labels' words.

    Raises UserError, where a task is asked for, for one whose files cannot be read.
    """

    folders: Mapping[str, Path]
    notes: SuiteNotes

    def __len__(self) -> int:
        return len(self.folders)

    def __getitem__(self, place: int) -> Task:
        name = list(self.folders)[place]
        return _read_task(name, self.folders[name], self.notes.of(name))


def read_tasks(folder: Path, notes: SuiteNotes, wanted: Sequence[str] | None = None) -> FolderTasks:
    """The tasks below a folder, by name; names are checked at once, rows when they are read.

    Args:
        folder: the suite's.
        notes: questions and the labels' words, for tasks that have them.
        wanted: names; None: all.

    Raises UserError for a folder without tasks, a name that is none of them, notes of which none fits, or a
    task without both splits.
    """
    found = {_name(path, folder): path for path in _task_folders(folder)}
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


def _name(path: Path, folder: Path) -> str:
    return folder.resolve().name if path == folder else path.relative_to(folder).as_posix()


def _task_folders(folder: Path) -> list[Path]:
    """Folders of tasks at any depth, sorted; a task's own folders are not searched."""
    if folder.is_file():
        raise UserError(f"{folder}: this is a file; give the folder that holds it.")
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder.")
    if _split_readers(folder):
        return [folder]
    below = [path for entry in _entries(folder) if entry.is_dir() for path in _task_folders(entry)]
    return below or ([folder] if _has_rows_to_split(folder) else [])


def _has_rows_to_split(folder: Path) -> bool:
    """Whether FASTA files of classes or one labelled table lie in it; UserError for both."""
    classes, table = len(_class_files(folder)) > 1, _lone_table(folder)
    if classes and table:
        raise UserError(f"{folder}: FASTA files of classes and a table, {table.name}; keep one of them.")
    return classes or table is not None


def _lone_table(folder: Path) -> Path | None:
    """The only table in a folder, if its rows have sequences and labels: others are no tasks."""
    tables = _files_of(folder, TABLES)
    header = _header(tables[0]) if len(tables) == 1 else []
    whole = _spelt(header, LABEL) and (_spelt(header, SEQUENCE) or _spelt(header, TEXT))
    return tables[0] if whole else None


def _read_task(name: str, folder: Path, notes: TaskNotes) -> Task:
    readers = _split_readers(folder)
    if not readers:
        table = _lone_table(folder)
        rows = notes.worded(_labelled_table(table) if table else _by_class(folder), str(folder))
        return with_splits(name, notes.question, rows)
    splits = {split: notes.worded(read(), f"{folder}, {split}") for split, read in readers.items()}
    own = next((splits[name] for name in VALIDATION_NAMES if name in splits), [])
    return with_validation(name, notes.question, splits[TRAIN], splits[TEST], own)


def _split_readers(folder: Path) -> dict[str, Callable[[], list[Example]]]:
    """What reads each split of a task's folder; empty if it holds none.

    Raises UserError for some splits but not all, for one in two forms, and for tables that are no split.
    """
    found: dict[str, Callable[[], list[Example]]] = {}
    for entry in _entries(folder):
        split, read = _stem(entry).lower(), _reader(entry)
        if read and split in SPLIT_NAMES:
            if split in found:
                raise UserError(f"{folder}: two forms of the split '{split}'; keep one of them.")
            found[split] = read
    if found:
        _check_splits(folder, list(found))
    return found


def _check_splits(folder: Path, found: Sequence[str]) -> None:
    for split in (TRAIN, TEST):
        if split not in found:
            raise UserError(f"{folder}: there is {', '.join(found)}, but no {split}; a task needs both.")
    validation = [split for split in found if split in VALIDATION_NAMES]
    if len(validation) > 1:
        raise UserError(f"{folder}: {' and '.join(validation)} are both validation; keep one of them.")
    for path in _files_of(folder, (*TABLES, *FASTA)):
        if _stem(path).lower() not in SPLIT_NAMES:
            raise UserError(
                f"{path}: none of the splits {', '.join(SPLIT_NAMES)}; rename it, or move it away."
            )


def _reader(entry: Path) -> Callable[[], list[Example]] | None:
    if entry.is_dir():
        return lambda: _by_class(entry)
    if _form(entry) in FASTA:
        return lambda: _labelled_fasta(entry)
    return (lambda: _labelled_table(entry)) if _form(entry) in TABLES else None


def _stem(path: Path) -> str:
    """The name without the suffixes of its form."""
    name = path.name
    for suffix in (*PACKED, *TABLES, *FASTA, ".txt"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name


def _form(path: Path) -> str:
    """The suffix that says what a file holds, compressed or not."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _labelled_table(path: Path) -> list[Example]:
    header = _header(path)
    sequence = _spelt(header, SEQUENCE) or _spelt(header, TEXT) or SEQUENCE
    label = _spelt(header, LABEL) or LABEL
    return [Example(row[sequence], row[label].strip()) for _, row in read_rows(path, [sequence, label])]


def _header(path: Path) -> list[str]:
    _, first = next(read_rows(path))
    return list(first)


def _spelt(header: Sequence[str], column: str) -> str | None:
    """A column as the header spells it, in whatever case; the very spelling first, None if there is none."""
    return next(
        (name for name in sorted(header, key=lambda name: name != column) if name.lower() == column), None
    )


def _labelled_fasta(path: Path) -> list[Example]:
    rows = []
    for header, bases in _fasta(path):
        if "|" not in header:
            raise UserError(f"{path}: the record '{header}' has no label; write it as >NAME|LABEL.")
        rows.append(Example(bases, header.rsplit("|", 1)[1].strip()))
    return rows


def _class_files(folder: Path) -> list[Path]:
    return _files_of(folder, FASTA)


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder, sorted; hidden files and folders are those of other programs."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _files_of(folder: Path, forms: Sequence[str]) -> list[Path]:
    return [path for path in _entries(folder) if path.is_file() and _form(path) in forms]


def _by_class(folder: Path) -> list[Example]:
    """A FASTA file of each class, or a folder of text files of each; UserError for a class without rows."""
    classes = {path: [bases for _, bases in _fasta(path)] for path in _class_files(folder)}
    for path in (path for path in _entries(folder) if path.is_dir()):
        classes[path] = ["".join(_text(file).split()) for file in sorted(path.glob("*.txt"))]
    for path, sequences in classes.items():
        if not sequences:
            raise UserError(f"{path}: no sequence of this class; it needs FASTA records, or .txt files.")
    if not classes:
        raise UserError(f"{folder}: neither FASTA files nor folders of .txt files of the classes.")
    return [Example(bases, _stem(path)) for path, sequences in classes.items() for bases in sequences]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start + 1} is not UTF-8.") from error


def _fasta(path: Path) -> list[tuple[str, str]]:
    """(header, bases) of each record."""
    try:
        with opened_bytes(path) as stream:
            return list(SimpleFastaParser(TextIOWrapper(stream, encoding="utf-8")))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason}).") from error
