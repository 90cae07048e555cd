"""Locks between processes, on files; a killed process holds none."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock on a file (made if there is none) and hold it."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def locked_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock on a file if nobody does; yields whether it is held."""
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Wait until nobody holds the lock alone, and hold it together with others."""
    with hold_shared(path):
        yield


def hold_shared(path: Path) -> IO[str]:
    """The same, until the stream that is returned is closed."""
    stream = path.open("a+", encoding="utf-8")  # some network file systems share a lock with readers only
    fcntl.flock(stream, fcntl.LOCK_SH)
    return stream
