"""One run at a time in an output folder, also from another machine of the same file system.

The lock is the kernel's (flock), so a killed process holds none. The file says who has it; it stays, empty,
when the run has ended.
"""

import errno
import fcntl
import json
import os
import socket
from datetime import datetime
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType

from omnina.errors import UserError
from omnina.ranks import by_main

LOCK_FILE = ".run.lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class RunLock:
    """Held by the main process while the block runs.

    Entering makes the folder, and raises UserError in all processes where another run has the lock or nothing
    can be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / LOCK_FILE
        self._stream: TextIOWrapper | None = None

    def __enter__(self) -> "RunLock":
        by_main(self._take)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._stream:
            self._stream.truncate(0)
            self._stream.close()

    def _take(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
            stream = os.fdopen(os.open(self.path, flags, 0o666), "r+", encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"{self.folder}: nothing can be written there ({error.strerror}: {error.filename}); choose "
                "another --output_dir, or mend its permissions."
            ) from error
        self._lock(stream)
        # A forked worker that outlives its killed parent for some seconds would hold the lock.
        os.register_at_fork(after_in_child=stream.close)
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": f"{datetime.now():%F %T}"}
        stream.truncate(0)
        stream.write(json.dumps(holder) + "\n")
        stream.flush()
        self._stream = stream

    def _lock(self, stream: TextIOWrapper) -> None:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{self.folder}: {_holder(stream.read())} is writing there; wait for its end, or choose "
                "another --output_dir."
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            raise UserError(
                f"{self.path}: this file system has no locks ({error.strerror}), so two runs could spoil "
                "each other's checkpoints. Choose an --output_dir elsewhere, or have it mounted with flock."
            ) from error


def _holder(text: str) -> str:
    """Who has the lock, in words, from what the file says."""
    if not text.strip():  # it has just begun
        return "another run"
    holder = json.loads(text)
    return f"process {holder['pid']} on {holder['host']} (since {holder['since']})"
