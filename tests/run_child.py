"""Runs in processes of their own, forked from a server that has imported everything: a start costs a fork."""

import atexit
import os
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

from omnina import finetune, pretrain
from omnina.command import run_command

STAGES = {"pretrain": pretrain, "finetune": finetune}
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["run_child", "fault_injection", "omnina.training", "omnina.report"])

Fault = Callable[[], None]


def start(stage: str, arguments: list[str], log: Path, *faults: Fault) -> BaseProcess:
    """Start a run; what it prints goes to ``log``."""
    process = _CONTEXT.Process(target=_run, args=(stage, arguments, log, faults))
    process.start()
    return process


def run(stage: str, arguments: list[str], log: Path, *faults: Fault) -> tuple[int, str]:
    """Exit status (negative: killed by that signal) and what was printed."""
    log.unlink(missing_ok=True)
    process = start(stage, arguments, log, *faults)
    process.join()
    return process.exitcode, log.read_text()


def _run(stage: str, arguments: list[str], log: Path, faults: tuple[Fault, ...]) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.setpgrp()
    os.chdir(log.parent)
    for fault in faults:
        fault()
    try:
        run_command(lambda: STAGES[stage].main(arguments))
    finally:
        atexit._run_exitfuncs()  # as at the end of a process that was not forked
