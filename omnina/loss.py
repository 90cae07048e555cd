"""Cross-entropy over a large vocabulary without the matrix of all logits.

The logits of a few hundred tokens at a time are made, turned into their loss and, in training, into
their gradient at once, and dropped: memory is chunk x V instead of S x V, and nothing is computed twice.
S tokens, H hidden size, V vocabulary. Sums, softmax and gradients accumulate in float32.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_TOKENS = 512  # 512 x 32,001 float32 logits = 66 MB
FEW_TOKENS = CHUNK_TOKENS // 2  # below, autograd's own copies of the logits are no larger than a chunk


def fused_cross_entropy(states: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Summed negative log-likelihood, nats, a float32 scalar; differentiable in states and weight.

    Args:
        states: (S, H), S may be 0.
        weight: (V, H), the output embedding.
        targets: (S,) int64, each below V.
    """
    if len(targets) <= FEW_TOKENS:  # answers: passes over the (V, H) gradient would cost more than the logits
        logits = F.linear(*_in_matmul_dtype(states, weight))  # (S, V)
        return F.cross_entropy(logits.float(), targets, reduction="sum")
    return _FusedCrossEntropy.apply(states, weight, targets)


@torch.no_grad()
def token_cross_entropy(states: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of each target, nats, (S,) float32; arguments as above, no gradient."""
    states, weight = _in_matmul_dtype(states, weight)
    losses = [
        F.cross_entropy(F.linear(chunk, weight).float(), wanted, reduction="none")
        for chunk, wanted in _chunks(states, targets)
    ]
    return torch.cat(losses) if losses else states.new_zeros(0, dtype=torch.float32)


class _FusedCrossEntropy(torch.autograd.Function):
    """Computes the gradients in the forward pass, while the logits are there."""

    @staticmethod
    def forward(ctx, states: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        """(S, H), (V, H), (S,) -> the summed loss, a scalar; keeps both gradients for ``backward``."""
        with_gradient = any(ctx.needs_input_grad[:2])
        cast_states, cast_weight = _in_matmul_dtype(states, weight)
        total = torch.zeros((), device=states.device)
        grad_states = torch.empty_like(cast_states) if with_gradient else None
        grad_weight = None  # (V, H) is large: made by the first chunk, not filled with zeros before
        start = 0
        for chunk, wanted in _chunks(cast_states, targets):
            logits = F.linear(chunk, cast_weight).float()  # (chunk, V)
            normaliser = logits.logsumexp(-1, keepdim=True)  # (chunk, 1)
            total += (normaliser[:, 0] - logits.gather(1, wanted[:, None])[:, 0]).sum()
            if with_gradient:
                slope = _logit_gradient(logits, normaliser, wanted).to(chunk.dtype)  # (chunk, V)
                grad_states[start : start + len(chunk)] = slope @ cast_weight
                product = slope.T @ chunk  # (V, H)
                grad_weight = product.float() if grad_weight is None else grad_weight.add_(product)
            start += len(chunk)
        if with_gradient:
            ctx.save_for_backward(grad_states.to(states.dtype), grad_weight.to(weight.dtype))
        return total

    @staticmethod
    def backward(ctx, grad_total: Tensor) -> tuple[Tensor, Tensor, None]:
        """Scale the gradients kept; targets have none."""
        grad_states, grad_weight = ctx.saved_tensors
        return grad_states * grad_total, grad_weight * grad_total, None


def _logit_gradient(logits: Tensor, normaliser: Tensor, targets: Tensor) -> Tensor:
    """softmax(logits) - onehot(targets), in the memory of the logits; (chunk, V)."""
    slope = logits.sub_(normaliser).exp_()
    slope[torch.arange(len(targets), device=targets.device), targets] -= 1
    return slope


def _in_matmul_dtype(states: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the dtype in which autocast, if it is on, multiplies matrices."""
    device = states.device.type
    on = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if on else states.dtype
    return states.to(dtype), weight.to(dtype)


def _chunks(states: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    if len(targets):
        yield from zip(states.split(CHUNK_TOKENS), targets.split(CHUNK_TOKENS), strict=True)
