"""kill -9 at any moment: the same command again gives the bits of the run that nothing happened to."""

from functools import partial

import pytest
from fault_injection import at_call, kill, kill_after_bytes
from faults_world import STEP

WRITING = "omnina.checkpoints.writing"

# what is called, which call, killed after it or before, in words, steps done, step that is gone on from
MOMENTS = [
    ("omnina.validation", "Validation.sums", 1, False, "in the validation before the first step", 0, 0),
    (*STEP, 4, False, "in step 2, before any checkpoint", 1, 0),
    ("omnina.validation", "Validation.sums", 2, False, "in the validation after step 4", 4, 2),
    (*STEP, 14, False, "in step 7, between its micro-batches", 6, 6),
    (WRITING, "write_manifest", 3, False, "files of checkpoint 6 written, no manifest", 6, 4),
    (WRITING, "publish", 3, False, "before the rename of checkpoint 6", 6, 4),
    (
        "omnina.files.durable",
        "Path.replace",
        7,
        True,
        "after the rename of checkpoint 6, folder not flushed",
        6,
        6,
    ),
    (WRITING, "publish", 3, True, "after the rename of checkpoint 6", 6, 6),
    ("omnina.training", "write_model", 1, False, "after the validation at the end", 8, 8),
    (WRITING, "_put_files", 1, False, "final model written aside", 8, 8),
    ("omnina.training", "finish", 1, False, "final model in place, no record", 8, 8),
    ("omnina.results", "write_record", 1, False, "all written but the record", 8, 8),
]


def test_of_a_run_in_a_step(killed, resumed, copy):
    resumed("kill -9 in step 7", "goes on at the last checkpoint", done=6, begin=6)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: moment[4].replace(" ", "_"))
def test_at_a_moment(world, name, resumed, moment):
    module, function, call, after, words, done, begin = moment
    status, log = world.run(name, partial(at_call, kill, module, function, call, after=after))
    assert status == -9, log
    happened = f"goes on at step {begin}" if begin else "begins anew"
    resumed(f"kill -9: {words}", happened, done=done, begin=begin)


@pytest.mark.slow
@pytest.mark.parametrize("tenth", range(1, 10))
def test_while_a_checkpoint_is_written(world, reference, name, resumed, tenth):
    files = (reference / "checkpoint-4").rglob("*")
    size = sum(path.stat().st_size for path in files if path.is_file())
    status, log = world.run(name, partial(kill_after_bytes, size * tenth // 10, 4))
    assert status == -9, log
    left = world.folder / name / ".checkpoint-4.partial"
    assert left.is_dir() and not (world.folder / name / "checkpoint-4").exists()
    fault = f"kill -9 with {tenth}0 % of checkpoint 4's bytes written"
    resumed(fault, "the half one is removed", done=4, begin=2)


@pytest.mark.slow
def test_while_an_old_checkpoint_is_removed(world, name, resumed):
    fault = partial(at_call, kill, "shutil", "rmtree", 7)
    status, log = world.run(name, fault, save_total_limit=2)
    assert status == -9, log
    assert (world.folder / name / ".checkpoint-2.partial").is_dir()
    resumed("kill -9 while the oldest checkpoint is removed", "its rest is removed", done=6, begin=6)


@pytest.mark.slow
def test_while_tables_are_tokenised(world, name, resumed):
    fault = partial(at_call, kill, "omnina.shards.writer", "ShardWriter.add", 30)
    status, log = world.run(name, fault, cache_dir=str(world.folder / name / "cache"))
    assert status == -9, log
    resumed("kill -9 while tables are tokenised", "the shard is made again", done=0, begin=0)
