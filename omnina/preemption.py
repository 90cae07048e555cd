"""Stopping when the cluster asks: SIGTERM, or SIGUSR1 (Slurm's warning, ``--signal=USR1@120``).

While steps are made, the signal is noted; at the end of the step that is under way (and of the validation,
if one is), all processes write one checkpoint together and the run ends. At any other time (tables are
tokenised, the end is evaluated) the run ends at once: finished shards and the last checkpoint are on disk
already. Both end with ``PREEMPTED_STATUS``, on which a job is to be queued again.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

PREEMPTED_STATUS = 75  # EX_TEMPFAIL of sysexits.h: try again later
PREEMPTION_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Preempted(Exception):
    """The run ended because it was told to; the same command goes on with it."""


@contextmanager
def stopping_at_once() -> Iterator[None]:
    """A signal ends the block with ``Preempted``."""
    owner = os.getpid()

    def stop(number: int, _: FrameType | None) -> None:
        if os.getpid() != owner:
            _die_of(number)
        for other in PREEMPTION_SIGNALS:
            signal.signal(other, signal.SIG_IGN)  # a second one would disturb the clearing up
        raise Preempted(f"{signal.Signals(number).name}: stopped; the same command goes on with the run")

    with _handling(stop):
        yield


class Preemption:
    """Notes signals while the block runs: ``requested`` is true after the first."""

    def __init__(self) -> None:
        self.requested = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """The block in which signals are noted."""
        owner = os.getpid()

        def note(number: int, _: FrameType | None) -> None:
            # A loader's worker gets the scheduler's signal as well, and must feed the last step; the second
            # one is multiprocessing's own, at the end.
            if self.requested and os.getpid() != owner:
                _die_of(number)
            self.requested = True

        with _handling(note):
            yield


def _die_of(number: int) -> None:
    """End a worker process as if it had not inherited the handler."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    previous = {number: signal.signal(number, handler) for number in PREEMPTION_SIGNALS}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)
