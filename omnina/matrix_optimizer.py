"""Muon for the matrices of the layers, AdamW for all else: embeddings, output head, norms.

Muon steps along the orthogonal matrix nearest to the momentum (Jordan, 2024,
kellerjordan.github.io/posts/muon; torch.optim.Muon). Steps have the size of AdamW's (Liu et al., 2025,
arXiv:2502.16982), so that one learning rate, its schedule and the weight decay hold for both.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from transformers import TrainingArguments

from omnina.muon import ProcessorMuon

KIND = "kind"


class MatrixOptimizer(Optimizer):
    """Both optimizers as one: a state and parameter groups that are saved, loaded and scheduled together.

    Args:
        matrices: (rows, columns) each, for Muon.
        others: for AdamW.
        lr, weight_decay: of both; no weight decay for ``others`` of one dimension.
        betas, eps: AdamW's.
    """

    def __init__(
        self,
        matrices: list[Tensor],
        others: list[Tensor],
        *,
        lr: float,
        weight_decay: float,
        betas: tuple[float, float],
        eps: float,
    ) -> None:
        vectors = [parameter for parameter in others if parameter.ndim < 2]
        tables = [parameter for parameter in others if parameter.ndim >= 2]
        decayed = [{"params": tables}, {"params": vectors, "weight_decay": 0.0}]
        decayed = [group for group in decayed if group["params"]]  # adapters have matrices alone
        muon = ProcessorMuon(matrices, lr, weight_decay)
        self.parts: dict[str, Optimizer] = {"muon": muon}
        if decayed:
            self.parts["adamw"] = AdamW(decayed, lr, betas, eps, weight_decay, fused=True)
        groups = [group | {KIND: kind} for kind, part in self.parts.items() for group in part.param_groups]
        super().__init__(groups, {"lr": lr})  # schedules with an end of their own ask for it

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> None:
        """One step of both; a closure is not supported."""
        assert closure is None, "the Trainer computes gradients before it steps"
        for kind, part in self.parts.items():
            # Loading replaces both, and the scheduler writes to ours: the parts always work on them.
            part.state = self.state
            part.param_groups = [group for group in self.param_groups if group[KIND] == kind]
            part.step()


def matrix_optimizer(model: nn.Module, args: TrainingArguments) -> MatrixOptimizer:
    """For a model's parameters that train; the layers' matrices go to Muon."""
    trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
    in_layers = {name for name, value in trained.items() if ".layers." in name and value.ndim == 2}
    return MatrixOptimizer(
        [trained[name] for name in trained if name in in_layers],
        [trained[name] for name in trained if name not in in_layers],
        lr=args.learning_rate,
        weight_decay=args.weight_decay,
        betas=(args.adam_beta1, args.adam_beta2),
        eps=args.adam_epsilon,
    )
