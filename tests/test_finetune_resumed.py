"""A run that is killed and run again is the uninterrupted one."""

import json

import pytest
from answering import record, same_weights, settings, validations
from dying import kill_at, kill_before_the_end

from omnina import finetune


def test_killed_and_run_again_gives_the_same_weights(world, finished, tmp_path):
    """Those after the kill too: with dropout, so every mask must be drawn again."""
    folder = tmp_path / "killed"
    kill_at(8, settings(world, folder))
    finetune.main(settings(world, folder))
    assert same_weights(folder / "checkpoint-12", finished / "checkpoint-12")
    assert same_weights(folder, finished)
    assert validations(folder / "checkpoint-12") == validations(finished / "checkpoint-12")
    assert record(folder)["validation_at_end"] == record(finished)["validation_at_end"]


@pytest.mark.parametrize("place", ["omnina.training.finish", "omnina.evaluation.run.finish_finetuning"])
def test_killed_after_the_last_step_the_end_is_made_up_for(world, finished, tmp_path, monkeypatch, place):
    folder = tmp_path / "killed"
    kill_before_the_end(settings(world, folder), place)
    monkeypatch.chdir(tmp_path)
    finetune.main(settings(world, folder))
    for name in ("steps", "validation_at_start", "validation_at_end"):
        assert record(folder)[name] == record(finished)[name]
    assert same_weights(folder, finished)
    both = [
        json.loads((path / "evaluation" / "metrics.json").read_text())["results"]
        for path in (folder, finished)
    ]
    assert both[0] == both[1]


def test_a_run_that_stops_early_does_so_however_often_it_is_killed(world, tmp_path, monkeypatch):
    """Weights hardly change, so no validation is better than the first: the third after it is the last."""
    changes = {"learning_rate": 1e-9, "early_stopping_patience": 3, "eval_steps": 2, "save_steps": 2}
    folders = [tmp_path / name for name in ("whole", "killed_before", "killed_after")]
    monkeypatch.setattr("omnina.evaluation.run.finish_finetuning", lambda *_: None)
    whole, before, after = (settings(world, folder, **changes) for folder in folders)
    kill_at(7, before)
    kill_before_the_end(after)
    for arguments in (whole, before, after):
        finetune.main(arguments)
    for folder in folders:
        assert record(folder)["steps"] == 8
        assert [entry["step"] for entry in validations(folder / "checkpoint-8")] == [0, 2, 4, 6, 8]
        assert same_weights(folder, folders[0])
        assert record(folder)["validation_at_end"] == record(folders[0])["validation_at_end"]
