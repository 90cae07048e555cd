"""What the tables of a run hold, as sha256, without reading terabytes again at every start.

A digest is remembered in the cache folder with the file's size and times (of its last write and of its last
change of any kind, which no program can set back), and holds as long as these do. The tables of a corpus
need not even be read once: ``manifest.json`` beside them has their digests, which are checked when the
tables are tokenised.
"""

import hashlib
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from omnina.corpus.manifest import MANIFEST_FILE
from omnina.errors import UserError
from omnina.files.lock import locked

REMEMBERED_FILE = "digests.json"
SETTLED_SECONDS = 2  # a file may change twice within one tick of its clock: younger ones are read again


@dataclass(frozen=True)
class Table:
    """A file, its sha256, and whether that was computed from its bytes or is what a manifest says."""

    path: Path
    sha256: str
    checked: bool

    def check(self) -> None:
        """UserError if the bytes are not those that the manifest recorded."""
        if not self.checked and file_digest(self.path) != self.sha256:
            manifest = self.path.parent / MANIFEST_FILE
            raise UserError(
                f"{self.path}: not the bytes that {manifest} records. Build the corpus again, or remove "
                "manifest.json if the table was changed on purpose."
            )


@dataclass(frozen=True)
class _Remembered:
    stamp: list[int]
    sha256: str
    checked: bool


def digested_tables(paths: Sequence[Path], cache_dir: Path) -> list[Table]:
    """The tables with their digests, in the same order.

    One process at a time computes digests; those that wait find them remembered.
    """
    with locked(cache_dir / "digests.lock"):
        remembered = _read_remembered(cache_dir)
        claims = _claims_beside(paths)
        with ThreadPoolExecutor(min(32, 2 * (os.cpu_count() or 1))) as threads:
            found = list(
                threads.map(
                    lambda path: _digested(
                        path, remembered.get(str(path.resolve())), claims[path.parent].get(path.name)
                    ),
                    paths,
                )
            )
        _remember(cache_dir, remembered, paths, found)
    return [Table(path, entry.sha256, entry.checked) for path, entry in zip(paths, found, strict=True)]


def remembered_tables(paths: Sequence[Path], cache_dir: Path) -> list[Table] | None:
    """The tables with the digests that the cache folder remembers; None if one is not known as it stands.

    Nothing is read of the tables, and nothing is written.
    """
    remembered, claims = _read_remembered(cache_dir), _claims_beside(paths)
    found = []
    for path in paths:
        known = _still_known(path, remembered.get(str(path.resolve())), claims[path.parent].get(path.name))
        if known is None:
            return None
        found.append(Table(path, known.sha256, known.checked))
    return found


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_digest(value: object) -> str:
    """sha256 of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def content_name(value: object) -> str:
    """A folder's name for what this JSON value stands for."""
    return content_digest(value)[:20]


def _digested(path: Path, known: _Remembered | None, claim: tuple[int, str] | None) -> _Remembered:
    """What is remembered or claimed of a file as it stands; else computed."""
    if still := _still_known(path, known, claim):
        return still
    stamp, claimed = _stamp(path), _claimed(path, claim)
    if known is None and claimed:  # known with another stamp, it was changed: the manifest may be older
        return _Remembered(stamp, claimed, False)
    return _Remembered(stamp, file_digest(path), True)


def _still_known(path: Path, known: _Remembered | None, claim: tuple[int, str] | None) -> _Remembered | None:
    """What is remembered of a file, if that holds of it as it stands."""
    if known and known.stamp == _stamp(path) and (known.checked or known.sha256 == _claimed(path, claim)):
        return known
    return None


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _claimed(path: Path, claim: tuple[int, str] | None) -> str | None:
    """The digest that a manifest gives a file of this size."""
    return claim[1] if claim and claim[0] == path.stat().st_size else None


def _claims_beside(paths: Sequence[Path]) -> dict[Path, dict[str, tuple[int, str]]]:
    """What the manifest in each table's folder says."""
    return {folder: _manifest_claims(folder) for folder in {path.parent for path in paths}}


def _manifest_claims(folder: Path) -> dict[str, tuple[int, str]]:
    """(bytes, sha256) of each table by file name, from a corpus's manifest; none without one."""
    path = folder / MANIFEST_FILE
    if not path.is_file():
        return {}
    try:
        shards = json.loads(path.read_text(encoding="utf-8"))["shards"]
        return {shard["file"]: (shard["bytes"], shard["sha256"]) for shard in shards}
    except (ValueError, KeyError, TypeError):  # some other program's file of this name: compute
        return {}


def _read_remembered(cache_dir: Path) -> dict[str, _Remembered]:
    path = cache_dir / REMEMBERED_FILE
    if not path.is_file():
        return {}
    values = json.loads(path.read_text(encoding="utf-8"))
    return {name: _Remembered(**entry) for name, entry in values.items()}


def _remember(
    cache_dir: Path, remembered: dict[str, _Remembered], paths: Sequence[Path], found: list[_Remembered]
) -> None:
    """Add what is new and settled; written aside and renamed, so that a kill leaves the old file."""
    settled_ns = time.time_ns() - SETTLED_SECONDS * 10**9
    added = {
        str(path.resolve()): entry
        for path, entry in zip(paths, found, strict=True)
        if entry.stamp[2] < settled_ns
    }
    merged = remembered | added
    if merged != remembered:
        aside = cache_dir / f"{REMEMBERED_FILE}.unfinished"
        text = json.dumps({name: vars(entry) for name, entry in sorted(merged.items())}, indent=1)
        aside.write_text(text + "\n", encoding="utf-8")
        aside.rename(cache_dir / REMEMBERED_FILE)
