"""A checkpoint's folder, looked at before it is loaded: what is missing, and what would not fit."""

import hashlib
from pathlib import Path

from transformers import LlamaConfig, PreTrainedTokenizerFast

from omnina.architecture import llama_config
from omnina.checkpoints.weights import check_weights
from omnina.errors import UserError
from omnina.files.json_file import read_object
from omnina.tokenizer import load_tokenizer, vocabulary_digest

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
TOKENIZER_KEY = "tokenizer_sha256"  # in config.json: the vocabulary that the weights belong to
WRITES_KEY = "writes_sequences"  # there too: pretraining read rows from annotation to sequence as well
RESOLUTION_KEY = "trained_resolution"  # and how finely the last training cut DNA into tokens
COMMANDS = {"pretrain": "bash pretrain.sh", "finetune": "bash finetune.sh"}


def check_checkpoint(folder: Path) -> None:
    """Raise UserError unless the folder holds a Llama's configuration and its weights."""
    if not folder.is_dir():
        command = COMMANDS.get(folder.name)
        remedy = f"'{command}' makes it" if command else "give the folder of one (nothing is downloaded)"
        raise UserError(f"{folder}: there is no such checkpoint; {remedy}.")
    if (folder / "adapter_config.json").is_file():
        raise UserError(
            f"{folder} holds adapters alone, of a LoRA run on its way; use the run's folder {folder.parent}, "
            "which the end of the run leaves with the merged model."
        )
    whole = (folder / "config.json").is_file() and any((folder / name).is_file() for name in WEIGHTS)
    if not whole:
        inner = sorted(path.parent for path in folder.glob("checkpoint-*/manifest.json"))
        remedy = (
            f"its run was interrupted: the same command again finishes it, or use {inner[-1]}"
            if inner
            else "is it the folder of a checkpoint? One has config.json and model.safetensors"
        )
        raise UserError(f"{folder}: no whole model in it; {remedy}.")
    check_weights(folder, checkpoint_config(folder))


def checkpoint_config(folder: Path) -> LlamaConfig:
    """A checkpoint's ``config.json``; UserError if it is that of no Llama, or of one that asks for more.

    ``auto_map`` names code to run, and ``quantization_config`` a package that unpacks the weights.
    """
    path = folder / "config.json"
    values = read_object(path)
    if values.get("model_type") != "llama":
        raise UserError(
            f"{path}: model_type is {values.get('model_type')!r}; OmniNA's checkpoints are 'llama'."
        )
    for name in ("auto_map", "quantization_config"):
        if values.get(name):
            raise UserError(
                f"{path}: {name} is not read here; give a checkpoint of plain weights, without it."
            )
    if "vocab_size" not in values:
        raise UserError(f"{path}: there is no vocab_size; copy the file again.")
    return llama_config({name: value for name, value in values.items() if name != "model_type"}, path)


def checkpoint_tokenizer(folder: Path, tokenizer_folder: Path | None = None) -> PreTrainedTokenizerFast:
    """A whole checkpoint's tokenizer, or the one named; UserError if it is not of the model's size."""
    check_checkpoint(folder)
    tokenizer = load_tokenizer(tokenizer_folder or folder)
    config = checkpoint_config(folder)
    size, digest = config.vocab_size, getattr(config, TOKENIZER_KEY, None)
    foreign = ""
    if len(tokenizer) != size:
        foreign = f"has {len(tokenizer)} tokens, but the model in {folder} has {size}"
    elif digest and digest != vocabulary_digest(tokenizer):
        foreign = f"has other pieces than the one that the model in {folder} was trained with"
    if foreign:
        raise UserError(
            f"{tokenizer_folder or folder}: this tokenizer {foreign}: it does not belong to it. Use the "
            "tokenizer the model was trained with."
        )
    return tokenizer


def weights_digest(folder: Path) -> str:
    """sha256 over the weights' files: which weights a run started from."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("model*.safetensors"), *folder.glob("pytorch_model*.bin")]):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
