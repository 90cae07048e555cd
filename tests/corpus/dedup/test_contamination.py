import csv
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
from planted import copy_of, dna, reverse_complement, shuffled
from tables import write_table

from omnina.corpus.dedup.contamination import find_contamination
from omnina.corpus.dedup.contamination_report import JSON_FILE, PAGE_FILE, ROWS_FILE, write_report
from omnina.corpus.dedup.forbid import Kind
from omnina.errors import UserError

ROOT = Path(__file__).parents[3]
GUIDE = "GACGCATAAAGATGAGACGCTGG"


@pytest.fixture(scope="module")
def held_out() -> list[str]:
    rng = random.Random(21)
    return [dna(rng, 500) for _ in range(40)]


@pytest.fixture
def planted(tmp_path, held_out) -> tuple[Path, Path]:
    """(training table, test table): rows 0 to 3 have an exact, a turned, a near and an inner twin."""
    rng = random.Random(22)
    test = [{"sequence": one, "question": "odd?" if i % 2 else "even?"} for i, one in enumerate(held_out)]
    train = [shuffled(rng, one) for one in held_out]
    train += [held_out[0], reverse_complement(held_out[1]), copy_of(rng, held_out[2], 0.05)]
    train += [dna(rng, 9000) + reverse_complement(held_out[3]) + dna(rng, 4000), GUIDE]
    rows = [{"response": "x", "sequence": one} for one in train]
    return write_table(tmp_path / "train.csv", rows), write_table(tmp_path / "test.csv", test)


def test_report_finds_planted_twins_and_nothing_else(planted, tmp_path):
    train, test = planted
    result = find_contamination([train], [test])
    write_report(result, [train], [test], tmp_path / "report")
    with (tmp_path / "report" / ROWS_FILE).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["test_line"], row["kind"], row["train_line"]) for row in rows] == [
        *[("2", "exact", "42"), ("3", "reverse complement", "43"), ("4", "near", "44"), ("5", "near", "45")]
    ]
    assert [float(row["similarity"]) for row in rows] == pytest.approx([1, 1, 0.95, 1], abs=0.03)
    figures = json.loads((tmp_path / "report" / JSON_FILE).read_text())
    assert (figures["test_rows"], figures["test_rows_with_twin"]) == (40, 4)
    assert figures["train_only_compared_for_equality"] == {"sequence": 1}
    counts = {entry["question"]: entry for entry in figures["test_sequences"]}
    assert [counts["even?"][kind] for kind in ("sequences", "exact", "near", "clean")] == [20, 1, 1, 18]
    assert [counts["odd?"][kind] for kind in ("reverse_complement", "near", "clean")] == [1, 1, 18]
    assert counts["all"]["clean"] == 36
    page = (tmp_path / "report" / PAGE_FILE).read_text()
    assert "4 of 40 test rows (10.00%)" in page and "too short or" not in page


def test_silent_on_shuffled_sequences(tmp_path, held_out):
    rng = random.Random(23)
    tables = [
        write_table(tmp_path / name, [{"sequence": one} for one in sequences])
        for name, sequences in (
            ("train.csv", [shuffled(rng, one) for one in held_out]),
            ("test.csv", held_out),
        )
    ]
    result = find_contamination(tables[:1], tables[1:])
    assert result.rows() == (40, 0)
    assert result.found == {}


def test_parts_of_labelled_cells_are_counted_apart(tmp_path, held_out):
    test = [{"sequence": f"gRNA:{GUIDE} targetRNA:{one}"} for one in held_out[:3]]
    train = [{"sequence": f"gRNA:{reverse_complement(GUIDE)} targetRNA:{held_out[1]}"}]
    result = find_contamination(
        [write_table(tmp_path / "train.csv", train)], [write_table(tmp_path / "test.csv", test)]
    )
    counts = {entry.label: entry for entry in result.counts()}
    assert (counts["gRNA"].reverse_complement, counts["gRNA"].only_compared_for_equality) == (3, 3)
    assert (counts["targetRNA"].exact, counts["targetRNA"].clean) == (1, 2)
    assert result.rows() == (3, 3)
    write_report(result, ["train"], ["test"], tmp_path / "report")
    assert "**3 of 6 test sequences are too short or" in (tmp_path / "report" / PAGE_FILE).read_text()


def test_strongest_twin_is_kept_and_all_are_counted(tmp_path, held_out):
    rng = random.Random(24)
    one = held_out[0]
    train = [copy_of(rng, one, 0.05), reverse_complement(one), one, one]
    tables = [write_table(tmp_path / f"{i}.csv", [{"sequence": bases}]) for i, bases in enumerate(train)]
    test = write_table(tmp_path / "test.csv", [{"sequence": one}])
    result = find_contamination(tables, [test])
    found = result.twin_of(result.test_parts[0])
    assert (found.kind, found.place.path, found.train_sequences) == (Kind.EXACT, tables[2], 4)


def test_one_table_on_both_sides_is_refused(planted):
    with pytest.raises(UserError, match="named for training and for test"):
        find_contamination(planted, planted[1:])


def run_script(*arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "scripts" / "contamination.py"), *map(str, arguments)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_script_writes_the_report_once(planted, tmp_path):
    arguments = ["--train", planted[0], "--test", planted[1], "--output", tmp_path / "report"]
    assert run_script(*arguments).returncode == 0
    assert {path.name for path in (tmp_path / "report").iterdir()} == {JSON_FILE, PAGE_FILE, ROWS_FILE}
    again = run_script(*arguments)
    assert (again.returncode, "--overwrite" in again.stderr) == (2, True)
    assert run_script(*arguments, "--overwrite").returncode == 0


def test_script_names_a_missing_file(planted, tmp_path):
    done = run_script("--train", tmp_path / "none.csv", "--test", planted[1], "--output", tmp_path / "report")
    assert (done.returncode, "there is no such file" in done.stderr) == (2, True)
    assert not (tmp_path / "report").exists()
