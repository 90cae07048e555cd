"""Which layers compute their activations again in the backward pass: a share of all, spread evenly.

The last layer keeps its activations unless all are computed again: they are free before the layer below is
computed again, so that one costs no memory above what the forward pass has kept.
"""

from transformers import PreTrainedModel, TrainerCallback
from transformers.modeling_layers import GradientCheckpointingLayer


def checkpointed_count(layers: int, share: float) -> int:
    """That share of so many layers, to the nearest whole one; at least one unless the share is 0."""
    return max(1, int(layers * share + 0.5)) if share else 0


def checkpointed(layers: int, share: float) -> list[bool]:
    """Whether each layer, from the first on, computes its activations again."""
    kept = layers - checkpointed_count(layers, share)
    return [(layer + 1) * kept // layers == layer * kept // layers for layer in range(layers)]


def checkpoint_layers(model: PreTrainedModel, share: float) -> None:
    """Let a share of a model's layers compute their activations again; nothing for a share of 0."""
    if share:
        model.gradient_checkpointing_enable()
        leave_out_layers(model, share)


def leave_out_layers(model: PreTrainedModel, share: float) -> None:
    """Of the layers that transformers made compute their activations again, leave a share so."""
    layers = [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]
    for layer, again in zip(layers, checkpointed(len(layers), share), strict=True):
        layer.gradient_checkpointing &= again


class CheckpointedShare(TrainerCallback):
    """The Trainer switches all layers on as training begins; ``checkpointed_share`` leaves some out again."""

    def on_train_begin(self, args, state, control, *, model, **kwargs) -> None:
        """Called once all layers are on, before the first pass."""
        if args.activation_checkpointing:
            leave_out_layers(model, args.checkpointed_share)
