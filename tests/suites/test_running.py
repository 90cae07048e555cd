"""Suites, run as a user runs them; the slow suite."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_suite(output: Path, *arguments: str, behind: Sequence[str] = ()) -> subprocess.CompletedProcess:
    command = [sys.executable, "scripts/run_suite.py", *arguments, "--output", str(output), *behind]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_an_unknown_task_and_folder_are_told(tmp_path):
    wrong = run_suite(tmp_path / "out", "planted", "--tasks", "motif")
    assert wrong.returncode == 2 and "no task 'motif'; there are: motif_at_place" in wrong.stderr
    wrong = run_suite(tmp_path / "out", str(tmp_path / "nowhere"))
    assert wrong.returncode == 2 and "no such folder" in wrong.stderr


def test_what_would_be_run_twice_or_is_the_suites_own_is_told(tmp_path):
    for arguments, behind, told in (
        (["--seeds", "1", "1"], [], "--seeds: 1 is named 2 times"),
        ([], ["--", "--seed", "3"], "--seed behind --: the suite sets it"),
        (["--config", "none.yaml"], [], "none.yaml: there is no such file"),
        (["--notes", "configs/suites/gue.yaml"], [], "planted brings its own"),
    ):
        wrong = run_suite(tmp_path / "out", "planted", *arguments, behind=behind)
        assert wrong.returncode == 2 and told in wrong.stderr


@pytest.mark.slow
def test_a_suite_trains_tests_and_goes_on(tmp_path):
    small = ["--train_rows", "200", "--seeds", "1", "2", "--tasks", "motif_at_place"]
    steps = ["--max_steps", "4", "--eval_steps", "4", "--save_steps", "4"]
    quick = ["--", *steps, "--cache_dir", str(tmp_path / "cache")]
    done = run_suite(tmp_path / "out", "planted", *small, behind=quick)
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "out" / "table.md").read_text(encoding="utf-8").splitlines()
    heads = ["accuracy, test rows", "short_sequences", "majority", "k-mers", "positions", "convolution"]
    assert table[0] == f"| {' | '.join([*heads, 'optimum'])} |"
    assert "±" in table[2] and table[2].endswith("| 0.970 |")
    weights = tmp_path / "out" / "motif_at_place" / "short_sequences" / "seed_2" / "model.safetensors"
    made = weights.stat().st_mtime_ns
    again = run_suite(tmp_path / "out", "planted", *small, behind=quick)
    assert again.returncode == 0 and weights.stat().st_mtime_ns == made
    assert (tmp_path / "out" / "table.md").read_text(encoding="utf-8").splitlines() == table
    changed = run_suite(tmp_path / "out", "planted", *small, behind=[*quick, "--dropout", "0"])
    assert changed.returncode == 2 and "figures of other settings are here" in changed.stderr
