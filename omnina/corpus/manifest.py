"""``manifest.json``: what the tables of a corpus hold, summed over its tasks.

It has the configuration with the packages' versions, the commit of the code, passages by what became of them,
shards, rows, bases and bytes of each split (of an empty one too), and every shard with its sha256; a table
that is one file has one shard.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from omnina.checkout import git_commit
from omnina.corpus.filters import Counts, counts_as_json, counts_from_json
from omnina.corpus.joined import joined_tables
from omnina.corpus.rejected_list import check_rejected
from omnina.corpus.shards import SHARD_NAME, ShardSettings
from omnina.corpus.task_output import PARTS, completed_task, json_values, task_file
from omnina.errors import UserError
from omnina.files.durable import write_json
from omnina.files.json_file import read_object
from omnina.files.listed import check_name

MANIFEST_FILE = "manifest.json"
_SUMMED = ("rows", "bases", "bytes")


def write_manifest(
    folder: Path,
    tasks: int,
    config: Mapping,
    splits: Iterable[str] = (),
    settings: Mapping[str, ShardSettings] | None = None,
) -> dict:
    """Sum the records of tasks 0 to ``tasks - 1`` and write them; first join the parts of files.

    Args:
        folder: of the tables.
        tasks: how many there are.
        config: that they must have run under.
        splits: those that are named even without a row.
        settings: of the tables that are one file each, by name.

    Raises UserError for tasks that are not complete or ran under another configuration, for shards that are
    missing or not as long as their record says, for shards of no task, and if ``rejected.csv`` does not have
    the lines that the tasks counted.
    """
    records = _complete_records(folder, tasks, config)
    shards = [shard for record in records for shard in record["shards"]]
    _check_files(folder, shards)
    parts = [part for record in records for part in record["parts"]]
    _check_files(folder / PARTS, parts)
    shards += joined_tables(folder, parts, settings or {})
    counts: dict[str, Counts] = {}
    for label, of_task in (pair for record in records for pair in counts_from_json(record).items()):
        counts[label] = counts.get(label, Counts()) + of_task
    check_rejected(folder, counts.values(), "remove its task-*.json and run again")
    manifest = {
        "config": json_values(config),
        "tasks": tasks,
        "git_commit": git_commit(),
        **counts_as_json(counts),
        "splits": _by_split(shards, splits),
        "shards": shards,
    }
    write_json(folder / MANIFEST_FILE, manifest)
    return manifest


def read_manifest(folder: Path) -> dict:
    """The manifest of a complete run.

    Raises UserError if a shard is missing or not as long as it was, or ``rejected.csv`` has other lines.
    """
    manifest = _read(folder)
    _check_lengths(folder, manifest["shards"])
    counts = counts_from_json(manifest).values()
    check_rejected(folder, counts, f"remove {MANIFEST_FILE} and run again")
    return manifest


def damaged_shards(folder: Path, shards: Iterable[Mapping]) -> list[str]:
    """Names of those shards of a manifest that are missing or not the bytes that were written; reads all."""
    return [
        shard["file"] for shard in shards if _sha256(check_name(folder, shard["file"])) != shard["sha256"]
    ]


def split_shards(folder: Path, split: str) -> dict[Path, str]:
    """Files of one split of a corpus and their sha256; their lengths are compared, their bytes are not read.

    Raises UserError if the folder has no manifest or no such split, or if a file is missing, cut, or named
    as one of another folder.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise UserError(
            f"{folder}: a folder without {MANIFEST_FILE}; name its files, for example '{folder}/*.parquet'."
        )
    shards = _read(folder)["shards"]
    ours = [shard for shard in shards if shard["split"] == split]
    if not ours:
        known = ", ".join(sorted({shard["split"] for shard in shards}))
        raise UserError(f"{path}: there is no split '{split}'; there are: {known}.")
    _check_lengths(folder, ours)
    return {folder / shard["file"]: shard["sha256"] for shard in ours}


def _read(folder: Path) -> dict:
    """The manifest; UserError for one that is not whole."""
    path = folder / MANIFEST_FILE
    manifest = read_object(path)
    try:
        entries = [(shard["file"], shard["split"], shard["sha256"]) for shard in manifest["shards"]]
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not the manifest of a corpus ({error!r}); build the corpus again."
        ) from error
    if not all(isinstance(text, str) for entry in entries for text in entry):
        raise UserError(f"{path}: a shard's name, split or sha256 is no text; build the corpus again.")
    return manifest


def _complete_records(folder: Path, tasks: int, config: Mapping) -> list[dict]:
    records = [completed_task(folder, task, config) for task in range(tasks)]
    missing = [task_file(folder, task).name for task, record in enumerate(records) if record is None]
    if missing:
        raise UserError(
            f"{folder}: {len(missing)} of {tasks} tasks are not complete ({', '.join(missing[:5])}"
            f"{', ...' if len(missing) > 5 else ''} not there); run the same command again."
        )
    return records


def _check_lengths(folder: Path, shards: list[dict]) -> None:
    for shard in shards:
        path = check_name(folder, shard["file"])
        if not path.is_file() or path.stat().st_size != shard.get("bytes"):
            raise UserError(
                f"{path}: not the {shard.get('bytes')} bytes that were written; "
                f"remove {_record_of(path)} and run again."
            )


def _record_of(path: Path) -> str:
    """What says that a shard is complete; a table that is one file has the manifest only."""
    name = SHARD_NAME.fullmatch(path.name)
    return f"{task_file(path.parent, int(name['task'])).name} and {MANIFEST_FILE}" if name else MANIFEST_FILE


def _check_files(folder: Path, shards: list[dict]) -> None:
    _check_lengths(folder, shards)
    known = {shard["file"] for shard in shards}
    for path in sorted(folder.glob("*")):
        if SHARD_NAME.fullmatch(path.name) and path.name not in known:
            raise UserError(f"{path}: of none of the tasks, so of another run; remove it or write elsewhere.")


def _by_split(shards: list[dict], named: Iterable[str]) -> dict[str, dict[str, int]]:
    nothing = dict.fromkeys(("shards", *_SUMMED), 0)
    splits = {split: dict(nothing) for split in (*named, *(shard["split"] for shard in shards))}
    for shard in shards:
        split = splits[shard["split"]]
        split["shards"] += 1
        for key in _SUMMED:
            split[key] += shard[key]
    return dict(sorted(splits.items()))


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
