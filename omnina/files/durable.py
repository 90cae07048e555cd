"""Files that are there whole or not at all, also after a power cut: written aside, flushed to disk, renamed.

A rename may reach the disk before the bytes that it names do; hence the flush (fsync) before it, and one of
the folder after it.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import BinaryIO

import numpy as np


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Have ``write`` fill a file beside ``path``, then put it there."""
    aside = path.with_name(f".{path.name}")
    with aside.open("wb") as stream:
        write(stream)
    publish(aside, path)


def write_json(path: Path, values: Mapping) -> None:
    """Write a mapping as indented JSON."""
    text = json.dumps(values, indent=2) + "\n"
    write_whole(path, lambda stream: stream.write(text.encode()))


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray] | Iterable[tuple[str, np.ndarray]]) -> None:
    """Write a folder of ``.npy`` files, by name, one after another."""
    with whole_folder(folder) as aside:
        for name, array in arrays.items() if isinstance(arrays, Mapping) else arrays:
            np.save(aside / f"{name}.npy", array, allow_pickle=False)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside ``folder`` and, unless filling it failed, put it there."""
    aside = folder.with_name(f".{folder.name}")
    rmtree(aside, ignore_errors=True)  # of a killed run
    aside.mkdir()
    yield aside
    publish(aside, folder)


def publish(aside: Path, path: Path) -> None:
    """Put a file, or a folder with all that is in it, in its place on the same file system."""
    for written in aside.rglob("*") if aside.is_dir() else ():
        flush(written)
    flush(aside)
    aside.replace(path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Wait until a file's bytes, or a folder's names, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
