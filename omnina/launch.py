"""``accelerate launch`` whose workers' exit status and signals come through.

    python -m omnina.launch --config_file configs/accelerate/ddp.yaml -m omnina.pretrain CONFIG.yaml

accelerate's own launcher turns every exit status but 0 into 1. With one worker it dies of SIGTERM and SIGUSR1
and leaves the worker behind; with several, torchrun kills them 30 seconds after SIGTERM, and dies of SIGUSR1
and leaves them behind. Here both go on to this machine's workers, who end when their checkpoint is written,
and the status of the first that failed is the launcher's.
"""

import signal
import sys
from argparse import Namespace
from contextlib import suppress
from subprocess import CalledProcessError
from types import FrameType

import psutil

from omnina.preemption import PREEMPTED_STATUS, PREEMPTION_SIGNALS

AGENT_SIGNALS = "SIGINT,SIGHUP,SIGQUIT"  # torchrun's own handling; it would kill on those that we pass on


def main(arguments: list[str] | None = None) -> int:
    """Launch, pass signals on; the exit status."""
    received: list[int] = []

    def pass_on(number: int, _: FrameType | None) -> None:
        received.append(number)
        for worker in psutil.Process().children():
            with suppress(psutil.NoSuchProcess):  # it ended meanwhile
                worker.send_signal(number)

    for number in PREEMPTION_SIGNALS:
        signal.signal(number, pass_on)
    from accelerate.commands.launch import launch_command_parser  # seconds, in which a signal may come

    args = launch_command_parser().parse_args(arguments)
    args.quiet = False  # quiet hides the worker's status
    args.signals_to_handle = AGENT_SIGNALS
    if received:
        return PREEMPTED_STATUS
    status = _status(args)
    # Workers that were still importing died of the signal itself: nothing had begun, nothing is lost.
    return PREEMPTED_STATUS if -status in received else status


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
