"""Measuring in a process of its own, so that nothing that ran before counts; imports nothing heavy."""

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from omnina.errors import UserError

PROGRAM = "from omnina.benchmarks.child import run_asked; run_asked()"
ENDED_BY = re.compile(r"[A-Za-z_][\w.]*: .*")  # how a traceback ends: the exception and what it says
LONGEST_REASON = 200  # characters
USER_ERROR_STATUS = 2  # as of a command


class ChildFailed(RuntimeError):
    """A child died, failed or took too long; the message is one line that says which."""


def in_child(module: str, function: str, *arguments: object) -> object:
    """What a function returns in a process of its own; arguments and answer pass through JSON.

    Raises UserError where the function does, with what it says; CalledProcessError if the child fails else.
    """
    with TemporaryDirectory() as folder:
        answer = Path(folder) / "answer.json"
        done = subprocess.run(_command(answer, 0, module, function, arguments), check=False)
        if mistake := _mistake(done.returncode, answer):
            raise UserError(mistake)
        done.check_returncode()
        return json.loads(answer.read_text())


def in_child_within(seconds: float, module: str, function: str, *arguments: object) -> object:
    """The same; what the child prints follows on stderr when it has ended.

    Raises ChildFailed if it failed, or after so many seconds, when it is killed with all its processes.
    """
    with TemporaryDirectory() as folder:
        answer, printed = Path(folder) / "answer.json", Path(folder) / "printed.txt"
        command = _command(answer, ceil(seconds) + 1, module, function, arguments)
        with printed.open("wb") as stream:
            status = _status_within(seconds, command, stream.fileno())
        text = printed.read_text(encoding="utf-8", errors="replace")
        sys.stderr.write(text)
        if status:
            mistake = _mistake(status, answer)
            raise ChildFailed(_one_line(mistake) if mistake else _reason(status, text, seconds))
        return json.loads(answer.read_text())


def run_asked() -> None:
    """What the child does, as its one argument says; a UserError's message is the answer at status 2."""
    module, function, arguments, answer, limit = json.loads(sys.argv[1])
    signal.alarm(limit)  # it ends then even where the parent is gone; 0: never
    try:
        found = getattr(import_module(module), function)(*arguments)
    except UserError as error:
        Path(answer).write_text(json.dumps(str(error)))
        sys.exit(USER_ERROR_STATUS)
    Path(answer).write_text(json.dumps(found))


def _mistake(status: int, answer: Path) -> str | None:
    """The message of the child's UserError; None if it ended otherwise."""
    return json.loads(answer.read_text()) if status == USER_ERROR_STATUS and answer.is_file() else None


def _command(answer: Path, limit: int, module: str, function: str, arguments: tuple) -> list[str]:
    return [sys.executable, "-c", PROGRAM, json.dumps([module, function, arguments, str(answer), limit])]


def _status_within(seconds: float, command: list[str], output: int) -> int:
    """A process's exit status, negative for a signal: SIGALRM where its time was over."""
    child = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        return -signal.SIGALRM
    finally:  # also on Ctrl-C, which processes of another session do not get; loaders and compilers too
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _reason(status: int, printed: str, seconds: float) -> str:
    """Why a child failed, in one line for a table."""
    if status == -signal.SIGALRM:
        return f"stopped after {seconds:.0f} s"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    endings = [line for line in lines if ENDED_BY.fullmatch(line)] or lines or [f"status {status}"]
    return _one_line(endings[-1])


def _one_line(text: str) -> str:
    """For a cell of a Markdown table."""
    return " ".join(text.split())[:LONGEST_REASON].replace("|", "/")


def peak_resident_bytes() -> int:
    """Linux's own high-water mark; getrusage would begin with the parent's, which a child inherits."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
