"""A run's folder with a broken file: where to go on, or a UserError that names it."""

import json
from pathlib import Path

import pytest
from broken_bytes import broken_values, files
from fuzzing import few_and_many, fuzz
from hypothesis import strategies as st

from omnina.checkpoints.choice import checkpoint_step, last_whole_checkpoint
from omnina.checkpoints.manifest import MANIFEST_FILE, write_manifest
from omnina.corpus.manifest import split_shards
from omnina.run_folder import SETTINGS_FILE, claim

SETTINGS = {"seed": 1, "learning_rate": 0.1}
NAMES = (b"../../x", b"/etc/passwd", b"\\u0000", b"1e999", b"NaN")


@pytest.fixture
def run(tmp_path) -> Path:
    folder = tmp_path / "run"
    claim(folder, SETTINGS, check=True)
    (folder / "checkpoint-5").mkdir()
    (folder / "checkpoint-5" / "trainer_state.json").write_text(
        json.dumps({"global_step": 5, "best_model_checkpoint": None})
    )
    write_manifest(folder / "checkpoint-5")
    return folder


def broken_json(path: Path) -> st.SearchStrategy[bytes]:
    """The file's bytes broken, or its values."""
    valid = path.read_bytes()
    changed = broken_values(json.loads(valid)).map(lambda value: json.dumps(value).encode())
    return files(valid, NAMES) | changed


def go_on(run: Path) -> None:
    claim(run, SETTINGS, check=True)
    checkpoint = last_whole_checkpoint(run, needs_best=True)
    assert checkpoint_step(checkpoint) >= 0


@few_and_many(10, 500)
@pytest.mark.parametrize("name", [SETTINGS_FILE, f"checkpoint-5/{MANIFEST_FILE}"])
def test_lists_and_settings(examples, run, name):
    path = run / name

    def read(data: bytes) -> None:
        path.write_bytes(data)
        go_on(run)

    fuzz(examples, path.read_bytes(), broken_json(path), read)


@few_and_many(10, 500)
def test_state_that_its_manifest_vouches_for(examples, run):
    path = run / "checkpoint-5" / "trainer_state.json"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        write_manifest(path.parent)
        go_on(run)

    fuzz(examples, path.read_bytes(), broken_json(path), read)


@few_and_many(10, 500)
def test_manifest_of_a_corpus(examples, tmp_path):
    (tmp_path / "train-0.csv").write_text("x")
    path = tmp_path / "manifest.json"
    path.write_text(
        json.dumps({"shards": [{"file": "train-0.csv", "split": "train", "bytes": 1, "sha256": "0"}]})
    )

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for file in split_shards(tmp_path, "train"):
            assert file.resolve().parent == tmp_path.resolve()

    fuzz(examples, path.read_bytes(), broken_json(path), read)
