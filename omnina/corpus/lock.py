"""One run at a time in an output folder: a file that names the process that writes there.

Tasks of one run, Slurm's too, take no lock; their numbers keep them apart.
"""

import json
import os
import socket
from pathlib import Path

import psutil

from omnina.errors import UserError
from omnina.files.lock import locked

LOCK_FILE = "lock.json"
GUARD_FILE = "lock.guard"  # held while it is looked at: two runs must not both find it stale


class Lock:
    """Held while the block runs; a process that was killed on this machine holds none.

    Entering raises UserError where another process, or one on another machine, holds it, or where nothing can
    be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_FILE

    def __enter__(self) -> "Lock":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with locked(self.path.with_name(GUARD_FILE)):
                self._take()
        except OSError as error:
            raise UserError(
                f"{self.path.parents[1]}: no tables can be written there ({error.strerror}); choose another "
                "--output."
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self.path.unlink()

    def _take(self) -> None:
        try:
            self._write()
        except FileExistsError:
            self._remove_stale()
            try:
                self._write()
            except FileExistsError:  # another run found it stale as well, and was faster
                raise self._in_use("another run has just begun to write there") from None

    def _write(self) -> None:
        """FileExistsError if it is there."""
        with self.path.open("x", encoding="utf-8") as stream:
            stream.write(json.dumps(_holder(os.getpid())) + "\n")

    def _remove_stale(self) -> None:
        """UserError unless the holder is a process of this machine that is gone."""
        written = self.path.read_text(encoding="utf-8")
        if not written:
            raise self._in_use("another run has just begun to write there")
        holder = json.loads(written)
        if holder["host"] != socket.gethostname() or _is_running(holder):
            raise self._in_use(f"process {holder['pid']} on {holder['host']} is writing there")
        self.path.unlink()

    def _in_use(self, what: str) -> UserError:
        return UserError(
            f"{self.path.parents[1]}: {what}; wait for its end, or choose another --output. "
            f"If there is no such process, remove {self.path}."
        )


def _holder(pid: int) -> dict:
    """The start tells a process from a later one of the same number."""
    return {"host": socket.gethostname(), "pid": pid, "started": psutil.Process(pid).create_time()}


def _is_running(holder: dict) -> bool:
    return psutil.pid_exists(holder["pid"]) and _holder(holder["pid"]) == holder
