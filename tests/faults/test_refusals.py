"""What would spoil a run, or its user's files, is refused before anything is written."""

import os
import pickle
import shutil
import signal
import stat
import time
from functools import partial
from pathlib import Path

import pytest
import run_child
import torch
from fault_injection import at_call
from faults_world import STEP, assert_same_run, came_from

from omnina.checkpoints.manifest import write_manifest

PATIENCE_SECONDS = 120


def hold(reached: Path) -> None:
    """Say that the moment has come, and stay there."""
    reached.touch()
    time.sleep(PATIENCE_SECONDS)


def contents(folder: Path) -> dict[str, int]:
    """Times of the last change of all that lies in a folder; the lock is emptied by whoever looks in."""
    return {str(path): path.lstat().st_mtime_ns for path in folder.rglob("*") if path.name != ".run.lock"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "function", "call", "words", "begin"),
    [(*STEP, 9, "trains", 4), ("omnina.training", "finish", 1, "is evaluated at its end", 8)],
    ids=["training", "evaluating"],
)
def test_two_runs_in_one_folder(world, name, resumed, module, function, call, words, begin):
    reached = world.folder / f"{name}.reached"
    pause = partial(at_call, partial(hold, reached), module, function, call)
    arguments = world.arguments(name)
    first = run_child.start("pretrain", arguments, world.folder / f"{name}.first.log", pause)
    while not reached.exists():
        assert first.is_alive()
        time.sleep(0.05)
    before = contents(world.folder / name)
    status, log = world.run(name)
    assert status == 2 and f"process {first.pid} on" in log and "is writing there" in log
    assert contents(world.folder / name) == before
    os.kill(first.pid, signal.SIGKILL)
    first.join()
    fault = f"a second run in the folder while the first {words}; then kill -9 of the first"
    resumed(fault, "status 2, names process and machine; no lock is left behind", done=begin, begin=begin)


def test_a_changed_yaml(world, copy, name, refused):
    before = contents(copy)
    status, log = world.run(name, learning_rate=5e-3)
    assert status == 2 and "learning_rate: there 0.01, here 0.005" in log
    assert contents(copy) == before
    refused("learning_rate changed in the YAML", "status 2, shows the difference")


@pytest.mark.slow
def test_a_changed_key_that_may_change(world, reference, copy, name, refused):
    status, log = world.run(name, save_total_limit=1)
    assert status == 0 and came_from(log) == 6, log
    assert_same_run(copy, reference)
    assert [path.name for path in copy.glob("checkpoint-*")] == ["checkpoint-8"]
    refused("save_total_limit changed in the YAML", "goes on at step 6: it decides no weights")


@pytest.mark.slow
@pytest.mark.parametrize("file", ["train.csv", "tokenizer/tokenizer.json", "model.yaml"])
def test_changed_inputs(world, copy, name, refused, file):
    inputs = world.folder / f"{name}_inputs"
    shutil.copytree(world.folder / "tokenizer", inputs / "tokenizer")
    for table in ("train.csv", "model.yaml"):
        shutil.copy(world.folder / table, inputs / table)
    text = (inputs / file).read_text()
    changed = {"train.csv": text.replace("gene number 1\n", "gene number 99\n")}
    changed["tokenizer/tokenizer.json"] = text.replace('"fuse_unk": true', '"fuse_unk": false')
    changed["model.yaml"] = text.replace("intermediate_size: 64", "intermediate_size: 72")
    assert changed[file] != text
    (inputs / file).write_text(changed[file])
    ours = {"train_files": str(inputs / "train.csv"), "tokenizer": str(inputs / "tokenizer")}
    before = contents(copy)
    status, log = world.run(name, **ours, model_config=str(inputs / "model.yaml"))
    setting = {"train.csv": "data", "tokenizer/tokenizer.json": "tokenised", "model.yaml": "model"}[file]
    assert status == 2 and f"  {setting}: there " in log, log
    assert contents(copy) == before
    refused(f"{file} changed since the checkpoint", "status 2, shows the difference")


@pytest.mark.parametrize("inside", ["checkpoint-8", "model.safetensors", "run_settings.json", ".run.lock"])
def test_a_link_that_leads_out_of_the_folder(world, copy, name, tmp_path, refused, inside):
    target = tmp_path / "of_the_user"
    target.write_text("precious")
    (copy / inside).unlink(missing_ok=True)
    (copy / inside).symlink_to(target)
    status, log = world.run(name)
    assert status == 2 and str(copy / inside) in log
    assert target.read_text() == "precious"
    refused(f"{inside} in the output folder is a link to a file elsewhere", "status 2, names the link")


@pytest.mark.slow
def test_the_output_folder_may_be_a_link(world, copy, name, tmp_path, resumed):
    shutil.move(copy, tmp_path / "scratch")
    copy.symlink_to(tmp_path / "scratch")
    resumed("the output folder was moved to another disk and linked", "goes on there", done=6, begin=6)


@pytest.mark.slow
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_files_follow_the_umask(world, name, mask):
    status, log = world.run(name, partial(os.umask, mask))
    assert status == 0, log
    for path in (world.folder / name).rglob("*"):
        full = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) == full & ~mask, path


class Stranger:
    """A pickle that writes a file when it is loaded without care."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.touch, (self.path,)


@pytest.mark.slow
@pytest.mark.parametrize("file", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_pickle_that_runs_code_is_not_run(world, copy, name, tmp_path, refused, file):
    folder = copy / "checkpoint-6"
    torch.save({"state": Stranger(tmp_path / "ran")}, folder / file)
    write_manifest(folder)  # as one who knows the format would
    status, log = world.run(name)
    assert status not in (0, -9) and "Weights only load failed" in log
    assert not (tmp_path / "ran").exists()
    with pytest.raises(pickle.UnpicklingError):
        torch.load(folder / file, weights_only=True)
    refused(f"a pickle that runs code in {file}, with a manifest to match", "an error; the code is not run")
