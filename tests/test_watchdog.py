"""When the watchdog barks; that it ends whole runs is tried in tests/faults."""

import subprocess
import sys
import time
from pathlib import Path

from omnina.watchdog import Watchdog

HANGING = """
import time
from pathlib import Path
from omnina import watchdog

watchdog.GRACE = 0.5
dog = watchdog.Watchdog(0.5, Path("{folder}"), 3)
with dog.watching():
    {body}
print("came to its end")
"""


def run(folder: Path, body: str) -> subprocess.CompletedProcess:
    code = HANGING.format(folder=folder, body=body)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_a_process_that_is_heard_of_goes_on(tmp_path):
    dog = Watchdog(0.4, tmp_path, 0)
    with dog.watching():
        for _ in range(12):
            time.sleep(0.05)
            dog.beat()
    assert list(tmp_path.iterdir()) == []


def test_without_a_limit_it_sleeps(tmp_path):
    with Watchdog(0, tmp_path, 0).watching():
        assert list(tmp_path.iterdir()) == []


def test_one_that_hangs_ends_with_its_stacks(tmp_path):
    done = run(tmp_path, "time.sleep(60)")
    assert done.returncode == 1
    assert "process 3 (pid" in done.stderr and "stood still for 0.5 s" in done.stderr
    assert "came to its end" not in done.stdout
    assert 'File "<string>"' in (tmp_path / "stacks-rank-3.txt").read_text()


def test_what_was_announced_comes_about(tmp_path):
    """It moves again after it was told to have hung: the other processes count on its end."""
    done = run(tmp_path, "[(time.sleep(0.8), dog.beat()) for _ in range(60)]")
    assert done.returncode == 1 and "stood still" in done.stderr


def test_one_that_holds_the_interpreters_lock_ends_too(tmp_path):
    """A sum in C, without a look at what else is to be done."""
    done = run(tmp_path, "sum(range(10**12))")
    assert done.returncode == 1
    assert "Timeout" in done.stderr and 'File "<string>"' in done.stderr
