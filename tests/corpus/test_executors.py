"""Where a corpus run runs: what is missing is named with its remedy, and Slurm's scripts are as asked."""

import importlib.util
import re
import shutil

import pytest
import yaml

from omnina.corpus.build import build_corpus
from omnina.corpus.executors import ExecutorSettings
from omnina.errors import UserError

SLURM = {"kind": "slurm", "partition": "cpu"}


@pytest.fixture
def config(tmp_path):
    (tmp_path / "a.fa").write_text(">a a gene\n" + "ACGT" * 60 + "\n")
    values = {
        "sources": [{"path": "a.fa", "format": "nt_fasta"}],
        "templates": {"annotations": [{"response": "{annotation}"}]},
    }
    (tmp_path / "corpus.yaml").write_text(yaml.safe_dump(values))
    return tmp_path / "corpus.yaml"


@pytest.mark.parametrize("absent, kind", [("datatrove", "local"), ("datatrove", "slurm"), ("ray", "ray")])
def test_an_absent_package_is_named_with_the_command_that_installs_it(monkeypatch, absent, kind):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == absent else find(name))
    settings = ExecutorSettings(kind, partition="cpu")
    message = (
        f"--executor {kind}: the package '{absent}' is not installed; pip install -r requirements-corpus"
    )
    with pytest.raises(UserError, match=message):
        settings.check_installed()


def test_slurm_without_sbatch(monkeypatch):
    pytest.importorskip("datatrove")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="there is no 'sbatch' here"):
        ExecutorSettings(**SLURM).check_installed()
    ExecutorSettings(**SLURM).check_installed(dry_run=True)


@pytest.mark.parametrize(
    "keys, message",
    [
        ({"kind": "slrum"}, "--executor: 'slrum' is unknown. Did you mean 'slurm'"),
        ({"kind": "slurm"}, "--partition: Slurm needs one"),
        ({"tasks": 0}, "--tasks: 0 is less than 1"),
        ({"workers": 0}, "--workers: 0 is less than 1"),
    ],
)
def test_wrong_flags(keys, message):
    with pytest.raises(UserError, match=message):
        ExecutorSettings(**keys)


def test_a_dry_run_prints_slurms_scripts_and_submits_nothing(config, tmp_path, monkeypatch):
    pytest.importorskip("datatrove")
    monkeypatch.setenv("PATH", "")  # no sbatch
    executor = ExecutorSettings(
        **SLURM, tasks=8, workers=4, time="02:00:00", cpus_per_task=2, memory_per_cpu=6
    )
    printed = build_corpus(config, tmp_path, tmp_path / "out", executor, dry_run=True)
    for line in ("partition=cpu", "time=02:00:00", "cpus-per-task=2", "mem-per-cpu=6G", "array=0-7%4"):
        assert f"#SBATCH --{line}\n" in printed
    assert printed.count("#!/bin/bash") == 4
    for stage in ("keys", "choice", "rows", "manifest"):
        assert (
            f"launch_pickled_pipeline {tmp_path}/out/progress/logs/{stage}/executor.pik\n" in f"{printed}\n"
        )
    assert not (tmp_path / "out").exists()


def test_a_dry_run_on_this_machine_writes_nothing(config, tmp_path):
    pytest.importorskip("datatrove")
    printed = build_corpus(config, tmp_path, tmp_path / "out", ExecutorSettings(tasks=2), dry_run=True)
    assert printed.startswith("1 files of 0.0 MB, read in 1 parts by 2 tasks")
    assert not (tmp_path / "out").exists()


def test_near_duplicates_are_stages_of_their_own_between_choice_and_rows(config, tmp_path, monkeypatch):
    pytest.importorskip("datatrove")
    monkeypatch.setenv("PATH", "")  # no sbatch
    values = yaml.safe_load(config.read_text()) | {"dedup": {"near": True}}
    config.write_text(yaml.safe_dump(values))
    printed = build_corpus(
        config, tmp_path, tmp_path / "out", ExecutorSettings(**SLURM, tasks=200), dry_run=True
    )
    stages = re.findall(r"^# stage '(\w+)'", printed, re.MULTILINE)
    assert stages == ["keys", "choice", "signatures", "bands", "clusters", "rows", "manifest"]
    last_tasks = re.findall(r"^#SBATCH --array=0-(\d+)", printed, re.MULTILINE)
    assert last_tasks == ["199", "0", "199", "159", "0", "199", "0"]  # a band is the work of one task


def test_workers_that_would_have_nothing_to_do():
    with pytest.raises(UserError, match="--workers 2 with --tasks 1: a task is one worker's; add --tasks 2"):
        ExecutorSettings(workers=2)
