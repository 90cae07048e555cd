"""A checkpoint is whole or not there, and old ones go only after a new one is."""

import os
from pathlib import Path

import pytest

from omnina.checkpoints.manifest import MANIFEST_FILE, manifest_fault
from omnina.checkpoints.writing import prune_checkpoints, remove_partial, write_checkpoint, write_model
from omnina.errors import UserError


def part(name: str, text: str = "x"):
    def write(folder: str) -> None:
        (Path(folder) / name).parent.mkdir(exist_ok=True)
        (Path(folder) / name).write_text(text)

    return write


def failing(_: str) -> None:
    raise OSError(28, "No space left on device")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_all_parts_and_their_manifest_are_there(tmp_path):
    write_checkpoint(tmp_path / "checkpoint-2", [part("a"), part("shards/b")])
    assert names(tmp_path) == {"checkpoint-2"}
    assert names(tmp_path / "checkpoint-2") == {"a", "shards", MANIFEST_FILE}
    assert manifest_fault(tmp_path / "checkpoint-2") is None
    (tmp_path / "checkpoint-2" / "shards" / "b").write_text("y")
    assert "shards/b has other bytes" in manifest_fault(tmp_path / "checkpoint-2")


def test_one_of_the_same_step_is_replaced(tmp_path):
    for text in ("old", "new"):
        write_checkpoint(tmp_path / "checkpoint-2", [part("a", text)])
    assert (tmp_path / "checkpoint-2" / "a").read_text() == "new"
    assert names(tmp_path) == {"checkpoint-2"}


def test_what_could_not_be_written_leaves_nothing_and_the_other_parts_are_tried(tmp_path):
    write_checkpoint(tmp_path / "checkpoint-2", [part("a")])
    tried = []
    with pytest.raises(UserError, match=r"checkpoint-4 could not be written: No space.*checkpoint-2, is"):
        write_checkpoint(tmp_path / "checkpoint-4", [failing, tried.append])
    assert names(tmp_path) == {"checkpoint-2"} and tried


def test_an_error_that_is_not_the_disks_is_not_called_one(tmp_path):
    def broken(_: str) -> None:
        raise RuntimeError("CUDA error")

    with pytest.raises(RuntimeError, match="CUDA error"):
        write_checkpoint(tmp_path / "checkpoint-2", [broken])
    assert not (tmp_path / "checkpoint-2").exists()
    remove_partial(tmp_path)
    assert not names(tmp_path)


def test_a_models_files_replace_the_old_ones_and_the_rest_stays(tmp_path):
    for name in ("run.json", "model.safetensors", "model-00001-of-00002.safetensors"):
        (tmp_path / name).write_text("old")
    write_model(tmp_path, part("model.safetensors", "new"))
    assert names(tmp_path) == {"run.json", "model.safetensors", MANIFEST_FILE}
    assert manifest_fault(tmp_path) is None


@pytest.mark.parametrize(
    ("limit", "left"),
    [(None, {2, 4, 6, 8}), (0, {2, 4, 6, 8}), (1, {4, 6}), (2, {4, 6}), (3, {4, 6, 8}), (9, {2, 4, 6, 8})],
)
def test_the_newest_and_the_best_are_kept(tmp_path, limit, left):
    for age, step in enumerate((2, 4, 8, 6)):  # 8 was written before the run went on at 4
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        os.utime(folder, (age, age))
    prune_checkpoints(tmp_path, limit, {tmp_path / "checkpoint-6", tmp_path / "checkpoint-4"})
    assert names(tmp_path) == {f"checkpoint-{step}" for step in left}
