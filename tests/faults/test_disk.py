"""A disk that takes no more, a folder that cannot be written."""

import ctypes
import errno
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
from fault_injection import at_call, fail_with, limit_file_size
from faults_world import STEP

WRITING = "omnina.checkpoints.writing"
CAPABILITY_VERSION, CAP_DAC_OVERRIDE = 0x20080522, 1


def bytes_between(reference: Path, smaller: str, larger: str) -> int:
    """A size that the first file of a checkpoint keeps to and the second does not."""
    sizes = [(reference / "checkpoint-4" / name).stat().st_size for name in (smaller, larger)]
    assert sizes[0] < sizes[1]
    return sum(sizes) // 2


def full_then_resumed(world, name, resumed, fault, words: str, *says: str) -> None:
    """The run stops with a message in the midst of checkpoint 6; checkpoint 4 is as it was."""
    status, log = world.run(name, fault)
    folder = world.folder / name
    assert status == 2, log
    assert "Traceback" not in log
    for part in (
        *says,
        "checkpoint-6 could not be written",
        "is removed",
        f"{folder / 'checkpoint-4'}, is as",
    ):
        assert part in log
    assert not list(folder.glob(".checkpoint*")) and not (folder / "checkpoint-6").exists()
    resumed(words, "status 2 with that message, no half checkpoint left", done=6, begin=4)


def test_a_file_size_limit_stops_the_weights(world, reference, name, resumed):
    limit = partial(limit_file_size, bytes_between(reference, "tokenizer.json", "model.safetensors"))
    fault = partial(at_call, limit, *STEP, 11)
    full_then_resumed(world, name, resumed, fault, "disk full (EFBIG) within the weights", "File too large")


@pytest.mark.slow
def test_a_file_size_limit_stops_the_optimizer(world, reference, name, resumed):
    limit = partial(limit_file_size, bytes_between(reference, "model.safetensors", "optimizer.pt"))
    fault = partial(at_call, limit, *STEP, 11)
    full_then_resumed(world, name, resumed, fault, "disk full (EFBIG) within the optimizer's state")


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=["ENOSPC", "EDQUOT"])
def test_no_space_for_the_manifest(world, name, resumed, number):
    fault = partial(at_call, partial(fail_with, number), WRITING, "write_manifest", 3)
    words = f"disk full ({errno.errorcode[number]}) at the manifest"
    full_then_resumed(world, name, resumed, fault, words, os.strerror(number))


@pytest.mark.slow
def test_no_space_for_the_final_model(world, name, resumed):
    fault = partial(at_call, partial(fail_with, errno.ENOSPC), WRITING, "_put_files")
    status, log = world.run(name, fault)
    assert status == 2 and "No space left on device" in log and "checkpoint-8, is as it was" in log
    resumed("disk full (ENOSPC) at the final model", "status 2 with that message", done=8, begin=8)


@pytest.mark.slow
def test_a_file_system_that_is_full(world, reference, name, resumed):
    folder = world.folder / name
    folder.mkdir()
    room = sum(path.stat().st_size for path in (reference / "checkpoint-2").iterdir()) * 5 // 2
    command = ["mount", "-t", "tmpfs", "-o", f"size={room}", "none", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small file system here")
    try:
        status, log = world.run(name)
        assert status == 2 and "could not be written" in log and "checkpoint-4, is as it was" in log, log
        saved = folder.with_name(f"{name}_saved")
        shutil.copytree(folder, saved)
    finally:
        subprocess.run(["umount", str(folder)], check=True)
    shutil.copytree(saved, folder, dirs_exist_ok=True)
    fault = "a file system with room for two checkpoints and a half"
    resumed(fault, "status 2 with that message, no half checkpoint left", done=6, begin=4)


def without_rights_of_root() -> None:
    """A folder's permissions hold for root too from here on."""
    header, sets = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)()
    kernel = ctypes.CDLL(None)
    kernel.capget(header, sets)
    sets[0] &= ~(1 << CAP_DAC_OVERRIDE)  # the first word is of those in effect
    kernel.capset(header, sets)


def test_an_output_folder_that_cannot_be_written(world, reference, name, refused):
    (world.folder / name).mkdir(mode=0o555)
    (world.folder / name).chmod(0o555)
    status, log = world.run(name, without_rights_of_root)
    assert status == 2
    assert f"{world.folder / name}: nothing can be written there (Permission denied" in log
    refused("an output folder without write permission", "status 2, names it, before tables are read")
