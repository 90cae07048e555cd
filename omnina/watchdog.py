"""A run that hangs ends by itself, and says where each process was.

A process is alive while forward passes begin, and steps, validations and checkpoints end. When one hangs, the
others wait for it, so all run out of time together: each writes its threads' stacks into a file of its own,
then ends. That the stacks are those of the moment matters more than a tidy end: the last checkpoint is whole
in any case.
"""

import faulthandler
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

GRACE = 5.0  # seconds from the stacks to the end: a process that ends sooner would have the others killed
STDERR = 2


class Watchdog:
    """Ends this process when nothing was heard of it for a time.

    Args:
        seconds: that time; longer than a checkpoint takes, or the passes of a step. 0: no limit.
        folder: of the run, for ``stacks-rank-N.txt``.
        rank: this process.
    """

    def __init__(self, seconds: float, folder: Path, rank: int) -> None:
        self.seconds, self.rank = seconds, rank
        self.path = folder / f"stacks-rank-{rank}.txt"
        self._watches = False
        self._heard, self._over, self._ending = 0.0, Event(), False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The block that may not hang."""
        if not self.seconds:
            yield
            return
        self._watches = True
        self.beat()
        Thread(target=self._wait, daemon=True).start()
        try:
            yield
        finally:
            self._watches = False
            self._over.set()
            faulthandler.cancel_dump_traceback_later()

    def beat(self, *_: object) -> None:
        """Something happened; the arguments are those of a hook, and not looked at."""
        if self._watches and not self._ending:
            self._heard = time.monotonic()
            # This timer runs without Python: it also ends a process that hangs while it holds Python's lock,
            # with its stacks in the log.
            faulthandler.dump_traceback_later(self.seconds + GRACE, exit=True, file=STDERR)

    def _wait(self) -> None:
        while not self._over.wait(max(self._left(), 0.01)):
            if self._left() <= 0:
                self._tell()
                return

    def _left(self) -> float:
        return self._heard + self.seconds - time.monotonic()

    def _tell(self) -> None:
        self._ending = True  # whatever happens now: others were told that it ends
        with self.path.open("w", encoding="utf-8") as stream:
            faulthandler.dump_traceback(stream, all_threads=True)
        print(
            f"error: process {self.rank} (pid {os.getpid()}) stood still for {self.seconds:g} s, which is "
            f"hang_timeout; it ends. Where each of its threads was is in {self.path}; in the processes that "
            "wait for another one, look for that one's file. The same command goes on from the last "
            "checkpoint.",
            file=sys.stderr,
            flush=True,
        )
