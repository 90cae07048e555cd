"""Lower learning rates for lower layers, which fine-tuning has to change less.

Of L layers, the parameters of layer l learn at the learning rate times decay^(L - 1 - l), the embeddings at
decay^L of it, the final norm and the output head at all of it (Howard & Ruder, 2018, arXiv:1801.06146; Clark
et al., 2020, arXiv:2003.10555, appendix A). A head tied to the embeddings is one matrix with them, and learns
as they do: at its own rate it would move the input of every layer below.
"""

import re

from torch import nn
from torch.optim import Optimizer

DECAY = "layer_decay"  # in each parameter group: by it a checkpoint tells how its optimizer was made


def learning_rate_factor(name: str, layers: int, decay: float) -> float:
    """What the learning rate of a parameter of this name is multiplied by, in a model of so many layers."""
    if found := re.search(r"\.layers\.(\d+)\.", name):
        return decay ** (layers - 1 - int(found[1]))
    return decay**layers if ".embed_tokens." in name else 1.0


def decay_by_layer(optimizer: Optimizer, model: nn.Module, decay: float) -> None:
    """Split an optimizer's parameter groups by learning rate, the highest first; before its first step.

    The first is the plain learning rate, which is the one that the Trainer logs: the head, the norm after the
    last layer, or of adapters those of the last layer have it.
    """
    layers = model.config.num_hidden_layers
    factors = {
        parameter: learning_rate_factor(name, layers, decay) for name, parameter in model.named_parameters()
    }
    split = [part for group in optimizer.param_groups for part in _by_factor(group, factors)]
    split.sort(key=lambda group: -group["lr"])
    optimizer.param_groups[:] = [group | {DECAY: decay} for group in split]


def _by_factor(group: dict, factors: dict[nn.Parameter, float]) -> list[dict]:
    """A parameter group as several, of one learning rate each; all else stays as it is."""
    members: dict[float, list[nn.Parameter]] = {}
    for parameter in group["params"]:
        members.setdefault(factors[parameter], []).append(parameter)
    return [
        group | {"params": parameters, "lr": group["lr"] * factor} for factor, parameters in members.items()
    ]
