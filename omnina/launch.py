"""``accelerate launch`` whose workers' exit status and signals come through.

    python -m omnina.launch --config_file configs/accelerate/ddp.yaml -m omnina.pretrain CONFIG.yaml

accelerate's own launcher turns every exit status but 0 into 1. With one worker it dies of SIGTERM and SIGUSR1
and leaves the worker behind; with several, torchrun kills them 30 seconds after SIGTERM, and dies of SIGUSR1
and leaves them behind. Here both go on to this machine's workers, who end when their checkpoint is written,
and the status of the first that failed is the launcher's.
"""

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from subprocess import CalledProcessError
from types import FrameType

import psutil

from omnina.preemption import PREEMPTED_STATUS, PREEMPTION_SIGNALS

LOOK_AGAIN = 1.0  # seconds
AGENT_SIGNALS = "SIGINT,SIGHUP,SIGQUIT"  # torchrun's own handling; it would kill on those that we pass on


class PassedOn:
    """Signals of this process that go on to its children.

    Attributes:
        received: their numbers, in the order in which they came.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        self._told: set[tuple[int, int]] = set()  # child, place in ``received``

    @contextmanager
    def passing(self) -> Iterator[None]:
        """The block in which they do; after it they are noted only."""
        for number in PREEMPTION_SIGNALS:
            signal.signal(number, self._note)
        # A signal that comes just before this thread begins to wait for a child does not end the wait, and
        # one that comes just before a child is started finds none: so both are looked at again.
        signal.signal(signal.SIGALRM, self._pass_on)
        signal.setitimer(signal.ITIMER_REAL, LOOK_AGAIN, LOOK_AGAIN)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)  # an alarm at Python's own end would kill

    def _note(self, number: int, _: FrameType | None) -> None:
        self.received.append(number)
        self._pass_on()

    def _pass_on(self, *_: object) -> None:
        """Each child is told of each signal once."""
        if not self.received:
            return
        children = [p.pid for p in psutil.process_iter(["ppid"]) if p.info["ppid"] == os.getpid()]
        for child, (place, number) in product(children, enumerate(self.received)):
            if (child, place) not in self._told:
                self._told.add((child, place))
                with suppress(ProcessLookupError):  # it ended meanwhile
                    os.kill(child, number)


def main(arguments: list[str] | None = None) -> int:
    """Launch, pass signals on; the exit status."""
    signals = PassedOn()
    with signals.passing():
        status = _launched(arguments, signals)
    # Workers that were still importing died of the signal itself: nothing had begun, nothing is lost.
    return PREEMPTED_STATUS if -status in signals.received else status


def _launched(arguments: list[str] | None, signals: PassedOn) -> int:
    from accelerate.commands.launch import launch_command_parser  # seconds, in which a signal may come

    args = launch_command_parser().parse_args(arguments)
    args.quiet = False  # quiet hides the worker's status
    args.signals_to_handle = AGENT_SIGNALS
    if signals.received:
        return PREEMPTED_STATUS
    return _status(args)


def _status(args: Namespace) -> int:
    """0, or that of the worker that failed first; negative for a signal."""
    from accelerate.commands.launch import launch_command
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    try:
        launch_command(args)
    except CalledProcessError as error:
        return error.returncode
    except ChildFailedError as error:
        _, failure = error.get_first_failure()
        return failure.exitcode
    return 0


def exit_status(code: int) -> int:
    """A process's return code as a shell tells it: one ended by signal n (-n) has 128 + n."""
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(exit_status(main()))
