"""``training_weights.safetensors`` of a checkpoint whose model is an average: those to train on from."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from omnina.errors import UserError
from omnina.weight_average import trained_parameters

TRAINING_WEIGHTS = "training_weights.safetensors"


def save_training_weights(model: nn.Module, folder: Path) -> None:
    """Write the parameters that train, by the model's names for them."""
    weights = {name: value.detach() for name, value in trained_parameters(model).items()}
    save_file(weights, folder / TRAINING_WEIGHTS)


@torch.no_grad()
def load_training_weights(model: nn.Module, folder: Path) -> None:
    """Read them into the model."""
    saved = load_file(folder / TRAINING_WEIGHTS)
    for name, parameter in trained_parameters(model).items():
        parameter.copy_(saved[name])


def check_averaged(folder: Path, *, averaged: bool) -> None:
    """UserError unless a checkpoint's run averaged its weights (``averaged``), or did not."""
    if (folder / TRAINING_WEIGHTS).is_file() == averaged:
        return
    if averaged:
        raise UserError(f"{folder}: its weights are no average; go on without ema_decay.")
    raise UserError(f"{folder}: its weights are an average; go on with the ema_decay of its run.")
