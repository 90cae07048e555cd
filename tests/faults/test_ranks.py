"""Two processes under the launcher: what befalls one of them ends or saves the run for both."""

import os
import subprocess
from pathlib import Path

import pytest
import torch
from faults_world import assert_same_run, came_from
from launching import HUNG, command, environment
from safetensors.torch import load_file

from omnina.preemption import PREEMPTED_STATUS

TESTS = Path(__file__).parents[1]
pytestmark = pytest.mark.slow

# fault, process, in words, status, steps done, step that is gone on from
CASES = [
    ("signal", 1, "SIGUSR1 to the second of two processes in step 5", PREEMPTED_STATUS, 5, 5),
    ("launcher", 0, "SIGTERM to the launcher of two processes in step 5", PREEMPTED_STATUS, 5, 5),
    ("kill", 1, "kill -9 of the second of two processes in step 5", 137, 4, 4),
    ("kill", 0, "kill -9 of the first of two processes in step 5", 137, 4, 4),
    ("kill", "all", "kill -9 of both processes in step 5", 137, 4, 4),
    ("disk", 1, "disk full (ENOSPC) in the second of two processes, at checkpoint 6", 2, 6, 4),
]


def launch(
    world, name: str, rank: int | str = 0, fault: str = "none", engine: str = "ddp", **changes
) -> tuple[int, str]:
    """Exit status of the launcher of two processes, and what was printed."""
    options = ("--num_processes", "2", "--main_process_port", "0")
    run = [*command(f"{engine}.yaml", *options), str(TESTS / "faulty_rank.py"), str(rank), fault]
    run += world.arguments(name, **changes)
    paths = os.pathsep.join([str(TESTS.parent), str(TESTS)])
    done = subprocess.run(
        run, env=environment(PYTHONPATH=paths), capture_output=True, text=True, check=False, timeout=HUNG
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def two(world) -> Path:
    """The run of two processes that nothing happened to."""
    status, log = launch(world, "two")
    assert status == 0, log
    return world.folder / "two"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}_{case[1]}")
def test_one_of_two(world, two, name, record_property, case):
    fault, rank, words, expected, done, begin = case
    status, log = launch(world, name, rank, fault)
    assert status == expected, log
    folder = world.folder / name
    checkpoint = folder / f"checkpoint-{begin}"
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {path.name for path in checkpoint.iterdir()}
    status, log = launch(world, name)
    assert status == 0 and came_from(log) == begin, log
    assert_same_run(folder, two)
    lost = "nothing" if done == begin else f"{done - begin} step(s), made again"
    record_property("fault", (words, f"status {expected}, goes on at step {begin} in both", lost))


def test_a_rank_that_hangs(world, two, name, record_property):
    status, log = launch(world, name, 1, "hang", hang_timeout=20)
    folder = world.folder / name
    stacks = [(folder / f"stacks-rank-{rank}.txt").read_text() for rank in (0, 1)]
    assert status == 1, log
    assert "in hang" in stacks[1] and "in hang" not in stacks[0]
    assert "faulty_rank.py" in stacks[0]
    assert all(f"process {rank} " in log for rank in (0, 1)) and "hang_timeout" in log
    status, log = launch(world, name)
    assert status == 0 and came_from(log) == 4, log
    assert_same_run(folder, two)
    words = "the second of two processes hangs in step 5"
    record_property("fault", (words, "both end after hang_timeout, with the stacks of both", "nothing"))


def test_a_loss_that_is_no_number_in_one_rank(world, name, record_property):
    status, log = launch(world, name, 1, "nan", save_steps=1)
    assert status == 0, log
    assert log.count("Step 5 is left out: the loss is nan") == 1
    places = [world.folder / name / f"checkpoint-{step}" / "model.safetensors" for step in (4, 5)]
    before, after = (load_file(place) for place in places)
    assert all(torch.equal(before[key], after[key]) for key in before)
    words = "a loss that is nan in the second of two processes, in step 5"
    record_property("fault", (words, "both leave the step out", "that step"))


@pytest.fixture(scope="module")
def sharded(world) -> Path:
    """The run of two processes under FSDP2 that nothing happened to."""
    status, log = launch(world, "sharded", engine="fsdp")
    assert status == 0, log
    return world.folder / "sharded"


@pytest.mark.parametrize("case", [CASES[0], CASES[2], CASES[5]], ids=lambda case: f"{case[0]}_{case[1]}")
def test_one_of_two_under_fsdp2(world, sharded, name, record_property, case):
    fault, rank, words, expected, done, begin = case
    status, log = launch(world, name, rank, fault, engine="fsdp")
    assert status == expected, log
    status, log = launch(world, name, engine="fsdp")
    assert status == 0 and came_from(log) == begin, log
    assert_same_run(world.folder / name, sharded)
    lost = "nothing" if done == begin else f"{done - begin} step(s), made again"
    record_property("fault", (f"{words}, under FSDP2", f"status {expected}, goes on at step {begin}", lost))


def test_a_loss_that_is_no_number_under_fsdp2(world, name, record_property):
    status, log = launch(world, name, 1, "nan", engine="fsdp", save_steps=1)
    assert status == 0, log
    assert log.count("Step 5 is left out: the loss is nan") == 1
    places = [world.folder / name / f"checkpoint-{step}" / "model.safetensors" for step in (4, 5, 6)]
    before, after, later = (load_file(place) for place in places)
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert any(not torch.equal(after[key], later[key]) for key in before)
    words = "a loss that is nan in the second of two processes, in step 5, under FSDP2"
    record_property("fault", (words, "both leave the step out", "that step"))
