"""What marks completion is on disk before it has its name."""

import json
import os

import numpy as np
import pytest

from omnina.files import durable


@pytest.fixture
def calls(monkeypatch, tmp_path) -> list[tuple[str, str]]:
    """What is flushed and renamed, in order."""
    noted, fsync, replace = [], os.fsync, durable.Path.replace

    def noting_fsync(handle: int) -> None:
        noted.append(("flush", durable.Path(f"/proc/self/fd/{handle}").readlink().name))
        fsync(handle)

    def noting_replace(path, target):
        noted.append(("rename", target.name))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noting_fsync)
    monkeypatch.setattr(durable.Path, "replace", noting_replace)
    return noted


def test_a_file_is_flushed_then_renamed_then_its_folder_is_flushed(calls, tmp_path):
    durable.write_json(tmp_path / "record.json", {"rows": 3})
    assert calls == [("flush", ".record.json"), ("rename", "record.json"), ("flush", tmp_path.name)]
    assert json.loads((tmp_path / "record.json").read_text()) == {"rows": 3}


def test_a_folders_files_are_flushed_before_it_is_renamed(calls, tmp_path):
    durable.write_arrays(tmp_path / "keys", {"a": np.arange(3), "b": np.arange(2)})
    assert {call for call in calls[:2]} == {("flush", "a.npy"), ("flush", "b.npy")}
    assert calls[2:] == [("flush", ".keys"), ("rename", "keys"), ("flush", tmp_path.name)]
    assert np.load(tmp_path / "keys" / "a.npy").tolist() == [0, 1, 2]


def test_a_file_that_could_not_be_filled_is_not_there(tmp_path):
    def failing(stream):
        stream.write(b"half")
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        durable.write_whole(tmp_path / "record.json", failing)
    assert not (tmp_path / "record.json").exists()


def test_what_a_killed_run_left_beside_a_folder_is_not_in_it(tmp_path):
    (tmp_path / ".keys").mkdir()
    (tmp_path / ".keys" / "old.npy").write_bytes(b"")
    durable.write_arrays(tmp_path / "keys", {"a": np.arange(3)})
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["a.npy"]
