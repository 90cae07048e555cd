"""Losses that are no number, spikes, a hang, a loading process that dies: told, counted, nothing lost."""

import csv
import json
import math
from functools import partial
from pathlib import Path

import pytest
import torch
from fault_injection import at_call, fork_loaders, hang, huge, infinite_slope, kill, not_a_number, spoil_loss
from faults_world import STEP, assert_same_run, came_from, losses
from safetensors.torch import load_file

IN_STEP_5 = range(9, 10)  # a step has two micro-batches


def skipped_rows(folder: Path, step: int) -> list[dict]:
    with (folder / "skipped_steps" / f"step-{step}.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def optimizer_tensors(checkpoint: Path) -> list[torch.Tensor]:
    state = torch.load(checkpoint / "optimizer.pt", weights_only=True)["state"]
    return [value for _, values in sorted(state.items()) for _, value in sorted(values.items())]


def assert_same_tensors(ours: list[torch.Tensor], theirs: list[torch.Tensor]) -> None:
    assert ours
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    ("spoil", "says"), [(not_a_number, "the loss is nan"), (infinite_slope, "the gradient norm is")]
)
def test_a_bad_step_changes_nothing_and_is_counted(world, name, record_property, spoil, says):
    status, log = world.run(name, partial(spoil_loss, spoil, IN_STEP_5), save_steps=1)
    folder = world.folder / name
    assert status == 0, log
    assert f"Step 5 is left out: {says}" in log
    before, after = folder / "checkpoint-4", folder / "checkpoint-5"
    weights = [load_file(place / "model.safetensors") for place in (before, after, folder / "checkpoint-6")]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert any(not torch.equal(weights[1][key], weights[2][key]) for key in weights[0])
    assert_same_tensors(optimizer_tensors(after), optimizer_tensors(before))
    assert json.loads((folder / "run.json").read_text())["skipped_steps"] == 1
    state = json.loads((folder / "checkpoint-8" / "trainer_state.json").read_text())
    told = {entry["step"]: entry.get("skipped_steps") for entry in state["log_history"] if "loss" in entry}
    assert [told[step] for step in range(1, 9)] == [None] * 4 + [1] * 4
    assert [step for step, loss in enumerate(losses(folder), 1) if not math.isfinite(loss)] == [5]
    happened = "the step is left out and counted, its rows are listed; weights and moments stay"
    record_property("fault", (f"{says.removeprefix('the ')} not finite in step 5", happened, "that step"))


def test_the_rows_that_are_listed_are_those_of_the_step(world, name):
    world.run(name, partial(spoil_loss, not_a_number, IN_STEP_5))
    rows = skipped_rows(world.folder / name, 5)
    lines = (world.folder / "train.csv").read_text().splitlines()
    assert rows
    for row in rows:
        assert row["table"] == str(world.folder / "train.csv")
        assert len(lines[int(row["line"]) - 1].split(",")[0]) == int(row["bases"])


@pytest.mark.slow
def test_a_resumed_run_counts_on(world, name):
    fault = partial(spoil_loss, not_a_number, IN_STEP_5)
    status, log = world.run(f"{name}_whole", fault)
    assert status == 0, log
    status, log = world.run(name, fault, partial(at_call, kill, *STEP, call=13))
    assert status == -9, log
    status, log = world.run(name)
    assert status == 0 and came_from(log) == 6, log
    assert json.loads((world.folder / name / "run.json").read_text())["skipped_steps"] == 1
    folders = [world.folder / run for run in (name, f"{name}_whole")]
    ours, theirs = (load_file(folder / "model.safetensors") for folder in folders)
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert losses(folders[0])[5:] == losses(folders[1])[5:]


def test_too_many_in_a_row_end_the_run(world, name, reference, record_property):
    status, log = world.run(name, partial(spoil_loss, not_a_number, range(9, 99)), max_skipped_steps=3)
    folder = world.folder / name
    assert status == 2, log
    assert "3 steps in a row were left out (max_skipped_steps), the last because the loss is nan" in log
    assert "Traceback" not in log
    assert [len(skipped_rows(folder, step)) > 0 for step in (5, 6, 7)] == [True] * 3
    status, log = world.run(name, resume_from_checkpoint=str(folder / "checkpoint-4"))
    assert status == 0 and came_from(log) == 4, log
    assert_same_run(folder, reference)
    assert list((folder / "skipped_steps").iterdir()) == []
    happened = "status 2 after max_skipped_steps in a row, their rows listed"
    record_property("fault", ("a loss that is nan from step 5 on", happened, "nothing"))


@pytest.mark.slow
def test_a_spike_is_left_out_if_asked(world, name, record_property):
    fault = partial(spoil_loss, huge, range(2 * 134 + 1, 2 * 134 + 2))
    many = {"max_steps": 136, "save_steps": 136, "eval_steps": 136, "logging_steps": 136}
    status, log = world.run(name, fault, spike_sigmas=6, **many)
    assert status == 0, log
    assert "Step 135 is left out: the loss is" in log and "6 standard deviations above" in log
    assert json.loads((world.folder / name / "run.json").read_text())["skipped_steps"] == 1
    record_property("fault", ("a loss 500 times the usual, with spike_sigmas: 6", "left out", "that step"))


def test_a_hang_ends_with_the_stacks(world, name, resumed):
    status, log = world.run(name, partial(at_call, hang, *STEP, call=9), hang_timeout=8)
    assert status == 1, log
    stacks = world.folder / name / "stacks-rank-0.txt"
    assert "stood still for 8 s, which is hang_timeout" in log and str(stacks) in log
    assert "in hang" in stacks.read_text()
    resumed("a step that never ends", "status 1 after hang_timeout, with the stacks", done=4, begin=4)


def test_a_loading_process_that_dies_is_named_with_its_row(world, name, resumed):
    fault = partial(at_call, kill, "omnina.loading", "RowsAtHand._row", call=18)
    loaders = {"dataloader_num_workers": 2, "dataloader_prefetch_factor": 1}
    status, log = world.run(name, fork_loaders, fault, **loaders)
    assert status == 2, log
    assert "was killed by SIGKILL at" in log and f"{world.folder / 'train.csv'}:" in log
    assert "lower dataloader_num_workers" in log and "Traceback" not in log
    happened = "status 2, names it, the table's row and line"
    done, saved = came_to(log), last_saved(world.folder / name)
    assert done - saved <= 2  # it may die while a checkpoint is being written, which then does not count
    resumed("kill -9 of a loading process", happened, done=done, begin=saved)


def came_to(log: str) -> int:
    return int(log.split("in a batch of step ")[1].split()[0]) - 1


def last_saved(folder: Path) -> int:
    return max((int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*")), default=0)
