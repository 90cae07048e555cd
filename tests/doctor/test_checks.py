"""The findings of each group, and that what breaks one group hides none of the others."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from omnina.doctor import driver, examination, groups, machine, packages
from omnina.doctor.check import FAILED, OK, WARNING, Check, from_json, to_json
from omnina.doctor.devices import check_attention, check_bf16, check_build, check_float8
from omnina.doctor.launching import check_launch

ROOT = Path(__file__).parents[2]


def test_a_line_names_what_to_do():
    assert Check("disk", OK, "9 GB free").line() == "ok       disk                  9 GB free"
    line = Check("disk", FAILED, "0 GB free", "make room").line()
    assert line.splitlines() == ["FAILED   disk                  0 GB free", "         -> make room"]


def test_a_finding_that_is_not_ok_has_a_remedy_and_no_other_has():
    with pytest.raises(AssertionError):
        Check("disk", FAILED, "0 GB free")
    with pytest.raises(AssertionError):
        Check("disk", OK, "9 GB free", "make room")


def test_checks_survive_json():
    checks = [Check("a", OK, "b"), Check("c", WARNING, "d", "e")]
    assert from_json(to_json(checks)) == checks


@pytest.mark.parametrize(
    ("installed", "status"),
    [
        ("2.13.0", OK),
        ("2.13.0+cpu", OK),
        ("2.12.1", WARNING),
        ("2.14.0", WARNING),
        ("2.10.9", FAILED),
        (None, FAILED),
    ],
)
def test_a_package_is_judged_by_pin_and_range(installed, status, monkeypatch):
    def version(name: str) -> str:
        if installed is None:
            raise packages.PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(packages, "version", version)
    found = packages.check_package(Requirement("torch==2.13.0"), Requirement("torch>=2.11"))
    assert found.status == status


def test_every_pin_has_its_range():
    names = [pin.name for pin in packages.pins()]
    assert names == [works.name for works in packages.ranges()]
    assert "torch" in names and "transformers" in names
    for pin, works in zip(packages.pins(), packages.ranges(), strict=True):
        [[version]] = [[part.version for part in pin.specifier]]
        assert works.specifier.contains(version)


@pytest.mark.parametrize(
    ("cuda", "hip", "usable", "with_driver", "status"),
    [
        (None, None, False, False, OK),  # a CPU build on a machine without GPU
        (None, None, False, True, FAILED),  # the same beside a driver: weeks on the CPU
        ("13.0", None, True, True, OK),
        ("13.0", None, False, True, FAILED),  # an old driver
        ("13.0", None, False, False, OK),  # the default build, no GPU
        (None, "7.0", True, False, OK),
        (None, "7.0", False, True, FAILED),
    ],
)
def test_the_build_of_torch_must_fit_the_machine(cuda, hip, usable, with_driver, status):
    found = check_build(cuda, hip, usable, driver=with_driver)
    assert found.status == status
    assert ("pytorch.org" in found.remedy) == (status == FAILED)


def nvidia_smi(folder: Path, program: str, monkeypatch) -> None:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{program}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_the_driver_is_asked_for_its_gpus(tmp_path, monkeypatch):
    nvidia_smi(tmp_path, "echo 'NVIDIA H100 80GB HBM3, 81559 MiB, 9.0, 570.86.15'", monkeypatch)
    assert driver.driver_gpus() == [driver.Gpu("NVIDIA H100 80GB HBM3", "81559 MiB", "9.0", "570.86.15")]
    assert driver.has_driver()


def test_a_driver_that_does_not_answer_is_told(tmp_path, monkeypatch):
    from omnina.doctor.devices import check_driver

    nvidia_smi(tmp_path, "exit 9", monkeypatch)
    assert check_driver().status == FAILED
    monkeypatch.setattr(driver, "TIME_LIMIT", 0.2)
    nvidia_smi(tmp_path, "exec sleep 20", monkeypatch)
    assert "timed out" in check_driver().found


def test_what_auto_stands_for_is_what_a_run_takes():
    from omnina.trainer_settings import TrainerSettings

    run = TrainerSettings(use_cpu=True, bf16="auto")
    assert (f"bf16: auto is {str(run.bf16).lower()}") in check_bf16().found
    assert check_attention().found.startswith("per_document")
    assert check_float8().status == OK


def test_threads_beyond_the_quota_of_a_container_are_told():
    assert machine.check_threads(16, 2.0, None).status == WARNING
    assert "taskset -c 0-1 " in machine.check_threads(16, 2.5, None).remedy
    assert machine.check_threads(2, 2.0, "2").status == OK
    assert "OMP_NUM_THREADS=1" in machine.check_threads(2, None, "1").found


@pytest.mark.parametrize(
    ("name", "text", "quota", "limit"),
    [
        ("cpu.max", "150000 100000\n", 1.5, None),
        ("cpu.max", "max 100000\n", None, None),
        ("memory.max", "max\n", None, None),
        ("memory.max", "4096\n", None, 4096),
        ("memory/memory.limit_in_bytes", "8192\n", None, 8192),
    ],
)
def test_a_containers_limits_are_read(name, text, quota, limit, tmp_path):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    assert (machine.cpu_quota(tmp_path), machine.memory_limit(tmp_path)) == (quota, limit)


def test_a_folder_is_writable_or_told(tmp_path):
    assert machine.check_writing("output", tmp_path / "not" / "there").status == OK
    assert machine.check_writing("output", Path("/proc/self")).status == FAILED
    assert list(tmp_path.iterdir()) == []


def test_disks_shared_memory_and_compiler(tmp_path, monkeypatch):
    assert machine.check_shared_memory(64_000_000).status == WARNING
    assert machine.check_compiler(None).status == WARNING
    usage = machine.shutil.disk_usage(tmp_path)
    for free, status in ((5e8, FAILED), (5e9, WARNING), (5e10, OK)):
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        assert machine.check_disk("output", tmp_path).status == status


def test_the_network_is_off_unless_the_user_turns_it_on(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert machine.check_network().status == OK
    monkeypatch.setattr(machine, "OURS", set())
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert machine.check_network().status == WARNING


def launched_with(folder: Path, gpus: int, **environment: str) -> Check:
    """As with a torch that sees so many GPUs."""
    (folder / "torch.py").write_text(
        f"class cuda:\n is_available = lambda: {gpus}\n device_count = lambda: {gpus}\n"
    )
    return check_launch({"PATH": "/usr/bin:/bin", "PYTHONPATH": str(folder), **environment})


@pytest.mark.parametrize(("gpus", "config"), [(0, "cpu"), (1, "single_gpu"), (8, "ddp")])
def test_the_configuration_is_the_one_that_launch_sh_takes(gpus, config, tmp_path):
    found = launched_with(tmp_path, gpus)
    assert found.status == OK and found.found.startswith(f"configs/accelerate/{config}.yaml")


def test_a_configuration_of_the_users_own_must_be_there(tmp_path):
    named = {"ACCELERATE_CONFIG": "configs/accelerate/fsdp.yaml"}
    assert launched_with(tmp_path, 2, **named).found.startswith("configs/accelerate/fsdp.yaml")
    assert launched_with(tmp_path, 2, ACCELERATE_CONFIG="none.yaml").status == FAILED


def group(folder: Path, source: str, monkeypatch) -> list[Check]:
    """What is found where python runs ``source`` in place of a group."""
    (folder / "program.py").write_text(source)
    run = subprocess.run
    monkeypatch.setattr(
        groups.subprocess,
        "run",
        lambda command, **options: run([command[0], str(folder / "program.py")], **options),
    )
    return groups.run_group("devices", time_limit=2)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import no_such_package", "No module named 'no_such_package'"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "status -11"),
        ("import time; time.sleep(20)", "no answer within 2 s"),
        ("pass", "without a word"),
    ],
)
def test_a_group_that_breaks_is_one_failed_check(source, told, tmp_path, monkeypatch):
    [found] = group(tmp_path, source, monkeypatch)
    assert found.status == FAILED and told in found.found


def test_a_failed_group_hides_no_other(monkeypatch):
    def run_group(name: str, *_) -> list[Check]:
        if name == "devices":
            return [Check("devices", FAILED, "broken", "mend it")]
        return [Check(name, OK, "there")]

    monkeypatch.setattr(examination, "run_group", run_group)
    told = []
    found = examination.examine(Path("output"), Path("cache"), told.append)
    assert [check.what for check in found] == ["packages", "devices", "launching", "machine"]
    assert len(told) == 4
    assert not examination.passed(found)
    assert examination.verdict(found, trained=False).startswith("FAIL: 4 checks, 1 failed")


def test_the_command_writes_what_it_found_and_tells_it_by_its_status(tmp_path):
    report = tmp_path / "doctor.json"
    program = [
        "import runpy, sys",
        "from pathlib import Path",
        "from omnina.doctor import examination",
        "from omnina.doctor.check import Check",
        "examination.run_group = lambda name, *_: [Check(name, 'FAILED', 'broken', 'mend it')]",
        f"sys.argv = ['doctor.py', '--no_training', '--json', {str(report)!r}]",
        f"runpy.run_path({str(ROOT / 'scripts' / 'doctor.py')!r}, run_name='__main__')",
    ]
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(program)], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (1, "")
    assert run.stdout.splitlines()[-1].startswith("FAIL: 4 checks, 4 failed")
    found = json.loads(report.read_text())
    assert found["passed"] is False and [check["status"] for check in found["checks"]] == [FAILED] * 4
