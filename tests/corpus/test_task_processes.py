"""Tasks in processes of their own: each runs once, a failure stops the rest, none outlives its run."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

pytest.importorskip("datatrove")

from omnina.corpus.task_processes import run_in_processes
from omnina.errors import UserError

HERE = Path(__file__).parent
LONG = 600  # seconds; more than any test waits


def note_process(folder, task):
    (folder / str(task)).write_text(str(os.getpid()))


def fail_as_user(folder, task):
    note_process(folder, task)
    if task:
        time.sleep(LONG)
    wait_for(folder / "1")
    raise UserError(f"records.fa: broken, says task {task}")


def be_killed(folder, task):
    os.kill(os.getpid(), signal.SIGKILL)


def fail(folder, task):
    raise KeyError(task)


def sleep(folder, task):
    note_process(folder, task)
    time.sleep(LONG)


def wait_for(path):
    while not (path.exists() and path.read_text()):
        time.sleep(0.01)


def is_gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_each_task_runs_once_in_a_process_of_its_own(tmp_path):
    assert sorted(run_in_processes(partial(note_process, tmp_path), range(5), 2)) == list(range(5))
    processes = {(tmp_path / str(task)).read_text() for task in range(5)}
    assert len(processes) == 5
    assert str(os.getpid()) not in processes


def test_the_users_mistake_is_raised_and_the_other_tasks_are_stopped(tmp_path):
    with pytest.raises(UserError, match=r"^records\.fa: broken, says task 0$"):
        list(run_in_processes(partial(fail_as_user, tmp_path), range(3), 2))
    assert psutil.pid_exists(int((tmp_path / "1").read_text())) is False
    assert not (tmp_path / "2").exists()


def test_a_killed_process_is_told_and_not_waited_for(tmp_path):
    with pytest.raises(UserError, match=r"task 3 was killed .SIGKILL.*fewer --workers"):
        list(run_in_processes(partial(be_killed, tmp_path), [3], 2))


def test_any_other_failure_is_no_users_mistake(tmp_path):
    with pytest.raises(RuntimeError, match="task 4 failed") as caught:
        list(run_in_processes(partial(fail, tmp_path), [4], 2))
    assert not isinstance(caught.value, UserError)


def test_tasks_end_with_a_killed_run(tmp_path):
    """Else they would write beside the run that is started in its place."""
    program = (
        "from functools import partial; from pathlib import Path; import test_task_processes as tasks;"
        f"list(tasks.run_in_processes(partial(tasks.sleep, Path({str(tmp_path)!r})), range(2), 2))"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(HERE), str(HERE.parents[1])))}
    run = subprocess.Popen([sys.executable, "-c", program], env=environment)
    for task in "01":
        wait_for(tmp_path / task)
    run.kill()
    run.wait()
    pids = [int((tmp_path / task).read_text()) for task in "01"]
    until = time.monotonic() + 60
    while not all(map(is_gone, pids)) and time.monotonic() < until:
        time.sleep(0.02)
    assert all(map(is_gone, pids))
