"""Tasks of public benchmarks, and of one's own files, as they lie on disk.

A folder is a task if it holds its splits in one of these forms; folders are searched to any depth, and the
path below the suite's folder is the task's name:

    train.csv  test.csv  [dev.csv]         columns sequence, label          GUE
    train.fna  test.fna                    headers NAME|LABEL               Nucleotide Transformer's tasks
    train/LABEL/*.txt  test/LABEL/*.txt    one sequence in each file        Genomic Benchmarks
    train/LABEL.fasta  test/LABEL.fasta    a FASTA file of each class
    LABEL.fasta LABEL.fasta ...            the same without splits: these are then drawn by the sequence

Tables may be ``.csv``, ``.tsv`` (also ``.gz``) or ``.parquet``, FASTA may be compressed. Validation is called
``dev``, ``valid``, ``val`` or ``validation``; where there is none, a tenth of the training rows is held out.
"""

from collections.abc import Callable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path

from Bio.SeqIO.FastaIO import SimpleFastaParser

from omnina.corpus.readers.streams import opened_bytes
from omnina.errors import UserError
from omnina.suites.published import SuiteNotes, TaskNotes
from omnina.suites.task import Example, Task, draw, with_validation
from omnina.tables.table import read_rows

VALIDATION_NAMES = ("dev", "valid", "val", "validation")
FASTA = (".fa", ".fna", ".fasta")
TABLES = (".csv", ".tsv", ".parquet")
PACKED = (".gz", ".bgz", ".zst")
TEST_SHARE = 0.2  # of classes without splits


def read_tasks(folder: Path, notes: SuiteNotes, wanted: Sequence[str] | None = None) -> Iterator[Task]:
    """The tasks below a folder, by name, one at a time.

    Args:
        folder: the suite's.
        notes: questions and the labels' words, for tasks that have them.
        wanted: names; None: all.

    Raises UserError for a folder without tasks, a name that is none of them, or files that cannot be read.
    """
    found = {_name(path, folder): path for path in _task_folders(folder)}
    if not found:
        raise UserError(f"{folder}: no task in it; a task is a folder with train and test files, see --help.")
    for name in wanted or found:
        if name not in found:
            raise UserError(f"{folder}: no task '{name}'; there are: {', '.join(found)}.")
        yield _read_task(name, found[name], notes.of(name))


def _name(path: Path, folder: Path) -> str:
    return folder.resolve().name if path == folder else path.relative_to(folder).as_posix()


def _task_folders(folder: Path) -> Iterator[Path]:
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder.")
    if _split_readers(folder) or len(_class_files(folder)) > 1:
        yield folder
        return
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            yield from _task_folders(entry)


def _read_task(name: str, folder: Path, notes: TaskNotes) -> Task:
    readers = _split_readers(folder)
    if not readers:
        rows = [notes.worded(row) for row in _by_class(folder)]
        test = [row for row in rows if draw(row, "test") < TEST_SHARE]
        train = [row for row in rows if draw(row, "test") >= TEST_SHARE]
        return with_validation(name, notes.question, train, test)
    splits = {split: [notes.worded(row) for row in read()] for split, read in readers.items()}
    own = next((splits[name] for name in VALIDATION_NAMES if name in splits), [])
    return with_validation(name, notes.question, splits["train"], splits["test"], own)


def _split_readers(folder: Path) -> dict[str, Callable[[], list[Example]]]:
    """What reads each split of a task's folder; empty if it has not both ``train`` and ``test``."""
    found: dict[str, Callable[[], list[Example]]] = {}
    for entry in sorted(folder.iterdir()):
        split = entry.name.split(".")[0]
        read = _reader(entry)
        if read and split in ("train", "test", *VALIDATION_NAMES):
            if split in found:
                raise UserError(f"{folder}: two forms of the split '{split}'; keep one of them.")
            found[split] = read
    return found if {"train", "test"} <= set(found) else {}


def _reader(entry: Path) -> Callable[[], list[Example]] | None:
    if entry.is_dir():
        return lambda: _by_class(entry)
    if _form(entry) in FASTA:
        return lambda: _labelled_fasta(entry)
    return (lambda: _labelled_table(entry)) if _form(entry) in TABLES else None


def _form(path: Path) -> str:
    """The suffix that says what a file holds, compressed or not."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _labelled_table(path: Path) -> list[Example]:
    return [Example(row["sequence"], row["label"]) for _, row in read_rows(path, ["sequence", "label"])]


def _labelled_fasta(path: Path) -> list[Example]:
    rows = []
    for header, bases in _fasta(path):
        if "|" not in header:
            raise UserError(f"{path}: the record '{header}' has no label; write it as >NAME|LABEL.")
        rows.append(Example(bases, header.rsplit("|", 1)[1]))
    return rows


def _class_files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_file() and _form(path) in FASTA]


def _by_class(folder: Path) -> list[Example]:
    """A FASTA file of each class, or a folder of text files of each."""
    files = [(path, path.name.split(".")[0]) for path in _class_files(folder)]
    rows = [Example(bases, label) for path, label in files for _, bases in _fasta(path)]
    for label in (path for path in sorted(folder.iterdir()) if path.is_dir()):
        texts = sorted(label.glob("*.txt"))
        rows += [Example(text.read_text(encoding="utf-8").strip(), label.name) for text in texts]
    if not rows:
        raise UserError(f"{folder}: neither FASTA files nor folders of .txt files of the classes.")
    return rows


def _fasta(path: Path) -> Iterator[tuple[str, str]]:
    """(header up to the first blank, bases)."""
    with opened_bytes(path) as stream:
        for header, bases in SimpleFastaParser(TextIOWrapper(stream, encoding="utf-8")):
            yield header.split(maxsplit=1)[0], bases
