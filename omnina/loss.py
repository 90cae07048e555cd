"""Cross-entropy over a large vocabulary without the matrix of all logits.

The logits of some tokens at a time are made, turned into their loss and, in training, into their gradient
at once, and dropped: memory is CHUNK_BYTES, whatever the vocabulary, instead of S x V, and nothing is
computed twice. S tokens, H hidden size, V vocabulary, K candidates of a token. Sums and softmax are float32.

A token is wanted with a share: 1, or a weight. Soft targets have K candidates with a share each, so a
token's loss is -sum(share x log p), and its weight the sum of its shares. The z-loss adds
weight x z x log(Z)^2, Z the softmax's denominator, which keeps the logits from drifting (Chowdhery et al.,
2022, PaLM, arXiv:2204.02311, section 5).
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

CHUNK_BYTES = 2**26  # 524 tokens x 32,001 pieces in float32, 1,048 in bf16; 67 MB
CACHED_LOGITS = 2**20  # 32 tokens x 32,001 pieces; 4 MB in float32
FEW_LOGITS = CHUNK_BYTES // 8  # below, autograd's own float32 copies of the logits are no larger than a chunk


class Alignment(NamedTuple):
    """What sizes of the products are multiples of: the vocabulary, filled up, and the tokens of a chunk."""

    pieces: int = 1
    tokens: int = 1


# Kernels for tensor cores load 16 bytes at once, from rows that begin at multiples of 16, and compute tiles
# of 64 or 128 rows and columns; a row of 32,001 pieces in bf16 is 64,002 bytes.
ALIGNMENTS = {("cuda", dtype): Alignment(64, 128) for dtype in (torch.bfloat16, torch.float16)}


def fused_cross_entropy(
    states: Tensor,
    weight: Tensor,
    targets: Tensor,
    shares: Tensor | None = None,
    z_loss: float = 0.0,
    chunk_bytes: int | None = None,
) -> Tensor:
    """Summed negative log-likelihood, nats, a float32 scalar; differentiable in states and weight.

    Args:
        states: (S, H), S may be 0.
        weight: (V, H), the output embedding.
        targets: (S,) int64, each below V; (S, K) with ``shares``.
        shares: (S, K) float32, how much of each candidate is wanted; None: each target, once.
        z_loss: the factor z.
        chunk_bytes: of the logits that exist together; None: CHUNK_BYTES, or all of them where they are few.
    """
    # answers: passes over the (V, H) gradient would cost more than the logits
    if chunk_bytes is None and shares is None and not z_loss and len(targets) * len(weight) <= FEW_LOGITS:
        logits = F.linear(*_in_matmul_dtype(states, weight))  # (S, V)
        return F.cross_entropy(logits.float(), targets, reduction="sum")
    if shares is None:
        targets = targets[:, None]  # (S, 1)
        shares = torch.ones_like(targets, dtype=torch.float32)
    return _FusedCrossEntropy.apply(states, weight, targets, shares, z_loss, chunk_bytes or CHUNK_BYTES)


@torch.no_grad()
def token_cross_entropy(states: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of each target, nats, (S,) float32; arguments as above, no gradient."""
    states, weight = _in_matmul_dtype(states, weight)
    losses = [
        F.cross_entropy(F.linear(chunk, weight).float(), wanted, reduction="none")
        for chunk, wanted in _chunks(CHUNK_BYTES, len(weight), states, targets)
    ]
    return torch.cat(losses) if losses else states.new_zeros(0, dtype=torch.float32)


class _FusedCrossEntropy(torch.autograd.Function):
    """Computes the gradients in the forward pass, while the logits are there."""

    @staticmethod
    def forward(
        ctx,
        states: Tensor,
        weight: Tensor,
        targets: Tensor,
        shares: Tensor,
        z_loss: float,
        chunk_bytes: int,
    ) -> Tensor:
        """(S, H), (V, H), (S, K), (S, K) -> the summed loss, a scalar; keeps gradients for ``backward``."""
        of_states, of_weight, *_ = ctx.needs_input_grad  # the weight is frozen beside adapters
        cast_states = states.to(_matmul_dtype(states))
        cast_weight = _aligned(weight, cast_states.dtype)  # (P, H): from here on P pieces, V of them real
        total = torch.zeros((), device=states.device)
        grad_states = torch.empty_like(cast_states) if of_states else None
        grad_weight = None  # (P, H) is large: made by the first chunk, not filled with zeros before
        start = 0
        for chunk, *wanted in _chunks(chunk_bytes, len(cast_weight), cast_states, targets, shares):
            logits = F.linear(chunk, cast_weight)  # (chunk, P)
            logits[:, len(weight) :] = -torch.inf  # no share of the softmax, so a gradient of 0
            total += _into_gradient(logits, *wanted, z_loss)
            if of_states:
                grad_states[start : start + len(chunk)] = logits @ cast_weight
            if of_weight:
                grad_weight = _accumulated(grad_weight, logits, chunk)
            start += len(chunk)
        if of_weight and grad_weight is None:  # nothing asks: a process without a document of the step
            grad_weight = torch.zeros_like(weight)
        ctx.gradients = (
            grad_states.to(states.dtype) if of_states else None,
            grad_weight[: len(weight)].to(weight.dtype) if of_weight else None,
        )
        return total

    @staticmethod
    def backward(ctx, grad_total: Tensor) -> tuple[Tensor | None, ...]:
        """Scale the gradients kept, in place: a second one as large as the vocabulary need not exist."""
        assert ctx.gradients is not None, "this loss can be differentiated once"
        kept, ctx.gradients = ctx.gradients, None
        return (
            *(None if gradient is None else gradient.mul_(grad_total) for gradient in kept),
            *(None, None, None, None),
        )


def _accumulated(total: Tensor | None, slope: Tensor, chunk: Tensor) -> Tensor:
    """(V, H) float32: the sum so far, or None, and slope.T @ chunk; (chunk, V), (chunk, H)."""
    if total is None:
        return (slope.T @ chunk).float()
    if slope.dtype == total.dtype:
        return total.addmm_(slope.T, chunk)
    return total.add_(slope.T @ chunk)


def _into_gradient(logits: Tensor, targets: Tensor, shares: Tensor, z_loss: float) -> Tensor:
    """The summed loss of logits, (chunk, V), which become its gradient; targets and shares (chunk, K).

    In float32 whatever their dtype; on a CPU some rows at a time, which its cache holds over the passes.
    """
    rows = max(1, CACHED_LOGITS // logits.shape[1]) if logits.device.type == "cpu" else len(logits)
    blocks = zip(*(part.split(rows) for part in (logits, targets, shares)), strict=True)
    return torch.stack([_rows_into_gradient(*block, z_loss) for block in blocks]).sum()


def _rows_into_gradient(logits: Tensor, targets: Tensor, shares: Tensor, z_loss: float) -> Tensor:
    """As above, all rows at once: weight x (1 + 2 z log Z) x softmax(logits) - shares."""
    values = logits.float()  # (rows, V)
    highest = values.amax(-1, keepdim=True)  # (rows, 1)
    wanted = values.gather(1, targets) - highest  # (rows, K)
    sums = values.sub_(highest).exp_().sum(-1, keepdim=True)  # (rows, 1)
    weight, log_sums = shares.sum(1, keepdim=True), sums.log()  # (rows, 1), (rows, 1)
    log_z = log_sums + highest  # (rows, 1)
    values.mul_(weight * (1 + 2 * z_loss * log_z) / sums)
    values.scatter_add_(1, targets, -shares)
    logits.copy_(values)
    return (weight * (log_sums + z_loss * log_z.square())).sum() - (shares * wanted).sum()


def _in_matmul_dtype(states: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both in the dtype of ``_matmul_dtype``."""
    dtype = _matmul_dtype(states)
    return states.to(dtype), weight.to(dtype)


def _matmul_dtype(states: Tensor) -> torch.dtype:
    """In which autocast, if it is on, multiplies matrices."""
    device = states.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else states.dtype


def _aligned(weight: Tensor, dtype: torch.dtype) -> Tensor:
    """(V, H) -> (P, H): in the dtype, with rows of 0 up to the next multiple of its alignment."""
    pieces = len(weight)
    missing = -pieces % _alignment(weight.device, dtype).pieces
    if not missing:
        return weight.to(dtype)
    filled = weight.new_empty(pieces + missing, weight.shape[1], dtype=dtype)  # cast into it: one copy
    filled[:pieces] = weight
    filled[pieces:] = 0
    return filled


def _alignment(device: torch.device, dtype: torch.dtype) -> Alignment:
    return ALIGNMENTS.get((device.type, dtype), Alignment())


def _chunks(
    most_bytes: int, vocabulary: int, states: Tensor, *others: Tensor
) -> Iterator[tuple[Tensor, ...]]:
    """Tokens whose logits exist together, and what else there is of them."""
    tokens = max(1, most_bytes // (vocabulary * states.itemsize))
    aligned = _alignment(states.device, states.dtype).tokens
    tokens -= tokens % aligned if tokens > aligned else 0
    if len(states):
        yield from zip(*(part.split(tokens) for part in (states, *others)), strict=True)
