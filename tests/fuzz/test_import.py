"""Published checkpoints with a broken file: a folder of ours, or a UserError."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from broken_bytes import broken_values, files
from fuzzing import few_and_many, fuzz
from safetensors.torch import load_file

from omnina.inference.published.importing import import_checkpoint

LAYOUT = ("config.json", "tokenizer.json", "added_tokens.json")


@pytest.fixture
def folder(checkpoint, tmp_path) -> Path:
    """The published layout, but small."""
    source = tmp_path / "source"
    source.mkdir()
    for name in LAYOUT:
        shutil.copyfile(checkpoint / name, source / name)
    torch.save(load_file(checkpoint / "model.safetensors"), source / "pytorch_model.bin")
    return source


def imports(folder: Path) -> None:
    output = folder.parent / "ours"
    shutil.rmtree(output, ignore_errors=True)
    import_checkpoint(folder, output, "x")


@few_and_many(10, 200)
@pytest.mark.parametrize("name", LAYOUT)
def test_texts(examples, folder, name):
    path = folder / name

    def read(data: bytes) -> None:
        path.write_bytes(data)
        imports(folder)

    fuzz(examples, path.read_bytes(), files(path.read_bytes()), read)


@few_and_many(10, 200)
@pytest.mark.parametrize("name", LAYOUT)
def test_values(examples, folder, name):
    path = folder / name
    valid = json.loads(path.read_text(encoding="utf-8"))

    def read(content: object) -> None:
        path.write_text(json.dumps(content), encoding="utf-8")
        imports(folder)

    fuzz(examples, valid, broken_values(valid), read)


@few_and_many(10, 200)
def test_index(examples, folder):
    (folder / "pytorch_model.bin").rename(folder / "pytorch_model-00001-of-00001.bin")
    path = folder / "pytorch_model.bin.index.json"
    valid = {"metadata": {}, "weight_map": dict.fromkeys("ab", "pytorch_model-00001-of-00001.bin")}

    def read(content: object) -> None:
        path.write_text(json.dumps(content), encoding="utf-8")
        imports(folder)

    fuzz(examples, valid, broken_values(valid), read)
