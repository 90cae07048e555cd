"""torch's Muon, in float32 on processors: its bf16 takes ninety times as long where they have none."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.optim import Muon

MOMENTUM = 0.95


class ProcessorMuon(Muon):
    """``torch.optim.Muon`` with the iteration in float32 where a matrix is on no GPU.

    Its steps have the size of AdamW's: an orthogonal (rows, columns) matrix x 0.2 sqrt(max(rows, columns)).
    """

    def __init__(self, params: list[Tensor], lr: float, weight_decay: float) -> None:
        super().__init__(params, lr, weight_decay, momentum=MOMENTUM, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> None:
        """One step; a closure is not supported."""
        assert closure is None, "the Trainer computes gradients before it steps"
        if all(matrix.is_cuda for group in self.param_groups for matrix in group["params"]):
            super().step()
            return
        for group in self.param_groups:
            matrices: list[Tensor] = []
            gradients: list[Tensor] = []
            momenta: list[Tensor] = []
            self._init_group(group, matrices, gradients, momenta)
            for matrix, gradient, momentum in zip(matrices, gradients, momenta, strict=True):
                _update(matrix, gradient, momentum, group)


def _update(matrix: Tensor, gradient: Tensor, momentum: Tensor, group: dict) -> None:
    momentum.lerp_(gradient, 1 - group["momentum"])
    direction = gradient.lerp(momentum, group["momentum"])  # Nesterov's
    direction = orthogonal(direction, group["ns_coefficients"], group["ns_steps"], group["eps"])
    matrix.mul_(1 - group["lr"] * group["weight_decay"])
    matrix.add_(direction, alpha=-0.2 * group["lr"] * max(matrix.shape) ** 0.5)


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """The nearest orthogonal matrix, nearly, by Newton and Schulz's iteration: (R, C) -> (R, C) float32.

    Its singular values become 1 give or take a third (Jordan, 2024, see ``matrix_optimizer.py``).
    """
    a, b, c = coefficients
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    found = wide.float() / wide.norm().clamp(min=eps)
    for _ in range(steps):
        gram = found @ found.T
        found = torch.addmm(found, torch.addmm(gram, gram, gram, beta=b, alpha=c), found, beta=a)
    return found.T if wide is not matrix else found
