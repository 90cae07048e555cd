"""Folders of tasks as the Hugging Face Hub and GENEB publish them, and names that say what files are not."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from omnina.errors import UserError
from omnina.suites.folders import read_tasks
from omnina.suites.published import SuiteNotes, read_notes

NO_NOTES = SuiteNotes()
NOTES = Path("configs/suites/nucleotide_transformer.yaml")
TASKS = ("H2AFZ", "promoter_all", "enhancers_types")
ROWS = 100  # of a task


def parquet(path: Path, tasks: Sequence[str] = TASKS, end: str = "T", column: str = "task") -> None:
    """``ROWS`` rows of each task, interleaved; as the revised tasks are published, labels are numbers."""
    rows = [(f"ACGT{'CA' * number}{end}", number % 2, task) for number in range(ROWS) for task in tasks]
    sequences, labels, names = zip(*rows, strict=True)
    columns = {"sequence": sequences, "name": ["chr1"] * len(rows), "label": labels, column: names}
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def test_a_table_with_a_column_of_tasks_is_several(tmp_path):
    for split, end in (("train", "T"), ("test", "C")):
        parquet(tmp_path / f"{split}.parquet", end=end)
    tasks = {task.name: task for task in read_tasks(tmp_path, read_notes(NOTES))}
    assert list(tasks) == sorted(TASKS)
    for task in tasks.values():
        assert len(task.train) + len(task.validation) == len(task.test) == ROWS
        assert {row.sequence[-1] for row in task.test} == {"C"}
    assert {row.label for row in tasks["H2AFZ"].test} == {"no", "yes"}
    assert tasks["enhancers_types"].question == "Which kind of enhancer is this, by number?"
    [one] = read_tasks(tmp_path, NO_NOTES, ["promoter_all"])
    assert one.name == "promoter_all"


def test_tasks_of_a_folder_below_are_named_below_it_and_one_table_is_several_as_well(tmp_path):
    for split in ("train", "test"):
        parquet(tmp_path / "nt" / f"{split}.parquet", TASKS[:2])
        parquet(tmp_path / "H2AFZ" / f"{split}.parquet", TASKS[:1])
    parquet(tmp_path / "whole" / "all.parquet", TASKS[:2], column="Task")
    names = ["H2AFZ", "nt/H2AFZ", "nt/promoter_all", "whole/H2AFZ", "whole/promoter_all"]
    assert list(read_tasks(tmp_path, NO_NOTES).places) == names
    for task, rows in zip(read_tasks(tmp_path, NO_NOTES), (2, 2, 2, 1, 1), strict=True):
        assert len(task.train) + len(task.validation) + len(task.test) == rows * ROWS


def test_splits_that_name_other_tasks_are_told(tmp_path):
    parquet(tmp_path / "train.parquet")
    parquet(tmp_path / "test.parquet", TASKS[:2])
    with pytest.raises(
        UserError, match="task of test and that of train differ in enhancers_types; every split"
    ):
        read_tasks(tmp_path, NO_NOTES)
    parquet(tmp_path / "test.parquet", column="other")
    with pytest.raises(UserError, match="task of test and that of train differ in H2AFZ, enhancers_types"):
        read_tasks(tmp_path, NO_NOTES)


@pytest.mark.parametrize("name", ["", "a/b", ".."])
def test_a_task_that_no_folder_can_be_named_by_is_told(tmp_path, name):
    for split in ("train", "test"):
        parquet(tmp_path / f"{split}.parquet", ["H2AFZ", name])
    with pytest.raises(
        UserError, match=rf"test\.parquet:2: the column 'task' has '{name}', which is no name"
    ):
        read_tasks(tmp_path, NO_NOTES)


def test_shards_are_read_together_and_a_folder_data_has_no_name(tmp_path):
    for folder in ("H2AFZ/data", "promoter_all"):
        for shard, end in enumerate("TG"):
            parquet(tmp_path / folder / f"train-0000{shard}-of-00002.parquet", ["x"], end, "kind")
        parquet(tmp_path / folder / "test-00000-of-00001-0a1b2c3d.parquet", ["x"], "C", "kind")
    tasks = read_tasks(tmp_path, read_notes(NOTES))
    assert [task.name for task in tasks] == ["H2AFZ", "promoter_all"]
    for task in tasks:
        assert len(task.train) + len(task.validation) == 2 * ROWS and len(task.test) == ROWS
    (tmp_path / "promoter_all" / "train-00000-of-00002.parquet").unlink()
    with pytest.raises(
        UserError, match=r"shards of the split 'train' are train-00001-of-00002\.parquet; each"
    ):
        read_tasks(tmp_path, NO_NOTES)


def test_shards_of_a_suite_lie_in_its_folder_data(tmp_path):
    for split in ("train", "test"):
        parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet")
    assert list(read_tasks(tmp_path, NO_NOTES).places) == sorted(TASKS)
    parquet(tmp_path / "data" / "train.parquet")
    with pytest.raises(UserError, match="two forms of the split 'train'"):
        read_tasks(tmp_path, NO_NOTES)


@pytest.mark.parametrize(
    "names", [("pos_train", "neg_train"), ("Test-pos", "test-neg"), ("pos.val", "neg.val")]
)
def test_files_named_by_class_and_split_are_no_classes(tmp_path, names):
    for name in names:
        (tmp_path / f"{name}.fa.gz").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"by its name the split '\w+' of the class '(neg|pos)', .* to \w+/\w+\.fa, "
    ):
        read_tasks(tmp_path, NO_NOTES)


def test_blanks_around_labels_do_not_count(tmp_path):
    for split, blank in (("train", ""), ("test", " ")):
        rows = "".join(f"ACGT{'CA' * number},{number % 2}{blank}\n" for number in range(ROWS))
        (tmp_path / f"{split}.csv").write_text("sequence,label\n" + rows, encoding="utf-8")
    [task] = read_tasks(tmp_path, NO_NOTES)
    assert {row.label for row in (*task.train, *task.test)} == {"0", "1"}


def test_genebs_tables_have_their_sequences_under_text(tmp_path):
    for split, end in (("train", "T"), ("test", "C")):
        path = tmp_path / "tasks" / "GUE_mouse_0" / f"{split}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = "".join(f"ACGT{'CA' * number}{end},{number % 2}\n" for number in range(ROWS))
        path.write_text("text,label\n" + rows, encoding="utf-8")
    [task] = read_tasks(tmp_path, NO_NOTES)
    assert task.name == "tasks/GUE_mouse_0"
    assert len(task.test) == ROWS and {row.sequence[-1] for row in task.test} == {"C"}
