"""Architectures that do not fit, and keys that are none."""

from pathlib import Path

import pytest

from omnina.errors import UserError
from omnina.model_config import read_model_config

ROOT = Path(__file__).parents[1]


def test_a_tokenizer_of_another_size_gives_the_command_that_trains_one():
    model = str(ROOT / "configs" / "model" / "omnina-66m.yaml")
    with pytest.raises(UserError, match=r"train_tokenizer.py.*--vocab_size 32000"):
        read_model_config(model, 641, "data/tokenizer")
    assert read_model_config(model, 32_001, "x").hidden_size == 512


def test_unknown_architecture_key_is_refused(tmp_path):
    path = tmp_path / "model.yaml"
    path.write_text("hidden_sizes: 3\n")
    with pytest.raises(UserError, match="Did you mean 'hidden_size'"):
        read_model_config(str(path), 10, "x")
