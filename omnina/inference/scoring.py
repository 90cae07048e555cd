"""The probability of every label from the model's own likelihoods, in one forward pass.

A label's probability is that of its token ids AND the end of the answer after the prompt, so a long label
and a short one, and labels that begin with one another, compete fairly: p(label) = product over its edges
of p(token | prompt, tokens before). There is no correction for length because there is no bias to
correct: these are probabilities of complete answers, which training fitted. Normalised over the set they
sum to 1.

Rows lie end to end, each prompt followed by its tree of labels; a node sees its prompt and its own way
through the tree. So nothing is padded, no prompt is computed twice, and a row's neighbours cannot matter.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from omnina.inference.label_tree import LabelTree
from omnina.model import Documents


@dataclass(frozen=True)
class ScoredRow:
    """A prompt's token ids, (P,), BOS first, and the labels that may answer it."""

    prompt: np.ndarray
    tree: LabelTree

    def __len__(self) -> int:
        return len(self.prompt) + len(self.tree)


@torch.no_grad()
def label_log_probabilities(
    model: torch.nn.Module, rows: Sequence[ScoredRow], device: torch.device
) -> list[np.ndarray]:
    """Natural logarithms of the labels' probabilities, not normalised; one (labels,) float64 array a row.

    Args:
        model: an OmniNAForCausalLM, or one that passes its arguments on (DDP, FSDP, PEFT).
        rows: one forward pass holds them all.
        device: the model's.
    """
    lengths = [len(row) for row in rows]
    starts = np.cumsum([0, *lengths])
    ids = np.concatenate([part for row in rows for part in (row.prompt, row.tree.tokens)])
    positions = np.concatenate([part for row in rows for part in _positions(row)])
    places = [
        start + len(row.prompt) + row.tree.edge_parents for start, row in zip(starts, rows, strict=False)
    ]
    edges = np.concatenate([row.tree.edge_tokens for row in rows])
    boundaries = torch.from_numpy(starts.astype(np.int32)).to(device)
    nats = model(
        input_ids=_row(ids, device),
        position_ids=_row(positions, device),
        cu_seq_lens_q=boundaries,
        cu_seq_lens_k=boundaries,
        max_length_q=max(lengths),
        max_length_k=max(lengths),
        attend=_BranchedAttention(rows, device),
        scored=(torch.from_numpy(np.concatenate(places)).to(device), torch.from_numpy(edges).to(device)),
    ).loss
    ends = np.cumsum([len(row.tree.edge_tokens) for row in rows])[:-1]
    scores = np.split(-nats.double().cpu().numpy(), ends)
    return [row.tree.label_scores(of_row) for row, of_row in zip(rows, scores, strict=True)]


def normalised(log_probabilities: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities over the set, (labels,): softmax of the logarithms over the temperature."""
    scaled = log_probabilities / temperature
    weights = np.exp(scaled - scaled.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def by_tokens(rows: Sequence[ScoredRow], tokens: int) -> Iterator[list[int]]:
    """Places of rows in order, cut into batches of at most ``tokens`` (a longer row stands alone)."""
    batch: list[int] = []
    size = 0
    for place, row in enumerate(rows):
        if batch and size + len(row) > tokens:
            yield batch
            batch, size = [], 0
        batch.append(place)
        size += len(row)
    if batch:
        yield batch


class _BranchedAttention:
    """Causal attention within a prompt; each node of its tree sees the prompt and its own way."""

    def __init__(self, rows: Sequence[ScoredRow], device: torch.device) -> None:
        self.prompts = [len(row.prompt) for row in rows]
        masks = {id(row.tree): torch.from_numpy(row.tree.sees).to(device) for row in rows}
        self.sees = [masks[id(row.tree)] for row in rows]

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, documents: Documents) -> Tensor:
        """(T, N, D), (T, K, D), (T, K, D) -> (T, N, D)."""
        pieces = [tensor.transpose(0, 1).split(documents.lengths, 1) for tensor in (query, key, value)]
        attended = [  # (N, prompt + nodes, D) each
            self._document(*heads, prompt, sees)
            for *heads, prompt, sees in zip(*pieces, self.prompts, self.sees, strict=True)
        ]
        return torch.cat(attended, dim=1).transpose(0, 1)

    def _document(self, query: Tensor, key: Tensor, value: Tensor, prompt: int, sees: Tensor) -> Tensor:
        grouped = query.shape[0] != key.shape[0]
        before = _attend(query[:, :prompt], key[:, :prompt], value[:, :prompt], None, grouped)
        mask = F.pad(sees, (prompt, 0), value=True)  # (nodes, prompt + nodes)
        return torch.cat((before, _attend(query[:, prompt:], key, value, mask, grouped)), dim=1)


def _attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, grouped: bool) -> Tensor:
    return F.scaled_dot_product_attention(
        query[None], key[None], value[None], attn_mask=mask, is_causal=mask is None, enable_gqa=grouped
    )[0]


def _positions(row: ScoredRow) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(row.prompt)), len(row.prompt) + row.tree.depths


def _row(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.int64))[None].to(device)  # (1, T)
