"""Tasks in processes of their own on this machine, without waiting for imports in each.

A server (``forkserver``) imports once what tasks need, beside what this process does meanwhile; a task is a
fork of it. It stays for all stages and ends with this process.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from multiprocessing import forkserver, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import Thread

from omnina.errors import UserError

_METHOD = "forkserver"
# pandas, where it is installed, is what pyarrow imports for its first array, 0.3 s in each process.
_IMPORTED_ONCE = ["omnina.corpus.pipeline", "omnina.corpus.local_tasks", "pandas"]


def prepare_processes() -> None:
    """Start the server, which imports while the caller goes on, so call it early; once is enough."""
    multiprocessing.get_context(_METHOD).set_forkserver_preload(_IMPORTED_ONCE)
    forkserver.ensure_running()


def run_in_processes(run: Callable[[int], object], tasks: Iterable[int], workers: int) -> Iterator[int]:
    """Call ``run`` with each task, each in a process of its own, at most ``workers`` at a time.

    Yields each task as it ends. Raises UserError as a task does, and for one whose process was killed;
    RuntimeError for any other failure, whose traceback that process prints. The other tasks are stopped.
    """
    prepare_processes()
    waiting, running = list(reversed(list(tasks))), {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                task = waiting.pop()
                pipe, process = _started(run, task)
                running[pipe] = task, process
            for pipe in wait(list(running)):
                task, process = running.pop(pipe)
                _check_ended(pipe, task, process)
                yield task
    finally:
        for _, process in running.values():
            process.terminate()
            process.join()


def _started(run: Callable[[int], object], task: int) -> tuple[Connection, BaseProcess]:
    context = multiprocessing.get_context(_METHOD)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run_and_report, args=(run, task, sender), daemon=True)
    process.start()
    sender.close()  # so that the other process has the only one, and the pipe ends with it
    return receiver, process


def _run_and_report(run: Callable[[int], object], task: int, sender: Connection) -> None:
    """In the task's process: run it and send None, or the message of a UserError."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; who started this stops it
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        run(task)
    except UserError as error:
        sender.send(str(error))
    else:
        sender.send(None)


def _end_with_parent() -> None:
    """A killed run must not go on writing beside the one that takes its place."""
    wait([parent_process().sentinel])
    os._exit(1)


def _check_ended(pipe: Connection, task: int, process: BaseProcess) -> None:
    try:
        message = pipe.recv()
    except EOFError:
        process.join()
        raise _failure(task, process.exitcode) from None
    process.join()
    if message:
        raise UserError(message)


def _failure(task: int, exit_code: int) -> Exception:
    if exit_code < 0:
        return UserError(
            f"the process of task {task} was killed ({signal.Signals(-exit_code).name}), perhaps for its "
            "memory; use fewer --workers, or more memory, and run the same command again."
        )
    return RuntimeError(f"task {task} failed; its traceback stands above and in its log")
