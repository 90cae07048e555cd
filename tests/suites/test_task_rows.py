"""Rows of a task: which are held out, and which are refused."""

import random
from dataclasses import replace

import pytest

from omnina.chunking import reverse_complement
from omnina.errors import UserError
from omnina.suites.task import Example, draw, with_splits, with_validation


def rows_of(end: str, count: int) -> list[Example]:
    return [Example(f"ACGT{'CA' * number}{end.upper()}", str(number % 2)) for number in range(count)]


def test_one_label_is_no_task():
    rows = [Example("ACGT" + "A" * place, "yes") for place in range(50)]
    with pytest.raises(UserError, match="training rows have 1 labels; a task needs from 2 to 200"):
        with_validation("mine", "?", rows, rows[:1])


def test_copies_of_a_sequence_are_held_out_together():
    rows = [row for row in rows_of("g", 100) for _ in range(3)]
    task = with_validation("mine", "?", rows, rows[:1])
    assert not {row.sequence for row in task.train} & {row.sequence for row in task.validation}


def test_a_sequence_and_its_reverse_complement_are_in_one_split():
    generator = random.Random(0)
    forward = ["".join(generator.choices("ACGT", k=30)) for _ in range(200)]
    backward = [reverse_complement(bases).replace("T", "u") for bases in forward]
    rows = [Example(bases, str(place % 2)) for place, bases in enumerate(forward)]
    rows += [Example(bases, str(place % 2)) for place, bases in enumerate(backward)]
    task = with_splits("mine", "?", rows)
    parts = [{row.sequence for row in of_split} for of_split in (task.train, task.validation, task.test)]
    assert all(parts) and sum(map(len, parts)) == 400
    for part in parts:
        assert all((one in part) == (other in part) for one, other in zip(forward, backward, strict=True))
    assert draw(Example("a:ACC b:GG", "x")) == draw(Example("a:GGT b:CC", "y"))


@pytest.mark.parametrize("split", ["test", "validation"])
def test_labels_that_training_has_not_are_told(split):
    strange = [Example(row.sequence, "1.0" if row.label == "1" else "0") for row in rows_of("T", 40)]
    splits = {"test": rows_of("T", 40), "own": rows_of("D", 40)}
    splits["test" if split == "test" else "own"] = strange
    told = rf"mine: 20 of 40 {split} rows .* no training row has: '1\.0' \(20\); training has 0, 1\. Write"
    with pytest.raises(UserError, match=told):
        with_validation("mine", "?", rows_of("G", 40), **splits)


def test_rows_of_a_label_that_training_would_lack_are_not_held_out():
    rows = rows_of("g", 200)
    drawn = next(row for row in rows if draw(row, "test") < 0.2)
    rare = Example(drawn.sequence, "rare")
    task = with_splits("mine", "?", [*rows, rare])
    assert rare in task.train and task.test
    assert not {row.sequence for row in task.train} & {row.sequence for row in task.test}
    with pytest.raises(UserError, match="mine: 20 training rows lack the labels rare; use more"):
        replace(task, test=[*task.test, rare]).capped(20)


def test_a_cap_keeps_the_same_rows_every_time():
    rows = rows_of("g", 100)
    task = with_validation("mine", "?", rows, rows[:5])
    assert len(task.capped(30).train) == 30 and task.capped(30) == task.capped(30)
    assert set(task.capped(20).train) < set(task.capped(30).train)
    with pytest.raises(UserError, match="1 training rows have one label only"):
        task.capped(1)
    assert task.capped(None) is task and task.capped(1000) is task


def test_tables_of_other_rows_are_not_overwritten(tmp_path):
    rows = rows_of("g", 100)
    task = with_validation("mine", "?", rows, rows[:5])
    paths = task.write(tmp_path)
    assert task.write(tmp_path) == paths
    with pytest.raises(UserError, match=r"train\.csv: .*other rows"):
        task.capped(10).write(tmp_path)
