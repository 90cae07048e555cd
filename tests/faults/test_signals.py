"""SIGTERM and SIGUSR1: one checkpoint at the next boundary, the status on which a job is queued again."""

import signal
from functools import partial

import pytest
from fault_injection import at_call, send
from faults_world import STEP

from omnina.preemption import PREEMPTED_STATUS

MOMENTS = [
    (*STEP, 9, signal.SIGTERM, "in step 5", 5),
    (*STEP, 10, signal.SIGUSR1, "in step 5, between its micro-batches", 5),
    ("omnina.validation", "Validation.sums", 1, signal.SIGUSR1, "in the validation before step 1", 1),
    ("omnina.validation", "Validation.sums", 2, signal.SIGTERM, "in the validation after step 4", 5),
    ("omnina.checkpoints.writing", "publish", 2, signal.SIGTERM, "while checkpoint 4 is written", 5),
    (*STEP, 15, signal.SIGTERM, "in the last step", 8),
    ("omnina.training", "write_model", 1, signal.SIGTERM, "after training, before the model is written", 8),
    ("omnina.training", "finish", 1, signal.SIGUSR1, "while results are written", 8),
]
REPRESENTATIVE = MOMENTS[0]


@pytest.mark.parametrize("moment", [REPRESENTATIVE], ids=lambda moment: moment[4].replace(" ", "_"))
def test_a_signal_in_a_step(world, name, resumed, moment):
    stopped_and_resumed(world, name, resumed, moment)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS[1:], ids=lambda moment: moment[4].replace(" ", "_"))
def test_a_signal_at_a_moment(world, name, resumed, moment):
    stopped_and_resumed(world, name, resumed, moment)


def stopped_and_resumed(world, name, resumed, moment) -> None:
    module, function, call, number, words, saved = moment
    status, log = world.run(name, partial(at_call, partial(send, number), module, function, call))
    assert status == PREEMPTED_STATUS, log
    assert "the same command goes on" in log and "Traceback" not in log
    resumed(f"{number.name} {words}", f"status 75, with checkpoint {saved}", done=saved, begin=saved)


@pytest.mark.slow
def test_while_tables_are_tokenised(world, name, resumed):
    fault = partial(at_call, partial(send, signal.SIGTERM), "omnina.shards.writer", "ShardWriter.add", 30)
    status, log = world.run(name, fault, cache_dir=str(world.folder / name / "cache"))
    assert status == PREEMPTED_STATUS, log
    resumed("SIGTERM while tables are tokenised", "status 75 at once", done=0, begin=0)


@pytest.mark.slow
def test_a_loaders_workers_get_the_signal_too(world, name, resumed):
    to_all = partial(send_to_group, signal.SIGTERM)
    status, log = world.run(name, partial(at_call, to_all, *STEP, 9), dataloader_num_workers=2)
    assert status == PREEMPTED_STATUS, log
    assert "Traceback" not in log
    fault = "SIGTERM to the run and its two loading processes at once"
    resumed(fault, "status 75, with checkpoint 5", done=5, begin=5)


def send_to_group(number: int) -> None:
    """As Slurm does to all processes of a job."""
    import os

    os.killpg(os.getpgrp(), number)
