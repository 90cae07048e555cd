"""The splits of a task's folder: which there are, and what each is made of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from omnina.errors import UserError
from omnina.suites.task import TEST, TRAIN, Example
from omnina.suites.task_files import (
    FASTA,
    TABLES,
    class_files,
    entries,
    files_of,
    form,
    labelled_rows,
    stem,
    tasks_in,
)

VALIDATION_NAMES = ("dev", "eval", "valid", "val", "validation")
SPLIT_NAMES = (TRAIN, TEST, *VALIDATION_NAMES)
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?")  # as the Hugging Face Hub names them
_SPLIT = "|".join(SPLIT_NAMES)
_CLASS_OF_SPLIT = re.compile(rf"({_SPLIT})[-_.](.+)|(.+)[-_.]({_SPLIT})", re.IGNORECASE)


@dataclass(frozen=True)
class Split:
    """One split: a file, a folder, or the shards of a table, in order."""

    paths: tuple[Path, ...]

    def rows(self, task: str | None = None) -> list[Example]:
        """Its rows; those of one task only, if it is named. Raises UserError as ``labelled_rows`` does."""
        return [row for path in self.paths for row in labelled_rows(path, task)]

    def tasks(self) -> set[str]:
        """What its column ``task`` names; none if it has no such column."""
        return set().union(*(tasks_in(path) for path in self.paths))


def splits_of(folder: Path) -> dict[str, Split]:
    """The splits of a task's folder by name; empty if it holds none.

    Raises UserError for some splits but not all, for one in two forms or with a shard missing, and for tables
    that are no split.
    """
    found: dict[str, list[Path]] = {}
    for entry in entries(folder):
        split = _split_name(entry)
        if split in SPLIT_NAMES and (entry.is_dir() or form(entry) in (*TABLES, *FASTA)):
            found.setdefault(split, []).append(entry)
    if found:
        _check_splits(folder, found)
    return {split: Split(tuple(paths)) for split, paths in found.items()}


def tasks_of(folder: Path, splits: Mapping[str, Split]) -> list[str]:
    """The tasks that all splits' column ``task`` names, sorted; none without such a column.

    Raises UserError if one split names others than training.
    """
    of_splits = {split: each.tasks() for split, each in splits.items()}
    for split, names in of_splits.items():
        if names != of_splits[TRAIN]:
            different = ", ".join(sorted(names ^ of_splits[TRAIN]))
            raise UserError(
                f"{folder}: the column task of {split} and that of {TRAIN} differ in {different}; every "
                "split needs rows of every task. Remove the others' rows, or the column from all."
            )
    return sorted(of_splits[TRAIN])


def check_classes(folder: Path) -> None:
    """UserError for a FASTA file that is named as one split of a class, where files are whole classes."""
    for path in class_files(folder):
        if found := _CLASS_OF_SPLIT.fullmatch(stem(path)):
            split, name = found[1] or found[4], found[2] or found[3]
            raise UserError(
                f"{path}: by its name the split '{split}' of the class '{name}', but files in this folder "
                f"are classes; move it to {split.lower()}/{name}{form(path)}, and the others likewise."
            )


def _split_name(entry: Path) -> str:
    shard = _SHARD.fullmatch(stem(entry))
    return (shard[1] if shard and entry.is_file() else stem(entry)).lower()


def _check_splits(folder: Path, found: Mapping[str, list[Path]]) -> None:
    for split, paths in found.items():
        _check_whole(folder, split, paths)
    for split in (TRAIN, TEST):
        if split not in found:
            raise UserError(f"{folder}: there is {', '.join(found)}, but no {split}; a task needs both.")
    validation = [split for split in found if split in VALIDATION_NAMES]
    if len(validation) > 1:
        raise UserError(f"{folder}: {' and '.join(validation)} are both validation; keep one of them.")
    for path in files_of(folder, (*TABLES, *FASTA)):
        if _split_name(path) not in SPLIT_NAMES:
            raise UserError(
                f"{path}: none of the splits {', '.join(SPLIT_NAMES)}; rename it, or move it away."
            )


def _check_whole(folder: Path, split: str, paths: list[Path]) -> None:
    """UserError unless they are one file or folder, or every shard of one table."""
    shards = [_SHARD.fullmatch(stem(path)) for path in paths if path.is_file()]
    if len(paths) > 1 and (None in shards or len({form(path) for path in paths}) > 1):
        raise UserError(f"{folder}: two forms of the split '{split}'; keep one of them.")
    totals = {int(shard[3]) for shard in shards if shard}
    numbers = [int(shard[2]) for shard in shards if shard]
    if totals and (len(totals) > 1 or sorted(numbers) != list(range(max(totals)))):
        raise UserError(
            f"{folder}: the shards of the split '{split}' are {', '.join(path.name for path in paths)}; each "
            "of one table must be there once. Fetch what is missing, remove what is of another version."
        )
