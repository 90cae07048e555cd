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
from torch import Tensor

from omnina.attention import Documents, Grid, attend, like_lengths
from omnina.inference.label_tree import LabelTree


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
        attend=_BranchedAttention(rows, starts[:-1], device),
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


@dataclass(frozen=True)
class _Group:
    """Rows with one tree and prompts of like length, side by side."""

    width: int  # of the longest prompt; each row's nodes stand behind it
    sees: Tensor  # (rows, 1, nodes, width + nodes) bool


class _BranchedAttention:
    """Causal attention within a prompt; each node of its tree sees the prompt and its own way."""

    def __init__(self, rows: Sequence[ScoredRow], starts: np.ndarray, device: torch.device) -> None:
        prompts = np.array([len(row.prompt) for row in rows])
        rectangles, self.groups = [], []
        for members in _side_by_side(rows, prompts):
            tree = rows[members[0]].tree
            rectangles.append(_rectangle(starts[members], prompts[members], len(tree)))
            self.groups.append(_group(prompts[members], tree, device))
        self.grid = Grid.of(rectangles, device)

    def __call__(self, query: Tensor, key: Tensor, value: Tensor, documents: Documents) -> Tensor:
        """(T, N, D), (T, K, D), (T, K, D) -> (T, N, D)."""
        pieces = (self.grid.rectangles(tensor) for tensor in (query, key, value))
        attended = [_branched(*heads, group) for *heads, group in zip(*pieces, self.groups, strict=True)]
        return self.grid.flat(attended)


def _side_by_side(rows: Sequence[ScoredRow], prompts: np.ndarray) -> Iterator[np.ndarray]:
    """Ids of rows with the same tree and prompts of like length."""
    by_tree: dict[int, list[int]] = {}
    for place, row in enumerate(rows):
        by_tree.setdefault(id(row.tree), []).append(place)
    for members in map(np.array, by_tree.values()):
        yield from (members[group] for group in like_lengths(prompts[members]))


def _rectangle(starts: np.ndarray, prompts: np.ndarray, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Places in the batch, and which are real, both (rows, longest prompt + nodes)."""
    cells = np.arange(prompts.max())
    real = cells < prompts[:, None]
    of_prompt = np.minimum(cells, prompts[:, None] - 1)  # padding repeats the last token
    of_nodes = prompts[:, None] + np.arange(nodes)
    places = starts[:, None] + np.concatenate((of_prompt, of_nodes), axis=1)
    return places, np.pad(real, ((0, 0), (0, nodes)), constant_values=True)


def _group(prompts: np.ndarray, tree: LabelTree, device: torch.device) -> _Group:
    width, rows, nodes = prompts.max(), len(prompts), len(tree)
    of_prompt = np.broadcast_to(np.arange(width) < prompts[:, None, None], (rows, nodes, width))
    of_nodes = np.broadcast_to(tree.sees, (rows, nodes, nodes))
    sees = np.concatenate((of_prompt, of_nodes), axis=2)[:, None]
    return _Group(width, torch.from_numpy(sees).to(device))


def _branched(query: Tensor, key: Tensor, value: Tensor, group: _Group) -> Tensor:
    """(rows, N, width + nodes, D), (rows, K, width + nodes, D), the same -> (rows, N, width + nodes, D)."""
    width = group.width
    prompts = attend(query[:, :, :width], key[:, :, :width], value[:, :, :width])
    nodes = attend(query[:, :, width:], key, value, group.sees)
    return torch.cat((prompts, nodes), dim=2)


def _positions(row: ScoredRow) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(row.prompt)), len(row.prompt) + row.tree.depths


def _row(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.int64))[None].to(device)  # (1, T)
