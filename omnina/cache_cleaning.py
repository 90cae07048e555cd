"""Removing tokenised table sets from a cache: those used longest ago first, none that a run uses.

A run keeps a shared lock on ``NAME.use`` beside each table set that it has loaded, whose time is that of its
last use (``omnina/dataset.py``), and one on ``cache.lock`` while it loads; cleaning takes both whole. A shard
goes with the last table set that has it; shards of no set, which a killed run left, go last.
"""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from omnina.dataset import CACHE_LOCK, SHARD_FOLDER, USE_SUFFIX
from omnina.errors import UserError
from omnina.files.lock import locked_if_free
from omnina.shards.merging import CONTENTS_FILE


def clean_cache(cache_dir: Path, cap_bytes: int) -> tuple[list[str], int]:
    """Remove table sets, and shards of none, until the rest takes ``cap_bytes`` or is in use.

    Returns the names of what was removed and the bytes that are left. Raises UserError for a folder that is
    no cache, and while a run tokenises or loads there.
    """
    if not (cache_dir / SHARD_FOLDER).is_dir():
        raise UserError(f"{cache_dir}: no cache of tokenised tables is there; name a run's cache_dir.")
    removed = []
    with locked_if_free(cache_dir / CACHE_LOCK) as alone:
        if not alone:
            raise UserError(f"{cache_dir}: a run tokenises or loads its tables there; try again later.")
        for folder in (*_by_last_use(cache_dir), None):
            if _size(cache_dir) <= cap_bytes:
                break
            removed += _remove_set(folder) if folder else _remove_orphans(cache_dir, cap_bytes)
        return removed, _size(cache_dir)


def _by_last_use(cache_dir: Path) -> list[Path]:
    """Table sets; one that was never used by a run that notes it was made longest ago."""

    def last_use(folder: Path) -> float:
        noted = folder.with_name(folder.name + USE_SUFFIX)
        return noted.stat().st_mtime if noted.exists() else 0.0

    return sorted((path.parent for path in cache_dir.glob(f"*/{CONTENTS_FILE}")), key=last_use)


def _remove_set(folder: Path) -> list[str]:
    """The set and its shards that no other has, unless it is in use."""
    lock = folder.with_name(folder.name + USE_SUFFIX)
    with locked_if_free(lock) as free:
        if not free:
            return []
        users = _users_of_shards(folder.parent)
        ours = _shards_of(folder)
        shutil.rmtree(folder)
        for name in ours:
            if users[name] == 1:
                shutil.rmtree(folder.parent / SHARD_FOLDER / name)
        lock.unlink()
    return [folder.name]


def _remove_orphans(cache_dir: Path, cap_bytes: int) -> list[str]:
    users = _users_of_shards(cache_dir)
    shards = (path for path in (cache_dir / SHARD_FOLDER).iterdir() if path.is_dir())
    removed = []
    for path in sorted(shards, key=lambda path: path.stat().st_mtime):
        if not users[path.name] and _size(cache_dir) > cap_bytes:
            shutil.rmtree(path)
            removed.append(path.name)
    return removed


def _users_of_shards(cache_dir: Path) -> Counter[str]:
    """How many table sets have a shard."""
    return Counter(name for folder in _by_last_use(cache_dir) for name in _shards_of(folder))


def _shards_of(folder: Path) -> list[str]:
    return list(json.loads((folder / CONTENTS_FILE).read_text(encoding="utf-8"))["documents_by_shard"])


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
