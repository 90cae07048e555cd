"""Suites and the ablation of the text, run as a user runs them; the slow suite."""

import csv
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from omnina.suites.text_ablation import NO_TEXT, NONE, SHUFFLED, TRUE, ablation_table, write_arm

ROOT = Path(__file__).parents[2]


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def without_text(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{name: cell for name, cell in row.items() if name != "response"} for row in rows]


@pytest.fixture
def tables(tmp_path) -> list[Path]:
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, first in zip(paths, (0, 50), strict=True):
        lines = [f"x,{'ACGT' * (number + 1)},gene {number}" for number in range(first, first + 50)]
        path.write_text("source,sequence,response\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return paths


def test_arms_differ_in_the_annotations_alone(tables, tmp_path):
    arms = {
        arm: [rows_of(path) for path in write_arm(tables, arm, tmp_path / arm)]
        for arm in (TRUE, SHUFFLED, NONE)
    }
    assert arms[TRUE] == [rows_of(path) for path in tables]
    for arm in (SHUFFLED, NONE):
        for made, true in zip(arms[arm], arms[TRUE], strict=True):
            assert [(r["source"], r["sequence"]) for r in made] == [
                (r["source"], r["sequence"]) for r in true
            ]
    flat = {arm: [row["response"] for of_table in made for row in of_table] for arm, made in arms.items()}
    assert Counter(flat[SHUFFLED]) == Counter(flat[TRUE])
    assert sum(one == other for one, other in zip(flat[SHUFFLED], flat[TRUE], strict=True)) < 10
    assert set(flat[NONE]) == {NO_TEXT}


def test_the_ablations_table_has_a_row_for_each_arm():
    table = ablation_table(
        {"true": [{"bits per base": 1.9, "Q?": 0.5}], "none": [{"bits per base": 2, "Q?": 0.4}]}
    )
    assert table.splitlines()[0] == "| annotations | bits per base | MCC: Q? |"
    assert table.splitlines()[3] == "| none | 2.000 | 0.400 |"


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
