"""Two runs never write into one folder at a time; a killed one stands in no one's way."""

import json
import os
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import pytest

from omnina.corpus.lock import LOCK_FILE, Lock
from omnina.errors import UserError


def hold_and_die(folder: Path) -> None:
    Lock(folder).__enter__()


def test_a_second_run_is_refused_until_the_first_ends(tmp_path):
    code = "import sys; from pathlib import Path; from omnina.corpus.lock import Lock\n"
    command = [sys.executable, "-c", f"{code}Lock(Path(sys.argv[1])).__enter__()", str(tmp_path)]
    with Lock(tmp_path):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert f"process {os.getpid()} on" in done.stderr and "is writing there; wait for its" in done.stderr
        assert (tmp_path / LOCK_FILE).exists()
    assert not (tmp_path / LOCK_FILE).exists()
    with Lock(tmp_path):
        pass


def test_the_lock_of_a_process_that_is_gone_is_taken_over(tmp_path):
    process = get_context("fork").Process(target=hold_and_die, args=(tmp_path,))
    process.start()
    process.join()
    assert (tmp_path / LOCK_FILE).exists()
    with Lock(tmp_path):
        assert json.loads((tmp_path / LOCK_FILE).read_text())["pid"] != process.pid
    assert not (tmp_path / LOCK_FILE).exists()


@pytest.mark.parametrize("change, refused", [({"host": "elsewhere"}, True), ({"started": 1.0}, False)])
def test_a_process_elsewhere_counts_as_running_and_a_later_one_of_its_number_does_not(
    tmp_path, change, refused
):
    with Lock(tmp_path) as lock:
        lock.path.write_text(json.dumps(json.loads(lock.path.read_text()) | change))
        if refused:
            with pytest.raises(UserError, match=f"on elsewhere is writing there.*remove .*{LOCK_FILE}"):
                Lock(tmp_path).__enter__()
        else:
            Lock(tmp_path).__enter__()
