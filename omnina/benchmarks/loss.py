"""Memory of the loss over growing vocabularies: ours against the matrix of all logits.

Forward and backward of the cross-entropy alone, each in a process of its own. Counted is the highest memory
above what any way needs: states, output embedding and the gradients of both.
"""

import torch
import torch.nn.functional as F

from omnina.benchmarks.child import in_child, peak_resident_bytes
from omnina.loss import fused_cross_entropy

HIDDEN = 512
TOKENS = 4096  # supervised in one forward pass
WIDTH = 0.02  # standard deviation of an output embedding: a Llama's initializer_range
VOCABULARIES = (8_000, 32_001, 128_000)


def measure_loss_memory() -> list[dict]:
    """Rows ``{work, metric, ours, baseline, ratio}``, memory in MiB; minutes on a CPU, 24 GiB are enough."""
    rows = []
    for vocabulary in VOCABULARIES:
        sides = {
            side: in_child("omnina.benchmarks.loss", "loss_memory", vocabulary, side) / 2**20
            for side in ("ours", "baseline")
        }
        metric = f"memory of the loss, vocabulary {vocabulary:,}, MiB"
        rows.append({"work": f"{TOKENS} answers, fp32", "metric": metric, **sides})
    return [row | {"ratio": row["ours"] / row["baseline"]} for row in rows]


def loss_memory(vocabulary: int, side: str) -> int:
    """Bytes above states, embedding and their gradients; meant for a process of its own."""
    _step(1000, 8, side)  # what the libraries load is not the loss's
    states, weight = _operands(vocabulary, TOKENS)
    targets = torch.randint(vocabulary, (TOKENS,))
    before = peak_resident_bytes()
    _loss(states, weight, targets, side).backward()
    gradients = states.grad.nbytes + weight.grad.nbytes
    return max(0, peak_resident_bytes() - before - gradients)


def _operands(vocabulary: int, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised states (S, H) and an output embedding (V, H) as wide as a model's.

    With one much wider, most probabilities would be denormal numbers, which some processors multiply a
    hundred times as slowly.
    """
    states, weight = torch.randn(tokens, HIDDEN), torch.randn(vocabulary, HIDDEN).mul_(WIDTH)
    return states.requires_grad_(), weight.requires_grad_()


def _step(vocabulary: int, tokens: int, side: str) -> None:
    states, weight = _operands(vocabulary, tokens)
    _loss(states, weight, torch.randint(vocabulary, (tokens,)), side).backward()


def _loss(states: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, side: str) -> torch.Tensor:
    if side == "ours":
        return fused_cross_entropy(states, weight, targets)
    return F.cross_entropy(states @ weight.T, targets, reduction="sum")
