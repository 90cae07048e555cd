"""Benchmarks as they lie on disk."""

import gzip
from pathlib import Path

import pytest

from omnina.errors import UserError
from omnina.suites.folders import read_tasks
from omnina.suites.published import SuiteNotes, TaskNotes, read_notes
from omnina.suites.task import Example

NO_NOTES = SuiteNotes()


def written(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def rows_of(split: str, count: int = 40) -> list[Example]:
    return [Example(f"ACGT{'CA' * number}{split.upper()[0]}", str(number % 2)) for number in range(count)]


def as_table(rows: list[Example]) -> str:
    return "sequence,label\n" + "".join(f"{row.sequence},{row.label}\n" for row in rows)


def gue(folder: Path) -> None:
    for split in ("train", "dev", "test"):
        written(folder / "prom" / "prom_300_all" / f"{split}.csv", as_table(rows_of(split)))


def test_gue_keeps_its_own_splits(tmp_path):
    gue(tmp_path)
    [task] = read_tasks(tmp_path, NO_NOTES)
    assert task.name == "prom/prom_300_all"
    assert [len(task.train), len(task.validation), len(task.test)] == [40, 40, 40]
    assert {row.sequence[-1] for row in task.validation} == {"D"}
    assert {row.sequence[-1] for row in task.test} == {"T"}


def test_labels_become_words(tmp_path):
    gue(tmp_path)
    notes = SuiteNotes(tasks={"prom/prom_300_all": TaskNotes("Is it?", {"0": "no", "1": "yes"})})
    [task] = read_tasks(tmp_path, notes)
    assert task.question == "Is it?"
    assert {row.label for row in (*task.train, *task.test)} == {"no", "yes"}


def test_a_label_without_a_word_is_named(tmp_path):
    gue(tmp_path)
    notes = SuiteNotes(tasks={"prom/prom_300_all": TaskNotes("Is it?", {"0": "no"})})
    with pytest.raises(UserError, match=r"prom_300_all, dev: label '1' has no word; there are: 0\."):
        list(read_tasks(tmp_path, notes))


def test_nucleotide_transformer_holds_labels_in_headers(tmp_path):
    for split in ("train", "test"):
        text = "".join(
            f">chr1_{place}|{row.label}\n{row.sequence}\n" for place, row in enumerate(rows_of(split))
        )
        written(tmp_path / "enhancers" / f"{split}.fna", text)
    [task] = read_tasks(tmp_path, NO_NOTES)
    assert len(task.train) + len(task.validation) == 40
    assert task.validation
    assert [row.label for row in task.test] == [row.label for row in rows_of("test")]


def test_a_header_without_a_label_is_named(tmp_path):
    for split in ("train", "test"):
        written(tmp_path / "enhancers" / f"{split}.fna", ">chr1_1\nACGT\n")
    with pytest.raises(UserError, match=r"'chr1_1' has no label; write it as >NAME\|LABEL"):
        list(read_tasks(tmp_path, NO_NOTES))


def test_genomic_benchmarks_hold_a_sequence_in_each_file(tmp_path):
    for split in ("train", "test"):
        for place, row in enumerate(rows_of(split)):
            name = ("negative", "positive")[int(row.label)]
            written(tmp_path / "human_or_worm" / split / name / f"{place}.txt", row.sequence + "\n")
    [task] = read_tasks(tmp_path, NO_NOTES)
    assert len(task.test) == 40
    assert {(len(row.sequence) // 2 - 2) % 2 == (row.label == "positive") for row in task.test} == {True}


def test_classes_without_splits_are_split_by_sequence(tmp_path):
    rows = rows_of("g", 200)
    for label in "01":
        text = "".join(f">same\n{row.sequence}\n" for row in rows if row.label == label)
        path = tmp_path / "mine" / f"class{label}.fa.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress(text.encode()))
    [task] = read_tasks(tmp_path, NO_NOTES)
    parts = [{row.sequence for row in rows} for rows in (task.train, task.validation, task.test)]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 200
    assert all(parts)
    assert {row.label for row in task.train} == {"class0", "class1"}
    [again] = read_tasks(tmp_path, NO_NOTES)
    assert again == task


def test_a_folder_without_tasks_and_unknown_names_are_told(tmp_path):
    with pytest.raises(UserError, match="no task in it"):
        list(read_tasks(tmp_path, NO_NOTES))
    with pytest.raises(UserError, match="no such folder"):
        list(read_tasks(tmp_path / "nowhere", NO_NOTES))
    gue(tmp_path)
    with pytest.raises(UserError, match=r"no task 'prom/x'; there are: prom/prom_300_all"):
        list(read_tasks(tmp_path, NO_NOTES, ["prom/x"]))


def test_two_forms_of_one_split_are_told(tmp_path):
    gue(tmp_path)
    written(tmp_path / "prom" / "prom_300_all" / "test.tsv", "sequence\tlabel\nACGT\t0\n")
    with pytest.raises(UserError, match="two forms of the split 'test'"):
        list(read_tasks(tmp_path, NO_NOTES))


def test_tables_without_sequences_and_hidden_files_are_no_tasks(tmp_path):
    gue(tmp_path)
    written(tmp_path / "about" / "metadata.tsv", "id\tlabel\n1\tx\n")
    written(tmp_path / "prom" / "prom_300_all" / "._train.csv", "of another program")
    written(tmp_path / ".notebook" / "data.csv", "sequence,label\nACGT,0\n")
    assert list(read_tasks(tmp_path, NO_NOTES).places) == ["prom/prom_300_all"]


@pytest.mark.parametrize("path", sorted(Path("configs/suites").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_notes_can_be_read(path):
    notes = read_notes(path)
    assert notes.tasks
    assert notes.source


def test_gue_figures_have_the_means_of_their_groups():
    """Those that the paper and its successors print: yeast, mouse, human, promoters, core promoters."""
    notes = read_notes(Path("configs/suites/gue.yaml"))
    groups = {"EMP/": (55.98, 58.06), "mouse/": (67.99, 67.01), "tf/": (70.10, 63.32)}
    groups |= {"prom/prom_300": (84.21, 88.14), "prom/prom_core": (70.52, 71.62)}
    for start, means in groups.items():
        of_group = [of.published for name, of in notes.tasks.items() if name.startswith(start)]
        for model, mean in zip(("DNABERT-2", "NT-2.5B"), means, strict=True):
            if all(model in of for of in of_group):
                figures = [of[model] for of in of_group]
                assert 100 * sum(figures) / len(figures) == pytest.approx(mean, abs=0.015)


def test_no_score_stands_that_no_copy_of_its_table_has():
    notes = read_notes(Path("configs/suites/gue.yaml"))
    assert {name for name, of in notes.tasks.items() if "NT-2.5B" not in of.published} == {
        *(f"tf/{number}" for number in range(1, 5)),
        "virus/covid",
    }


def test_an_unknown_key_of_notes_is_named(tmp_path):
    written(tmp_path / "x.yaml", "metric: mcc\ntasks:\n  a:\n    publishd: {}\n")
    with pytest.raises(UserError, match="'publishd' is none of"):
        read_notes(tmp_path / "x.yaml")


def test_a_metric_that_is_none_is_named(tmp_path):
    written(tmp_path / "x.yaml", "metric: precison\n")
    with pytest.raises(UserError, match="metric 'precison' is none of mcc"):
        read_notes(tmp_path / "x.yaml")


def test_a_split_alone_is_told_however_it_lies(tmp_path):
    for number, name in enumerate(("train.csv", "valid.fna", "test/yes/1.txt")):
        folder = tmp_path / str(number) / "task"
        written(folder / name, "sequence,label\nACGT,1\n")
        with pytest.raises(UserError, match="a task needs both"):
            read_tasks(tmp_path / str(number), NO_NOTES)


def test_labels_and_classes_keep_blanks_and_dots(tmp_path):
    for split in ("train", "test"):
        words = ("weak enhancer", "strong enhancer")
        records = [f">seq {n}|{words[n % 2]}\n{row.sequence}\n" for n, row in enumerate(rows_of(split))]
        written(tmp_path / "a" / f"{split}.fna", "".join(records))
        for variant in ("H3.1", "H3.3"):
            text = "".join(f">x\n{row.sequence}\n" for row in rows_of(split))
            written(tmp_path / "b" / split / f"{variant}.fa", text)
    first, second = read_tasks(tmp_path, NO_NOTES)
    assert {row.label for row in first.train} == set(words)
    assert {row.label for row in second.train} == {"H3.1", "H3.3"}


def test_a_class_without_sequences_is_told(tmp_path):
    for split in ("train", "test"):
        written(tmp_path / "a" / split / "yes.fa", ">x\nACGT\n")
        written(tmp_path / "a" / split / "no" / "1.fa", ">x\nACGT\n")
    with pytest.raises(UserError, match="no sequence of this class"):
        list(read_tasks(tmp_path, NO_NOTES))


def test_a_row_that_is_no_sequence_is_told_before_anything_trains(tmp_path):
    gue(tmp_path)
    path = tmp_path / "prom" / "prom_300_all" / "test.csv"
    path.write_text(path.read_text() + "ACGX,1\n")
    with pytest.raises(UserError, match=r"a test row \('ACGX'\): .* 'X' at base 4"):
        list(read_tasks(tmp_path, NO_NOTES))


def test_notes_of_another_suite_are_told(tmp_path):
    gue(tmp_path)
    with pytest.raises(UserError, match=r"the notes name none of its tasks \(prom/prom_300_all\), but a"):
        read_tasks(tmp_path, SuiteNotes(tasks={"a": TaskNotes()}))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tasks:\n  a:\n    labels: {0: no, 1: yes}\n", "a: labels: 0 is no text; quote it"),
        ("tasks:\n  a:\n    labels: {'0': no}\n", "a: labels: 0: False is no text; quote it"),
        ("tasks:\n  a:\n    labels:\n", "a: labels: None is no mapping by labels"),
        ("tasks:\n  a:\n    labels: [x]\n", r"a: labels: \['x'\] is no mapping by labels"),
        ("tasks:\n  a:\n    published:\n", "a: published: None is no mapping by models"),
        ("tasks:\n  a:\n    published: {X: high}\n", "a: published: the score of X, 'high', is no number"),
        ("tasks:\n  a:\n    frozen: {X: .nan}\n", "a: frozen: the score of X, nan, is no number"),
        ("tasks:\n  a:\n    question: 3\n", "a: question: 3 is no text"),
        ("tasks:\n  a: why\n", "a: 'why' is no mapping"),
        ("tasks:\n  a: []\n", r"a: \[\] is no mapping"),
        ("tasks: [a]\n", r"tasks: \['a'\] is no mapping by names of tasks"),
        ("tasks:\n  1:\n    question: why?\n", "tasks: 1 is no text; quote it"),
        ("source: 3\n", "source: 3 is no text"),
        ("frozen_source:\n", "frozen_source: None is no text"),
    ],
)
def test_values_of_notes_of_another_kind_are_told(tmp_path, text, told):
    written(tmp_path / "x.yaml", text)
    with pytest.raises(UserError, match=rf"x\.yaml: {told}"):
        read_notes(tmp_path / "x.yaml")


def test_a_task_without_notes_is_asked_in_general(tmp_path):
    written(tmp_path / "x.yaml", "tasks:\n  a:\n")
    assert read_notes(tmp_path / "x.yaml").of("a") == read_notes(tmp_path / "x.yaml").of("b") == TaskNotes()


def test_names_of_splits_and_columns_count_in_any_case(tmp_path):
    for name in ("Train", "TEST"):
        rows = as_table(rows_of(name)).replace("sequence,label", "Sequence,Label")
        written(tmp_path / "mine" / f"{name}.CSV", rows)
    [task] = read_tasks(tmp_path, NO_NOTES)
    assert len(task.train) + len(task.validation) == len(task.test) == 40


def test_a_table_without_labels_is_told(tmp_path):
    for split in ("train", "test"):
        written(tmp_path / "mine" / f"{split}.csv", "sequence,class\nACGT,1\n")
    with pytest.raises(UserError, match=r"no column 'label'; the header has: sequence, class"):
        list(read_tasks(tmp_path, NO_NOTES))


def test_eval_is_validation(tmp_path):
    for split, end in (("train", "t"), ("eval", "g"), ("test", "t")):
        written(tmp_path / "mine" / f"{split}.csv", as_table(rows_of(end)))
    [task] = read_tasks(tmp_path, NO_NOTES)
    assert {row.sequence[-1] for row in task.validation} == {"G"} and len(task.train) == 40


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("val.csv", "dev and val are both validation"),
        ("holdout.csv", r"holdout\.csv: none of the splits train"),
    ],
)
def test_rows_that_would_be_left_out_are_told(tmp_path, name, told):
    gue(tmp_path)
    written(tmp_path / "prom" / "prom_300_all" / name, as_table(rows_of("val")))
    with pytest.raises(UserError, match=told):
        read_tasks(tmp_path, NO_NOTES)


def test_one_table_without_splits_is_split_by_sequence(tmp_path):
    rows = rows_of("g", 200)
    written(tmp_path / "mine" / "all of them.csv", as_table(rows))
    written(tmp_path / "figures" / "sizes.csv", "name,size\na,1\n")
    [task] = read_tasks(tmp_path, NO_NOTES)
    parts = [{row.sequence for row in rows} for rows in (task.train, task.validation, task.test)]
    assert task.name == "mine" and all(parts)
    assert sum(map(len, parts)) == len(set.union(*parts)) == 200
    written(tmp_path / "mine" / "more.csv", as_table(rows))
    with pytest.raises(UserError, match=r"no task in it; .* or with one table"):
        read_tasks(tmp_path, NO_NOTES)


def test_a_table_beside_classes_and_a_file_for_a_folder_are_told(tmp_path):
    for name in ("yes.fa", "no.fa"):
        written(tmp_path / "mine" / name, ">x\nACGT\n")
    written(tmp_path / "mine" / "all.csv", "sequence,label\nACGT,1\n")
    with pytest.raises(UserError, match=r"classes and a table, all\.csv; keep one"):
        read_tasks(tmp_path, NO_NOTES)
    with pytest.raises(UserError, match="this is a file; give the folder that holds it"):
        read_tasks(tmp_path / "mine" / "all.csv", NO_NOTES)
