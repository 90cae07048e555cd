"""A checkpoint's folder, looked at before it is loaded: what is missing, and what would not fit."""

import hashlib
import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from transformers import PreTrainedTokenizerFast

from omnina.errors import UserError
from omnina.tokenizer import load_tokenizer, vocabulary_digest

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
TOKENIZER_KEY = "tokenizer_sha256"  # in config.json: the vocabulary that the weights belong to
COMMANDS = {"pretrain": "bash pretrain.sh", "finetune": "bash finetune.sh"}


def check_checkpoint(folder: Path) -> None:
    """Raise UserError unless the folder holds a configuration and weights."""
    if not folder.is_dir():
        command = COMMANDS.get(folder.name)
        remedy = f"'{command}' makes it" if command else "give the folder of a checkpoint"
        raise UserError(f"{folder}: there is no such checkpoint; {remedy}.")
    if (folder / "adapter_config.json").is_file():
        raise UserError(
            f"{folder} holds adapters alone, of a LoRA run on its way; use the run's folder {folder.parent}, "
            "which the end of the run leaves with the merged model."
        )
    whole = (folder / "config.json").is_file() and any((folder / name).is_file() for name in WEIGHTS)
    if not whole:
        inner = sorted(path.parent for path in folder.glob("checkpoint-*/trainer_state.json"))
        remedy = (
            f"its run was interrupted: the same command again finishes it, or use {inner[-1]}"
            if inner
            else "is it the folder of a checkpoint? One has config.json and model.safetensors"
        )
        raise UserError(f"{folder}: no whole model in it; {remedy}.")
    _check_weights(folder)


def _check_weights(folder: Path) -> None:
    """UserError for a shard that is missing or a file that was cut short; reads headers alone."""
    index = folder / "model.safetensors.index.json"
    named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values() if index.is_file() else ()
    for path in sorted({*folder.glob("model*.safetensors"), *(folder / name for name in named)}):
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (FileNotFoundError, SafetensorError) as error:
            raise UserError(
                f"{path}: not whole ({error}); copy it again, or run the command that made it again."
            ) from error


def checkpoint_tokenizer(folder: Path, tokenizer_folder: Path | None = None) -> PreTrainedTokenizerFast:
    """A whole checkpoint's tokenizer, or the one named; UserError if it is not of the model's size."""
    check_checkpoint(folder)
    tokenizer = load_tokenizer(tokenizer_folder or folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    size, digest = config["vocab_size"], config.get(TOKENIZER_KEY)
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
