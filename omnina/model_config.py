"""The architecture of a model: a YAML file of transformers' LlamaConfig."""

from pathlib import Path

from transformers import LlamaConfig

from omnina.architecture import llama_config
from omnina.errors import UserError
from omnina.files.yaml_file import read_yaml
from omnina.setting_keys import check_key


def read_model_config(path: str, vocabulary: int, tokenizer: str) -> LlamaConfig:
    """The architecture of a YAML file, checked against the number of the tokenizer's tokens.

    Raises UserError for an unknown key, a value that no model has, or a tokenizer of another size, with the
    command that trains one.
    """
    config = read_architecture(path)
    if config.vocab_size != vocabulary:
        raise UserError(
            f"{path} asks for vocab_size {config.vocab_size}, but the tokenizer in {tokenizer} has "
            f"{vocabulary} tokens. Train one that fits:\n  python scripts/train_tokenizer.py "
            f"--input YOUR.csv --output output/tokenizer --vocab_size {config.vocab_size - 1}\n"
        )
    return config


def read_architecture(path: str) -> LlamaConfig:
    """The same, whatever tokenizer will be used; UserError for an unknown key, or a value no model has."""
    values = read_yaml(Path(path))
    known = set(LlamaConfig().to_dict()) | {"rope_theta"}
    for key in values:
        check_key(key, known, f"{path}: ")
    return llama_config(values, path)
