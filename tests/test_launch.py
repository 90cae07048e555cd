"""The launcher passes signals to its workers and their exit status back."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKER = """
import os, signal, sys, time
from pathlib import Path
for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda number, _: sys.exit(75 if sys.argv[2] == "waits" else 3))
if sys.argv[2] == "fails":
    sys.exit(7)
Path(sys.argv[1], os.environ.get("RANK", "0")).write_text(str(os.getpid()))
time.sleep(100)
"""
TWO = "compute_environment: LOCAL_MACHINE\ndistributed_type: MULTI_GPU\nnum_machines: 1\nnum_processes: 2\n"
TWO += "machine_rank: 0\nmixed_precision: 'no'\nuse_cpu: false\n"


def launch(folder: Path, processes: int, what: str) -> subprocess.Popen:
    (folder / "worker.py").write_text(WORKER)
    (folder / "two.yaml").write_text(TWO)
    (folder / "pids").mkdir()
    config = folder / "two.yaml" if processes == 2 else ROOT / "configs" / "accelerate" / "cpu.yaml"
    command = [
        sys.executable,
        "-m",
        "omnina.launch",
        "--config_file",
        str(config),
        "--main_process_port",
        "0",
    ]
    command += [str(folder / "worker.py"), str(folder / "pids"), what]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("ACCELERATE_")}
    return subprocess.Popen(command, env=inherited | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)


def pids(folder: Path) -> list[int]:
    return [int(path.read_text() or 0) for path in (folder / "pids").iterdir()]


CASES = [
    pytest.param(1, signal.SIGTERM),
    pytest.param(1, signal.SIGUSR1, marks=pytest.mark.slow),
    pytest.param(2, signal.SIGTERM, marks=pytest.mark.slow),
    pytest.param(2, signal.SIGUSR1, marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("processes", "number"), CASES)
def test_a_signal_reaches_the_workers_and_their_status_comes_back(tmp_path, processes, number):
    launcher = launch(tmp_path, processes, "waits")
    while len(pids(tmp_path)) < processes or not all(pids(tmp_path)):
        assert launcher.poll() is None
        time.sleep(0.05)
    launcher.send_signal(number)
    assert launcher.wait() == 75
    for pid in pids(tmp_path):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_signal_while_the_launcher_itself_is_imported(tmp_path):
    """Nothing has begun: the job is to be queued again."""
    package = tmp_path / "accelerate" / "commands"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    slow = "import argparse, time\nfrom pathlib import Path\nPath(__file__).with_name('begun').touch()\n"
    slow += "time.sleep(2)\nlaunch_command_parser = argparse.ArgumentParser\n"
    (package / "launch.py").write_text(slow)
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])
    command = [sys.executable, "-m", "omnina.launch"]
    launcher = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": paths}, stderr=subprocess.DEVNULL)
    while not (package / "begun").exists():
        assert launcher.poll() is None
        time.sleep(0.05)
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait() == 75


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_workers_own_status_comes_back(tmp_path, processes):
    assert launch(tmp_path, processes, "fails").wait() == 7
