"""Tables of questions as tasks, and the committed ones among them."""

from collections import Counter
from pathlib import Path

import pytest

from omnina.errors import UserError
from omnina.suites.choosing import EXAMPLE_TABLES, chosen_tasks
from omnina.suites.questions import question_tasks
from omnina.tables.table import read_rows

SIDES = ("Is it left?", "Is it right?")


def table(path: Path, questions: tuple[str, ...], ends: str) -> Path:
    rows = [
        f"ACGT{'CA' * number}{end},{question},{number % 2}"
        for question in questions
        for number in range(20)
        for end in ends
    ]
    path.write_text("\n".join(["sequence,question,response", *rows, ""]))
    return path


def test_a_task_of_each_question(tmp_path):
    train, test = table(tmp_path / "train.csv", SIDES, "AC"), table(tmp_path / "test.csv", SIDES, "G")
    tasks = question_tasks(train, test)
    assert [(task.name, task.question) for task in tasks] == [
        ("Is_it_left", SIDES[0]),
        ("Is_it_right", SIDES[1]),
    ]
    for task in tasks:
        assert len(task.train) + len(task.validation) == 40 and task.validation
        assert Counter(row.label for row in task.test) == {"0": 10, "1": 10}
        assert {row.sequence[-1] for row in task.test} == {"G"}


def test_a_question_of_one_table_is_refused(tmp_path):
    train = table(tmp_path / "train.csv", SIDES, "A")
    test = table(tmp_path / "test.csv", SIDES[:1], "G")
    for first, second in ((train, test), (test, train)):
        with pytest.raises(UserError, match=r"test\.csv: no row asks 'Is it right\?', which"):
            question_tasks(first, second)


def test_the_committed_questions_are_a_suite():
    tasks, notes = chosen_tasks("example", None, None, Path("none.gbk"), None)
    train, test = ([row for _, row in read_rows(path)] for path in EXAMPLE_TABLES)
    assert sum(len(task.train) + len(task.validation) for task in tasks) == len(train)
    assert sum(len(task.test) for task in tasks) == len(test)
    assert {task.question for task in tasks} == {row["question"] for row in test}
    assert notes.metric == "mcc"
    with pytest.raises(UserError, match="example brings its own"):
        chosen_tasks("example", None, Path("notes.yaml"), Path("none.gbk"), None)


def test_an_answer_that_training_has_not_stays_a_test_row(tmp_path):
    train, test = table(tmp_path / "train.csv", SIDES[:1], "A"), table(tmp_path / "test.csv", SIDES[:1], "G")
    test.write_text(test.read_text() + f"ACGTACGT,{SIDES[0]},2\n")
    [task] = question_tasks(train, test)
    assert "2" in {row.label for row in task.test}
    assert task.capped(10).test == task.test


def test_the_length_of_promoters_is_refused_elsewhere():
    with pytest.raises(UserError, match="--bases is the length of a promoter region"):
        chosen_tasks("planted", None, None, Path("none.gbk"), 81)
