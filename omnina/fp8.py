"""Products of the decoder layers' matrices in float8, by torchao (requirements-gpu.txt).

Weights, gradients and checkpoints keep their dtype; only the operands of the products are cast, with scales
found anew in every step. The output embedding stays as it is, and so does the feed-forward part of the last
layer: it computes supervised tokens alone, of any number, and float8 products need multiples of 16.
"""

from dataclasses import replace
from importlib.util import find_spec

import torch
from torch import nn

from omnina.errors import UserError
from omnina.model import OmniNAForCausalLM

FIRST_CAPABILITY = (8, 9)  # of the GPUs that multiply float8: Ada, Hopper and later
MULTIPLE = 16  # that both sizes of a matrix must be of


def convert_layers(
    model: OmniNAForCausalLM, scaling: str, device: torch.device, *, emulate: bool = False
) -> None:
    """Make the layers' linear maps multiply in float8, in place; names of parameters stay.

    Args:
        model: not compiled yet.
        scaling: ``tensorwise``, one scale for each matrix, or ``rowwise``, one for each row.
        device: where it will run.
        emulate: round to float8 and multiply in the given dtype, which any device can.

    Raises UserError without torchao, or on a device without such products.
    """
    try:
        from torchao.float8 import Float8LinearConfig, convert_to_float8_training
    except ImportError as error:
        raise UserError(
            "fp8: true needs torchao: pip install -r requirements-gpu.txt (or leave fp8 out)."
        ) from error
    if not emulate:
        _check_device(device)
    config = replace(Float8LinearConfig.from_recipe_name(scaling), emulate=emulate)
    for index, layer in enumerate(model.model.layers):
        is_last = index == len(model.model.layers) - 1
        part = layer.self_attn if is_last else layer
        convert_to_float8_training(part, config=config, module_filter_fn=_fits)


def _fits(module: nn.Module, name: str) -> bool:
    if not isinstance(module, nn.Linear):
        return False
    return module.in_features % MULTIPLE == 0 and module.out_features % MULTIPLE == 0


def can_multiply_float8(device: torch.device) -> bool:
    """Whether torchao is there and the device has such products."""
    return find_spec("torchao") is not None and _has_products(device)


def _has_products(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= FIRST_CAPABILITY


def _check_device(device: torch.device) -> None:
    if not _has_products(device):
        raise UserError(
            "fp8: true needs a GPU that multiplies float8 (compute capability 8.9: Ada, Hopper or later)."
        )
