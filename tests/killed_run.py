"""A corpus run that is killed in the midst of it, at a chosen call of a chosen function."""

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
KILLED = """
import importlib, os, signal
from pathlib import Path
module = importlib.import_module("omnina.{module}")
from omnina.corpus.build import build_corpus
from omnina.corpus.executors import ExecutorSettings
calls = []
def killing(*args, original=module.{name}, **kwargs):
    calls.append(1)
    if len(calls) == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **kwargs)
module.{name} = killing
build_corpus(Path({config!r}), Path({records!r}), Path({output!r}), ExecutorSettings(tasks={tasks}))
"""


def run_and_kill(
    config: Path, records: Path, output: Path, tasks: int, module: str, name: str, call: int
) -> None:
    """Kill the run at the call of this number, from 1, of ``omnina.<module>.<name>``."""
    paths = {"config": str(config), "records": str(records), "output": str(output)}
    code = KILLED.format(module=module, name=name, call=call, tasks=tasks, **paths)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
