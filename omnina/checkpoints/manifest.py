"""``manifest.json`` of a folder: every file's size and sha256, by which a damaged one is known.

It is written last, when the files are on disk. A name in it never leads out of its folder.
"""

import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from omnina.errors import UserError
from omnina.files.durable import write_json
from omnina.files.listed import check_name
from omnina.tables.digests import file_digest

MANIFEST_FILE = "manifest.json"


def write_manifest(folder: Path, names: Iterable[str] | None = None) -> None:
    """Record the files of these names, relative to the folder; all that are in it if not given."""
    found = sorted(names) if names is not None else _files(folder)
    digests = _digests([folder / name for name in found])
    files = {
        name: {"bytes": (folder / name).stat().st_size, "sha256": digest}
        for name, digest in zip(found, digests, strict=True)
    }
    write_json(folder / MANIFEST_FILE, {"files": files})


def manifest_fault(folder: Path) -> str | None:
    """What is wrong with a folder, read to its last byte, in words; None if it is what was written."""
    try:
        recorded = _read(folder)
    except UserError as error:
        return str(error)
    for name, entry in recorded.items():
        fault = _size_fault(folder / name, entry["bytes"])
        if fault:
            return f"{name} {fault}"
    digests = _digests([folder / name for name in recorded])
    for (name, entry), digest in zip(recorded.items(), digests, strict=True):
        if digest != entry["sha256"]:
            return (
                f"{name} has other bytes than were written (sha256 {digest[:12]}, not {entry['sha256'][:12]})"
            )
    return None


def _read(folder: Path) -> dict[str, dict]:
    """Entries by file name; UserError with what is wrong with the list itself."""
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise UserError(f"{MANIFEST_FILE} is missing: it was not written to its end, or by another program")
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        entries = {name: {"bytes": int(e["bytes"]), "sha256": str(e["sha256"])} for name, e in files.items()}
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise UserError(f"{MANIFEST_FILE} is not readable ({type(error).__name__}: {error})") from error
    for name in entries:
        check_name(folder, name)
    return entries


def _size_fault(path: Path, size: int) -> str | None:
    if not path.is_file():
        return "is missing"
    found = path.stat().st_size
    return None if found == size else f"has {found:,} bytes instead of {size:,}"


def _files(folder: Path) -> list[str]:
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in names if name != MANIFEST_FILE)


def _digests(paths: list[Path]) -> list[str]:
    """sha256 of each file; several at a time, since hashing releases the interpreter."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        return list(threads.map(file_digest, paths))
