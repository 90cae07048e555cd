"""A checkpoint's folder, looked at before it is loaded: what is missing, and what would not fit."""

import hashlib
import json
from pathlib import Path

from transformers import PreTrainedTokenizerFast

from omnina.errors import UserError
from omnina.tokenizer import load_tokenizer

WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
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


def checkpoint_tokenizer(folder: Path, tokenizer_folder: Path | None = None) -> PreTrainedTokenizerFast:
    """A whole checkpoint's tokenizer, or the one named; UserError if it is not of the model's size."""
    check_checkpoint(folder)
    tokenizer = load_tokenizer(tokenizer_folder or folder)
    size = json.loads((folder / "config.json").read_text(encoding="utf-8"))["vocab_size"]
    if len(tokenizer) != size:
        raise UserError(
            f"{tokenizer_folder or folder}: this tokenizer has {len(tokenizer)} tokens, but the model in "
            f"{folder} has {size}: it does not belong to it. Use the tokenizer the model was trained with."
        )
    return tokenizer


def weights_digest(folder: Path) -> str:
    """sha256 over the weights' files: which weights a run started from."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("model*.safetensors"), *folder.glob("pytorch_model*.bin")]):
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
