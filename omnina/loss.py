"""Cross-entropy over a large vocabulary without the matrix of all logits.

The logits of some tokens at a time are made, turned into their loss and, in training, into their gradient
at once, and dropped: memory is CHUNK_BYTES, whatever the vocabulary, instead of S x V, and nothing is
computed twice. S tokens, H hidden size, V vocabulary, K candidates of a token. Sums and softmax are float32.

A token is wanted with a share: 1, or a weight. Soft targets have K candidates with a share each, so a
token's loss is -sum(share x log p), and its weight the sum of its shares. The z-loss adds
weight x z x log(Z)^2, Z the softmax's denominator, which keeps the logits from drifting (Chowdhery et al.,
2022, PaLM, arXiv:2204.02311, section 5).
"""

from collections.abc import Callable, Iterator
from functools import cache
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
COMPILED_ON = {"cuda"}  # a CPU's cache holds some rows over all passes, and its results stay as they are


def fused_cross_entropy(
    states: Tensor,
    weight: Tensor,
    targets: Tensor,
    shares: Tensor | None = None,
    z_loss: float = 0.0,
    chunk_bytes: int | None = None,
    backend: str | None = None,
) -> Tensor:
    """Summed negative log-likelihood, nats, a float32 scalar; differentiable in states and weight.

    Args:
        states: (S, H), S may be 0.
        weight: (V, H), the output embedding.
        targets: (S,) int64, each below V; (S, K) with ``shares``.
        shares: (S, K) float32, how much of each candidate is wanted; None: each target, once.
        z_loss: the factor z.
        chunk_bytes: of the logits that exist together; None: CHUNK_BYTES, or all of them where they are few.
        backend: of torch.compile, for the elementwise work on a GPU with one candidate; None: not compiled.
    """
    # answers: passes over the (V, H) gradient would cost more than the logits
    if chunk_bytes is None and shares is None and not z_loss and len(targets) * len(weight) <= FEW_LOGITS:
        logits = F.linear(*_in_matmul_dtype(states, weight))  # (S, V)
        return F.cross_entropy(logits.float(), targets, reduction="sum")
    if shares is None:
        targets = targets[:, None]  # (S, 1)
        shares = torch.ones_like(targets, dtype=torch.float32)
    kept = chunk_bytes or CHUNK_BYTES
    return _FusedCrossEntropy.apply(states, weight, targets, shares, z_loss, kept, backend)


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
        backend: str | None,
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
            loss, slope = _loss_and_slope(logits, *wanted, z_loss, backend)
            total += loss
            if of_states:
                grad_states[start : start + len(chunk)] = slope @ cast_weight
            if of_weight:
                grad_weight = _accumulated(grad_weight, slope, chunk)
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
            *(None, None, None, None, None),
        )


def _accumulated(total: Tensor | None, slope: Tensor, chunk: Tensor) -> Tensor:
    """(V, H) float32: the sum so far, or None, and slope.T @ chunk; (chunk, V), (chunk, H)."""
    if total is None:
        return (slope.T @ chunk).float()
    if slope.dtype == total.dtype:
        return total.addmm_(slope.T, chunk)
    return total.add_(slope.T @ chunk)


def _loss_and_slope(
    logits: Tensor, targets: Tensor, shares: Tensor, z_loss: float, backend: str | None
) -> tuple[Tensor, Tensor]:
    """The summed loss of logits, (chunk, V), and its gradient, which may take their place."""
    compiled = backend is not None and logits.device.type in COMPILED_ON
    # One row would be a graph of its own, as torch.compile takes sizes of 1 for constants.
    if not compiled or targets.shape[1] > 1 or len(logits) == 1:
        return _into_gradient(logits, targets, shares, z_loss), logits
    for part in (logits, targets, shares):  # one graph for any number of tokens
        torch._dynamo.maybe_mark_dynamic(part, 0)
    return _compiled(backend)(logits, targets, shares, z_loss)


@cache
def _compiled(backend: str) -> Callable[..., tuple[Tensor, Tensor]]:
    """``_one_pass``; not at the import of this module, which would take that of a compiler with it."""
    return torch.compile(_one_pass, backend=backend)


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


def _one_pass(logits: Tensor, target: Tensor, share: Tensor, z_loss: float) -> tuple[Tensor, Tensor]:
    """The loss and the gradient, (rows, V), as above with one candidate, (rows, 1).

    Without scattering and changes in place, so that a compiler makes one kernel of it that reads logits and
    writes gradients, and keeps no float32 copy of them.
    """
    values = logits.float()  # (rows, V)
    highest = values.amax(-1, keepdim=True)  # (rows, 1)
    wanted = values.gather(1, target) - highest  # (rows, 1)
    exponentials = (values - highest).exp()  # (rows, V)
    sums = exponentials.sum(-1, keepdim=True)  # (rows, 1)
    log_sums = sums.log()  # (rows, 1)
    log_z = log_sums + highest  # (rows, 1)
    slope = exponentials * (share * (1 + 2 * z_loss * log_z) / sums)  # (rows, V)
    is_target = torch.arange(logits.shape[1], device=logits.device) == target  # (rows, V)
    slope = torch.where(is_target, slope - share, slope).to(logits.dtype)
    return (share * (log_sums + z_loss * log_z.square() - wanted)).sum(), slope


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
