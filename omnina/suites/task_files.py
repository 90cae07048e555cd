"""Labelled sequences of one file, or of a folder of files of each class."""

from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from Bio.SeqIO.FastaIO import SimpleFastaParser

from omnina.corpus.readers.streams import opened_bytes
from omnina.errors import UserError
from omnina.suites.task import Example
from omnina.tables.table import read_rows

FASTA = (".fa", ".fna", ".fasta")
TABLES = (".csv", ".tsv", ".parquet")
PACKED = (".gz", ".bgz", ".zst")
SEQUENCE, TEXT, LABEL, TASK = "sequence", "text", "label", "task"


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, sorted; hidden files and folders are those of other programs."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def files_of(folder: Path, forms: Sequence[str]) -> list[Path]:
    """A folder's files in these forms, sorted."""
    return [path for path in entries(folder) if path.is_file() and form(path) in forms]


def stem(path: Path) -> str:
    """The name without the suffixes of its form."""
    name = path.name
    for suffix in (*PACKED, *TABLES, *FASTA, ".txt"):
        name = name[: -len(suffix)] if name.lower().endswith(suffix) else name
    return name


def form(path: Path) -> str:
    """The suffix that says what a file holds, compressed or not."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def is_labelled(path: Path) -> bool:
    """Whether a table's rows have sequences and labels."""
    header = _header(path)
    return bool(_spelt(header, LABEL) and (_spelt(header, SEQUENCE) or _spelt(header, TEXT)))


def labelled_rows(path: Path, task: str | None = None) -> list[Example]:
    """Of a table, a FASTA file or a folder; of a table's rows those of one task only, if it is named.

    Raises UserError, naming the file, for what is not whole, or has no label.
    """
    if path.is_dir():
        return by_class(path)
    return _labelled_fasta(path) if form(path) in FASTA else _labelled_table(path, task)


def tasks_in(path: Path) -> set[str]:
    """What a table's column ``task`` names; none if it has no such column, or is no table.

    Raises UserError for a row without a name, or with one that is no name of a folder.
    """
    column = _spelt(_header(path), TASK) if path.is_file() and form(path) in TABLES else None
    if column is None:
        return set()
    lines: dict[str, int] = {}
    for line, row in read_rows(path, [column], [column]):
        lines.setdefault(row[column].strip(), line)
    for name, line in lines.items():
        if name in ("", "..") or Path(name).name != name:  # results get a folder of that name
            raise UserError(
                f"{path}:{line}: the column '{column}' has '{name}', which is no name of a task; write one "
                "without slashes, or remove the column."
            )
    return set(lines)


def _labelled_table(path: Path, task: str | None) -> list[Example]:
    header = _header(path)
    sequence = _spelt(header, SEQUENCE) or _spelt(header, TEXT) or SEQUENCE
    label = _spelt(header, LABEL) or LABEL
    if task is None:
        return [Example(row[sequence], row[label].strip()) for _, row in read_rows(path, [sequence, label])]
    column = _spelt(header, TASK) or TASK
    rows = (row for _, row in read_rows(path, [sequence, label, column]))
    return [Example(row[sequence], row[label].strip()) for row in rows if row[column].strip() == task]


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


def class_files(folder: Path) -> list[Path]:
    """FASTA files, each of one class."""
    return files_of(folder, FASTA)


def by_class(folder: Path) -> list[Example]:
    """A FASTA file of each class, or a folder of text files of each; UserError for a class without rows."""
    classes = {path: [bases for _, bases in _fasta(path)] for path in class_files(folder)}
    for path in (path for path in entries(folder) if path.is_dir()):
        classes[path] = ["".join(_text(file).split()) for file in sorted(path.glob("*.txt"))]
    for path, sequences in classes.items():
        if not sequences:
            raise UserError(f"{path}: no sequence of this class; it needs FASTA records, or .txt files.")
    if not classes:
        raise UserError(f"{folder}: neither FASTA files nor folders of .txt files of the classes.")
    return [Example(bases, stem(path)) for path, sequences in classes.items() for bases in sequences]


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
