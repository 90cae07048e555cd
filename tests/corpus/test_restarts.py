"""A corpus run goes on from what is whole, and refuses what is not its own."""

import pytest
from corpus_runs import CONFIG, build, contents
from datatrove.executor.base import PipelineExecutor
from killed_run import run_and_kill

from omnina.checkout import git_commit
from omnina.corpus import pipeline
from omnina.corpus.build import summary
from omnina.corpus.lock import Lock
from omnina.corpus.task_output import TaskOutput
from omnina.errors import UserError


@pytest.mark.parametrize("damage", ["a line gone", "a line twice", "another kind", "cut", "gone"])
def test_a_list_of_rejects_that_is_not_what_was_counted_is_told_and_made_again(records, tmp_path, damage):
    build(records, tmp_path / "out")
    path = tmp_path / "out" / "rejected.csv"
    whole = path.read_text()
    lines = whole.splitlines(keepends=True)
    damaged = {
        "a line gone": lines[:-1],
        "a line twice": [*lines, lines[-1]],
        "another kind": [*lines[:-1], lines[-1].replace("no sequence", "no text")],
        "cut": [*lines[:-1], lines[-1][:6]],
        "gone": [],
    }[damage]
    path.write_text("".join(damaged)) if damaged else path.unlink()
    with pytest.raises(UserError, match=r"rejected\.csv: .*; remove manifest\.json and run again\.$"):
        summary(tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    build(records, tmp_path / "out")
    assert path.read_text() == whole


def test_a_list_of_a_unit_that_lost_lines_ends_no_run(records, tmp_path):
    build(records, tmp_path / "out")
    (tmp_path / "out" / "manifest.json").unlink()
    for path in (tmp_path / "out" / "progress" / "rejected").iterdir():
        path.write_text("")
    with pytest.raises(UserError, match="0 lines say 'no sequence', the manifest counts 1"):
        build(records, tmp_path / "out")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_the_same_command_again_changes_nothing(records, tmp_path, monkeypatch):
    build(records, tmp_path / "out")
    before = contents(tmp_path / "out")
    monkeypatch.setattr(PipelineExecutor, "_run_for_rank", None)
    build(records, tmp_path / "out")
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("broken", [0, 1, 2])
def test_a_failed_task_is_run_again_and_no_other(records, tmp_path, monkeypatch, broken):
    build(records, tmp_path / "whole")
    entered = []
    enter = TaskOutput.__enter__

    def failing(output):
        entered.append(output.task)
        if output.task == broken and entered.count(broken) == 1:
            raise RuntimeError("power cut")
        return enter(output)

    monkeypatch.setattr(TaskOutput, "__enter__", failing)
    with pytest.raises(RuntimeError, match="power cut"):
        build(records, tmp_path / "out")
    build(records, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert sorted(entered) == sorted([0, 1, 2, broken])


@pytest.mark.parametrize(
    "module, name, call",
    [
        ("corpus.leaving_out", "write_arrays", 2),  # in the stage of keys
        ("corpus.leaving_out", "duplicates_of", 1),
        ("corpus.pipeline", "_count_and_write", 80),  # in the midst of the second task's rows
        ("corpus.task_output", "write_json", 2),  # shards are moved, their record is not written
        ("corpus.pipeline", "write_manifest", 1),
    ],
)
def test_killed_and_started_again_gives_the_bytes_of_an_uninterrupted_run(
    records, tmp_path, module, name, call
):
    build(records, tmp_path / "whole")
    output = tmp_path / "out"
    run_and_kill(records.parent / "corpus.yaml", records, output, 3, module, name, call)
    assert not (output / "manifest.json").exists()
    build(records, output)
    assert contents(output) == contents(tmp_path / "whole")


def test_our_records_are_the_truth_about_what_is_complete(records, tmp_path):
    output = tmp_path / "out"
    build(records, output)
    before = contents(output)
    for name in ("task-00001.json", "manifest.json"):  # datatrove's marks say that both are done
        (output / name).unlink()
    build(records, output)
    assert contents(output) == before


def test_another_configuration_is_refused(records, tmp_path):
    build(records, tmp_path / "out")
    with pytest.raises(UserError, match="another configuration:\n  filters: there"):
        build(records, tmp_path / "out", CONFIG | {"filters": {"min_bases": 50}})
    with pytest.raises(UserError, match="tasks: there 3, here 2"):
        build(records, tmp_path / "out", tasks=2)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_cannot_be_read_is_told_without_a_traceback(records, tmp_path, capfd, workers):
    (records / "e.fa").write_text("no header\n")
    with pytest.raises(UserError, match=r"e\.fa"):
        build(records, tmp_path / "out", workers=workers)
    printed = capfd.readouterr().err
    assert "Traceback" not in printed and "ERROR" not in printed
    logs = (tmp_path / "out" / "progress" / "logs" / "keys" / "logs").glob("*.log")
    assert any("e.fa" in line for path in logs for line in path.read_text().splitlines() if "DEBUG" in line)


def test_a_folder_that_another_run_writes_to_is_left_alone(records, tmp_path):
    with Lock(tmp_path / "out" / "progress"), pytest.raises(UserError, match="is writing there"):
        build(records, tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").rglob("*")) == ["lock.guard", "progress"]
    build(records, tmp_path / "out")


def test_a_file_that_has_the_name_of_a_table_is_not_replaced(records, tmp_path):
    theirs = tmp_path / "out" / "train-00000-000.csv"
    theirs.parent.mkdir()
    theirs.write_text("mine")
    with pytest.raises(UserError, match=r"train-00000-000.csv: this has the name of a table, but no run"):
        build(records, tmp_path / "out")
    assert theirs.read_text() == "mine"


def test_versions_are_recorded_and_not_mixed(records, tmp_path, monkeypatch):
    manifest = build(records, tmp_path / "out")
    assert set(manifest["config"]["versions"]) == {"omnina", "biopython", "pyarrow", "datatrove"}
    assert manifest["git_commit"] == git_commit()
    monkeypatch.setattr(pipeline, "version", lambda package: "0.0")
    with pytest.raises(UserError, match="another configuration:\n  versions: there"):
        build(records, tmp_path / "out")
