"""Children of the benchmarks: their answers, their failures in one line, their time."""

import time
from pathlib import Path
from subprocess import CalledProcessError

import pytest

from omnina.benchmarks.child import ChildFailed, in_child, in_child_within
from omnina.errors import UserError

SLEEPER = "[sys.executable, '-c', 'import time; time.sleep(60)']"


def test_an_answer_comes_back():
    assert in_child_within(60, "math", "hypot", 3, 4) == 5


def test_a_failure_is_told_by_the_line_that_ends_its_traceback(capfd):
    with pytest.raises(ChildFailed, match=r"^ValueError: "):
        in_child_within(60, "math", "sqrt", -1)
    assert "Traceback" in capfd.readouterr().err


def test_a_mistake_of_the_user_is_told_by_the_parent(capfd, tmp_path):
    given = ("omnina.benchmarks.memory", "parts_of_a_step", str(tmp_path / "no.yaml"), "fp32", 2, "ours", 0.0)
    with pytest.raises(UserError, match=r"no\.yaml: there is no such file"):
        in_child(*given)
    with pytest.raises(ChildFailed, match=r"no\.yaml: there is no such file"):
        in_child_within(60, *given)
    program = "from omnina.errors import UserError\nraise UserError('no a|b:\\n    make: one')"
    with pytest.raises(ChildFailed, match=r"^no a/b: make: one$"):
        in_child_within(60, "builtins", "exec", program)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("program", ["raise ValueError", "raise SystemExit(2)"])
def test_another_failure_is_none_of_the_users(program):
    with pytest.raises(CalledProcessError):
        in_child("builtins", "exec", program)


def test_advice_after_a_traceback_is_not_taken_for_its_reason():
    program = "import sys; sys.exit('a.b.CompileError: no a|b\\n\\nSet VERBOSE=1 for more\\n')"
    with pytest.raises(ChildFailed, match=r"^a\.b\.CompileError: no a/b$"):
        in_child_within(60, "builtins", "exec", program)


def test_a_child_that_dies_is_told_by_its_signal():
    with pytest.raises(ChildFailed, match="killed by SIGKILL"):
        in_child_within(60, "builtins", "exec", "import os; os.kill(os.getpid(), 9)")


def test_a_child_is_killed_in_time_with_its_processes(tmp_path):
    pid = tmp_path / "pid"
    program = (
        "import subprocess, sys, pathlib, time\n"
        f"pathlib.Path({str(pid)!r}).write_text(str(subprocess.Popen({SLEEPER}).pid))\n"
        "time.sleep(60)"
    )
    began = time.monotonic()
    with pytest.raises(ChildFailed, match="stopped after 5 s"):
        in_child_within(5, "builtins", "exec", program)
    assert time.monotonic() - began < 30
    assert _is_gone(int(pid.read_text()))


def _is_gone(process: int) -> bool:
    """Whether it ends within seconds, or is dead and only not yet collected."""
    status = Path(f"/proc/{process}/status")
    for _ in range(50):
        if not status.is_file() or "State:\tZ" in status.read_text(encoding="ascii"):
            return True
        time.sleep(0.1)
    return False
