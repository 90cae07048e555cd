"""A checkpoint that is no longer what was written is named with its fault and passed over."""

import json
import shutil
from functools import partial
from pathlib import Path

import pytest
from fault_injection import at_call, kill
from faults_world import STEP

from omnina.checkpoints.choice import checkpoint_fault

FILES = [
    *("config.json", "generation_config.json", "manifest.json", "model.safetensors", "optimizer.pt"),
    *("rng_state.pth", "scheduler.pt", "tokenizer.json", "trainer_state.json"),
]


def truncate(path: Path) -> None:
    with path.open("r+b") as stream:
        stream.truncate(path.stat().st_size // 2)


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {"truncated": truncate, "bit-flipped": flip_a_bit, "missing": Path.unlink}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_is_watched(killed, tmp_path, damage):
    whole = killed / "checkpoint-6"
    assert {path.name for path in whole.iterdir()} >= set(FILES)
    for name in (path.name for path in whole.iterdir()):
        folder = tmp_path / name
        shutil.copytree(whole, folder)
        assert checkpoint_fault(folder) is None
        DAMAGES[damage](folder / name)
        fault = checkpoint_fault(folder)
        assert fault and (name in fault or "manifest.json" in name), (name, fault)


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_one_before_is_taken(copy, resumed, file, damage):
    DAMAGES[damage](copy / "checkpoint-6" / file)
    fault = f"{file} of the last checkpoint {damage}"
    says = f"Passed over: {copy / 'checkpoint-6'} is damaged"
    resumed(fault, "named with its fault, the one before is taken", done=6, begin=4, says=says)


def test_a_damaged_one_that_is_named_is_refused(world, copy, name, refused):
    flip_a_bit(copy / "checkpoint-6" / "optimizer.pt")
    status, log = world.run(name, resume_from_checkpoint=str(copy / "checkpoint-6"))
    assert status == 2 and "checkpoint-6 is damaged: optimizer.pt has other bytes" in log
    refused("a damaged checkpoint named by --resume_from_checkpoint", "status 2, names the file")


@pytest.mark.slow
def test_no_whole_one_is_no_silent_start_at_step_0(world, copy, name, refused):
    for step in (2, 4, 6):
        truncate(copy / f"checkpoint-{step}" / "model.safetensors")
    status, log = world.run(name)
    assert status == 2 and "none of its 3 checkpoints is whole" in log
    assert len(list(copy.glob("checkpoint-*"))) == 3
    refused("all checkpoints damaged", "status 2; step 0 only once the folder is removed")


@pytest.mark.slow
def test_a_run_that_ends_with_its_best_needs_that_one_too(world, name, refused):
    best = {"load_best_model_at_end": True, "metric_for_best_model": "loss", "greater_is_better": True}
    best |= {"eval_steps": 2}  # the highest loss is the first
    status, log = world.run(name, partial(at_call, kill, *STEP, 13), **best)
    assert status == -9, log
    for step in (2, 4, 6):
        state = json.loads((world.folder / name / f"checkpoint-{step}" / "trainer_state.json").read_text())
        assert state["best_model_checkpoint"] == str(world.folder / name / "checkpoint-2")
    flip_a_bit(world.folder / name / "checkpoint-2" / "model.safetensors")
    status, log = world.run(name, **best)
    assert status == 2 and "checkpoint-6 is damaged: its best one" in log
    refused(
        "the best checkpoint damaged, of a run that ends with it", "status 2, names it; no later one is used"
    )


@pytest.mark.parametrize("outside", ["../model.safetensors", "/etc/passwd", "a/../../b", ""])
def test_a_manifest_cannot_name_files_elsewhere(killed, tmp_path, outside):
    folder = tmp_path / "checkpoint-6"
    shutil.copytree(killed / "checkpoint-6", folder)
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"config.json"', f'"{outside}"'))
    assert "which is not inside it" in checkpoint_fault(folder)
