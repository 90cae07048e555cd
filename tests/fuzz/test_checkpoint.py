"""Checkpoints with a broken file: a model, its tokenizer and questions, or a UserError."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from broken_bytes import broken_values, files
from fuzzing import few_and_many, fuzz
from safetensors.torch import load_file

from omnina.checkpoints.contents import check_checkpoint, checkpoint_tokenizer
from omnina.inference.answer import Answerer
from omnina.inference.questions import load_questions

PATHS = (b"../../model.safetensors", b"/etc/passwd", b'"__metadata__"', b'"F64"', b"18446744073709551615")


@pytest.fixture
def folder(checkpoint, tmp_path) -> Path:
    """A copy that may be broken."""
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


@few_and_many(10, 200)
def test_weights(examples, folder):
    path = folder / "model.safetensors"
    valid = path.read_bytes()
    header = 8 + int.from_bytes(valid[:8], "little")

    def read(start: bytes) -> None:
        path.write_bytes(start + valid[header:])
        check_checkpoint(folder)

    fuzz(examples, valid[:header], files(valid[:header], PATHS), read)


@few_and_many(10, 300)
def test_pickled_weights(examples, folder):
    path = folder / "pytorch_model.bin"
    weights = load_file(folder / "model.safetensors")
    torch.save({name: tensor[:1].clone() for name, tensor in weights.items()}, path)
    small = path.read_bytes()
    torch.save(weights, path)
    (folder / "model.safetensors").unlink()
    check_checkpoint(folder)

    def read(data: bytes) -> None:
        path.write_bytes(data)
        check_checkpoint(folder)

    fuzz(examples, path.read_bytes(), files(small), read)


@few_and_many(10, 300)
def test_index_of_weights(examples, folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    path = folder / "model.safetensors.index.json"
    names = dict.fromkeys("ab", "model-00001-of-00001.safetensors")
    valid = {"metadata": {}, "weight_map": names}

    def read(content: object) -> None:
        path.write_text(json.dumps(content), encoding="utf-8")
        check_checkpoint(folder)

    fuzz(examples, valid, broken_values(valid), read)


@few_and_many(10, 400)
@pytest.mark.parametrize("name", ["config.json", "questions.json", "tokenizer.json", "added_tokens.json"])
def test_texts(examples, folder, name):
    path = folder / name
    valid = path.read_bytes()

    def read(data: bytes) -> None:
        path.write_bytes(data)
        checkpoint_tokenizer(folder)
        load_questions(folder)

    fuzz(examples, valid, files(valid, PATHS), read)


@few_and_many(8, 150)
@pytest.mark.parametrize(
    "name", ["config.json", "questions.json", "added_tokens.json", "generation_config.json"]
)
def test_values(examples, folder, name):
    path = folder / name
    valid = json.loads(path.read_text(encoding="utf-8"))

    def read(content: object) -> None:
        path.write_text(json.dumps(content), encoding="utf-8")
        Answerer(folder)

    fuzz(examples, valid, broken_values(valid), read)
