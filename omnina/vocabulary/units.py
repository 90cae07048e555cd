"""Which parts of the input a tokenizer's sample is taken from, so that a terabyte is not read for 50 MB.

A unit is a row group of a Parquet file, or a whole table or text file of another kind (text cannot be entered
in its middle: keep large tables in Parquet, or in many files). Units are numbered over the files in the order
of their names, each gets a random rank from the seed and its number, and they are read by rank until what is
read reaches ``read_bytes``. Tables and ``.txt`` files are drawn apart, each up to ``read_bytes``, or a few
files of English would be lost among many shards. It does not depend on the order in which files are named.
"""

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from omnina.corpus.manifest import split_shards
from omnina.errors import UserError
from omnina.tables.parquet import row_groups
from omnina.tables.table import expand_paths
from omnina.vocabulary.windows import TEXT_COLUMNS, plain_text_windows, table_windows

TRAIN_SPLIT = "train"
GZIP_RATIO = 4  # bytes of text for a byte on disk, about


@dataclass(frozen=True)
class InputFile:
    """A table or text file; its digest where a manifest gives it."""

    path: Path
    sha256: str | None = None


@dataclass(frozen=True)
class Unit:
    """What is read as a whole.

    Args:
        number: its place among all units of the input.
        file: where it stands.
        row_group: in a Parquet file; None for a whole file.
        text_bytes: of the columns that are read, uncompressed (for text tables about: the file's size).
    """

    number: int
    file: InputFile
    row_group: int | None
    text_bytes: int

    @property
    def is_plain_text(self) -> bool:
        """A file of English lines rather than a table."""
        return self.file.path.suffix.lower() == ".txt"

    def windows(self) -> Iterator[tuple[str, str]]:
        """(language, window) of all its text, in order; UserError, with file and line, for a bad row."""
        if self.is_plain_text:
            return plain_text_windows(self.file.path)
        return table_windows(self.file.path, self.row_group)


def find_inputs(inputs: str | Path | Iterable[str | Path], split: str = TRAIN_SPLIT) -> list[InputFile]:
    """Files named by paths, globs and folders, in the order of their names.

    Of a folder the shards of ``split`` are taken, as its manifest.json lists them.

    Raises UserError for what is not there, for a file named twice, for a folder without manifest or whose
    shards are not as long as the manifest says.
    """
    entries = [inputs] if isinstance(inputs, (str, Path)) else list(inputs)
    digests: dict[Path, str] = {}
    for folder in (Path(entry) for entry in entries if Path(entry).is_dir()):
        digests |= split_shards(folder, split)
    others = [entry for entry in entries if not Path(entry).is_dir()]
    paths = expand_paths([*others, *digests])
    return [InputFile(path, digests.get(path)) for path in sorted(paths, key=lambda p: (p.name, str(p)))]


def list_units(files: Iterable[InputFile]) -> list[Unit]:
    """The units of the files, numbered; of Parquet files only the footers are read."""
    parts = [(file, *part) for file in files for part in _parts(file.path)]
    return [Unit(number, *part) for number, part in enumerate(parts)]


def choose_units(units: Iterable[Unit], read_bytes: int, seed: int) -> list[Unit]:
    """Those that are read, in the order of their numbers: all if together they are within ``read_bytes``."""
    ranked = sorted(units, key=lambda unit: random.Random(f"{seed}/read/{unit.number}").random())
    tables = [unit for unit in ranked if not unit.is_plain_text]
    texts = [unit for unit in ranked if unit.is_plain_text]
    chosen = [*_first(tables, read_bytes), *_first(texts, read_bytes)]
    return sorted(chosen, key=lambda unit: unit.number)


def _first(units: list[Unit], read_bytes: int) -> Iterator[Unit]:
    total = 0
    for unit in units:
        if total >= read_bytes:
            return
        yield unit
        total += unit.text_bytes


def _parts(path: Path) -> list[tuple[int | None, int]]:
    """(row group, bytes of text) of each unit of a file."""
    if path.suffix.lower() != ".parquet":
        size = path.stat().st_size
        return [(None, size * GZIP_RATIO if path.suffix.lower() == ".gz" else size)]
    groups = row_groups(path, TEXT_COLUMNS)
    if not any(rows for rows, _ in groups):
        raise UserError(f"{path}: there is a header but no row below it.")
    return [(group, size) for group, (rows, size) in enumerate(groups) if rows]
