"""The training tables of a checkpoint, from wherever it is evaluated."""

import pytest

from omnina.evaluation.training_tables import record_training_tables, training_tables


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project with one table, in which the working directory is."""
    folder = tmp_path / "project"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "train.csv").write_text("x")
    (folder / "run").mkdir()
    (folder / "run" / "config.yaml").write_text("train_files: [data/train.csv]\n")
    monkeypatch.chdir(folder)
    return folder


def test_recorded_tables_are_found_from_another_folder(project, tmp_path, monkeypatch):
    record_training_tables(project / "run", ["data/*.csv"])
    monkeypatch.chdir(tmp_path)
    assert training_tables(project / "run") == ([str(project / "data" / "train.csv")], "")


def test_a_project_that_was_moved_is_found_by_its_config(project, tmp_path, monkeypatch):
    record_training_tables(project / "run", ["data/train.csv"])
    moved = project.rename(tmp_path / "moved")
    monkeypatch.chdir(moved)
    assert training_tables(moved / "run") == (["data/train.csv"], "")


def test_tables_that_are_gone_leave_a_note_with_the_remedy(project):
    record_training_tables(project / "run", ["data/train.csv"])
    (project / "data" / "train.csv").unlink()
    tables, note = training_tables(project / "run")
    assert tables == []
    assert "train.csv) are not here; give --train_files" in note


def test_a_checkpoint_of_another_kind_leaves_a_note(tmp_path):
    tables, note = training_tables(tmp_path)
    assert tables == []
    assert "give --train_files" in note
