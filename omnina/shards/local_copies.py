"""Token shards of a shared file system, copied to the machine's own disk as they are needed.

The copies together stay under a cap: those used longest ago go first, and none that a process has open. A
shard for which there is no room is read where it lies. All processes of a machine share the copies; a copy is
written aside and renamed under a lock, so a kill leaves none that is not whole.
"""

import fcntl
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from omnina.files.lock import locked

LOCK_FILE = "copies.lock"
UNFINISHED = ".unfinished"


@dataclass(frozen=True)
class LocalCopies:
    """Copies in ``folder``, on a local disk, of ``cap_bytes`` together at most."""

    folder: Path
    cap_bytes: int

    def open(self, shard: Path) -> IO[bytes]:
        """A shard's file (``NAME/rows.arrow``), the copy if there is one or room for one.

        While it is open, the copy stays.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        copy = self.folder / f"{shard.parent.name}{shard.suffix}"
        with locked(self.folder / LOCK_FILE):
            if not copy.exists() and not self._fetch(shard, copy):
                return shard.open("rb")
            copy.touch()  # used now
            stream = copy.open("rb")
            fcntl.flock(stream, fcntl.LOCK_SH)
            return stream

    def _fetch(self, shard: Path, copy: Path) -> bool:
        """Copy a shard if there is room for it, or room can be made."""
        for left in self.folder.glob(f"*{UNFINISHED}"):  # by a process that was killed: the lock is ours
            left.unlink()
        if not self._make_room(shard.stat().st_size, shard.suffix):
            return False
        unfinished = copy.with_name(copy.name + UNFINISHED)
        shutil.copyfile(shard, unfinished)
        unfinished.rename(copy)
        return True

    def _make_room(self, wanted: int, suffix: str) -> bool:
        copies = sorted(self.folder.glob(f"*{suffix}"), key=lambda path: path.stat().st_mtime_ns)
        sizes = [path.stat().st_size for path in copies]
        excess = sum(sizes) + wanted - self.cap_bytes
        for path, size in zip(copies, sizes, strict=True):
            if excess <= 0 or wanted > self.cap_bytes:
                break
            if _removed(path):
                excess -= size
        return excess <= 0


def _removed(copy: Path) -> bool:
    """Remove a copy unless a process has it open."""
    with copy.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        copy.unlink()
        return True
