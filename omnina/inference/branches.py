"""Attention of label trees behind prompts that were read before.

Letters in shapes, beside those of ``omnina.attention``:
    P longest prompt of a rectangle      W most nodes of one of its rows
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from omnina.attention import (
    Documents,
    Grid,
    attend,
    attend_per_document,
    laid_out,
    like_lengths,
    rectangle,
    whole_documents,
)


class KeptPrompts:
    """Causal attention within each prompt that keeps every layer's keys and values.

    Args:
        own_lengths: (rows,) tokens of each prompt; they lie end to end.
        device: of the tokens.
        shared: tokens of the first prompt that all others go on from.
    """

    def __init__(self, own_lengths: np.ndarray, device: torch.device, shared: int = 0) -> None:
        self.starts, self.lengths = whole_documents(own_lengths, shared)
        self.shared = shared
        self.layers: list[tuple[Tensor, Tensor]] = []  # (T, K, D) each
        self.grid = Grid.of_documents(own_lengths, device, shared)

    @torch.compiler.disable  # what is kept between calls is no graph's business
    def __call__(self, query: Tensor, key: Tensor, value: Tensor, documents: Documents) -> Tensor:
        """(T, N, D), (T, K, D), (T, K, D) -> (T, N, D); or (S, N, D) where few tokens ask."""
        self.layers.append((key, value))
        return attend_per_document(query, key, value, documents)


class NodeAttention:
    """Each node of a tree sees its row's prompt and the nodes on its own way. Good for one forward pass.

    Args:
        prompts: what was kept of all rows' prompts.
        places: rows among them whose nodes lie end to end in the batch.
        sees: for each of these rows, (nodes, nodes) bool.
        device: of the tokens.
    """

    def __init__(
        self, prompts: KeptPrompts, places: Sequence[int], sees: Sequence[np.ndarray], device: torch.device
    ) -> None:
        lengths, starts = prompts.lengths[places], prompts.starts[places]
        sizes = np.array([len(mask) for mask in sees])
        node_starts = np.cumsum(sizes) - sizes
        groups = [
            group[alike] for group in like_lengths(lengths) for alike in like_lengths(sizes[group])
        ]  # like in prompts and in trees, or small trees would be padded to the largest
        before = [rectangle(starts[group], lengths[group], prompts.shared)[0] for group in groups]
        nodes = [rectangle(node_starts[group], sizes[group]) for group in groups]
        self.layers = iter(prompts.layers)
        self.before_shapes = [places.shape for places in before]
        self.before = torch.from_numpy(np.concatenate([places.ravel() for places in before])).to(device)
        self.grid = Grid.of(nodes, device)
        self.masks = [_mask(lengths[group], [sees[row] for row in group]).to(device) for group in groups]

    @torch.compiler.disable  # what is kept between calls is no graph's business
    def __call__(self, query: Tensor, key: Tensor, value: Tensor, documents: Documents) -> Tensor:
        """(T, N, D), (T, K, D), (T, K, D) -> (T, N, D)."""
        kept = next(self.layers)
        before = [laid_out(tensor, self.before, self.before_shapes) for tensor in kept]
        own = [self.grid.rectangles(tensor) for tensor in (query, key, value)]
        return self.grid.flat(
            [
                attend(q, torch.cat((k_before, k), dim=2), torch.cat((v_before, v), dim=2), mask)
                for k_before, v_before, q, k, v, mask in zip(*before, *own, self.masks, strict=True)
            ]
        )


def _mask(lengths: np.ndarray, sees: Sequence[np.ndarray]) -> Tensor:
    """What each node may see, its prompt first: (B, 1, W, P + W) bool."""
    longest, most = lengths.max(), max(map(len, sees))
    mask = np.zeros((len(sees), 1, most, longest + most), dtype=bool)
    mask[..., :longest] = np.arange(longest) < lengths[:, None, None, None]
    for row, of_row in enumerate(sees):
        mask[row, 0, : len(of_row), longest : longest + len(of_row)] = of_row
    return torch.from_numpy(mask)
