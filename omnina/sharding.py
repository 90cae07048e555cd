"""FSDP2: the policy that accelerate's YAML cannot say, and weights whole again where they are needed whole.

Every GPU keeps a part of each parameter; a layer's parameters are gathered just before it computes. With
FSDP2 (``configs/accelerate/fsdp.yaml``) the wrapping is accelerate's; ours is the precision, the check that
FSDP2 is what really runs, and the ways from and to whole weights.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
)
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy

from omnina.errors import UserError
from omnina.model import DecoderLayer
from omnina.whole_weights import fsdp_is_asked

GATHERED = StateDictOptions(full_state_dict=True, cpu_offload=True)  # whole on rank 0, nothing elsewhere
DEALT_OUT = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True)


def mixed_precision_policy() -> MixedPrecisionPolicy:
    """bf16 parameters in the computation; gradients are reduced, and outputs returned, in float32.

    accelerate would make all three bf16, the loss too. Inputs are left to autocast, as without FSDP: cast
    here, the float32 rotations of the positions would lose their precision as well.
    """
    return MixedPrecisionPolicy(
        param_dtype=torch.bfloat16,
        reduce_dtype=torch.float32,
        output_dtype=torch.float32,
        cast_forward_inputs=False,
    )


def set_up_sharding(accelerator: Accelerator, bf16: bool) -> None:
    """Set the precision of FSDP2 before it wraps the model; nothing without FSDP.

    Raises UserError where FSDP was asked for and something else would run, or its first version.
    """
    # One process shards nothing, its checkpoints are the same.
    if not fsdp_is_asked() or accelerator.num_processes == 1:
        return
    if not accelerator.is_fsdp2:
        raise UserError(
            f"the accelerate configuration asks for FSDP, but {accelerator.distributed_type.value} would "
            "run. FSDP needs GPUs and fsdp_version: 2, as in configs/accelerate/fsdp.yaml; without GPUs use "
            "configs/accelerate/cpu.yaml."
        )
    accelerator.state.fsdp_plugin.mixed_precision_policy = mixed_precision_policy() if bf16 else None


def is_sharded(model: nn.Module) -> bool:
    """Whether the model is wrapped by FSDP2."""
    return isinstance(model, FSDPModule)


@contextmanager
def gathered_once(accelerator: Accelerator, model: nn.Module) -> Iterator[None]:
    """Layers keep their whole weights from their first forward on, sharded again at the end.

    So processes may go on with different numbers of forwards (answering stops early where it can): after
    the first, none of them has to wait for the others.
    """
    if not is_sharded(model):
        yield
        return
    units = [module for module in model.modules() if isinstance(module, FSDPModule)]
    # The head is never given back between forward and backward; so it is left alone.
    given_back = [unit for unit in units if isinstance(unit, (DecoderLayer, nn.Embedding))]
    for unit in given_back:
        unit.set_reshard_after_forward(False, recurse=False)
    try:
        yield
    finally:
        for unit in units:
            unit.reshard()
        for unit in given_back:
            unit.set_reshard_after_forward(accelerator.state.fsdp_plugin.reshard_after_forward, recurse=False)


def gathered_state(model: nn.Module) -> dict[str, Tensor]:
    """Whole weights by name, on rank 0 in CPU memory; empty elsewhere. All processes must call it."""
    return get_model_state_dict(model, options=GATHERED)


def deal_out_state(model: nn.Module, state: dict[str, Tensor], *, partly: bool) -> None:
    """Load whole weights, given on rank 0, into the shards of all processes.

    Args:
        model: wrapped by FSDP2.
        state: by name; empty on other ranks.
        partly: some parameters may be missing (frozen ones beside adapters).
    """
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=True, strict=not partly)
    set_model_state_dict(model, state, options=options)
