"""Attention in which no document of a flat batch sees another.

Two ways for causal attention within each document: ``attend_varlen``, one call of a CUDA kernel that reads
the boundaries itself; and ``attend_per_document``, SDPA on any device, where documents of like length are
laid side by side and computed in one call (a call for each costs more than its arithmetic if they are short).

Letters in shapes:
    T tokens of a batch, all documents together      D size of a head
    N attention heads      K key/value heads         B documents side by side      W their padded width
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn

MOST_PADDING = 0.2  # share of the longest document by which one beside it may be shorter


@dataclass(frozen=True)
class Documents:
    """Where the documents of a flat batch begin and end, the rotations of its positions, who sees whom.

    Computed once per forward and shared by all layers.
    """

    boundaries: Tensor  # (documents + 1,) int32, in tokens
    longest: int
    cos: Tensor  # (T, 1, D) float32
    sin: Tensor  # (T, 1, D) float32
    attend: "Attend"
    grid: "Grid | None" = None  # None where the kernel reads the boundaries itself


Attend = Callable[[Tensor, Tensor, Tensor, Documents], Tensor]  # (T, N, D), (T, K, D), (T, K, D) -> (T, N, D)


@dataclass(frozen=True)
class Grid:
    """A flat batch laid out as rectangles (B, W), and the way back.

    Attributes:
        gather: (sum of B x W,) place in the batch of every cell; padding repeats a document's token.
        restore: (T,) cell that holds each token.
        shapes: (B, W) of each rectangle.
    """

    gather: Tensor
    restore: Tensor
    shapes: list[tuple[int, int]]

    @classmethod
    def of(cls, rectangles: Sequence[tuple[np.ndarray, np.ndarray]], device: torch.device) -> "Grid":
        """From each rectangle's places in the batch, (B, W), and which of its cells are real, (B, W) bool."""
        gather = np.concatenate([places.ravel() for places, _ in rectangles])
        real = np.concatenate([real.ravel() for _, real in rectangles])
        restore = np.empty(int(real.sum()), dtype=np.int64)
        restore[gather[real]] = real.nonzero()[0]
        shapes = [places.shape for places, _ in rectangles]
        return cls(torch.from_numpy(gather).to(device), torch.from_numpy(restore).to(device), shapes)

    @classmethod
    def of_documents(cls, lengths: np.ndarray, device: torch.device) -> "Grid":
        """Documents end to end, (documents,) tokens of each; empty ones have no cell."""
        starts = np.cumsum(lengths) - lengths
        groups = [group for group in like_lengths(lengths) if lengths[group[-1]]]
        return cls.of([rectangle(starts[group], lengths[group]) for group in groups], device)

    def rectangles(self, x: Tensor) -> Iterator[Tensor]:
        """(T, heads, D) -> (B, heads, W, D) of each rectangle."""
        return laid_out(x, self.gather, self.shapes)

    def flat(self, rectangles: Sequence[Tensor]) -> Tensor:
        """The way back: (B, heads, W, D) of each rectangle -> (T, heads, D)."""
        cells = torch.cat([rectangle.transpose(1, 2).flatten(0, 1) for rectangle in rectangles])
        return cells.index_select(0, self.restore)


def laid_out(x: Tensor, gather: Tensor, shapes: Sequence[tuple[int, int]]) -> Iterator[Tensor]:
    """(T, heads, D), the token of every cell, (B, W) of each rectangle -> (B, heads, W, D) of each."""
    cells = x.index_select(0, gather)  # (sum of B x W, heads, D)
    for piece, shape in zip(cells.split([b * w for b, w in shapes]), shapes, strict=True):
        yield piece.unflatten(0, shape).transpose(1, 2)


def like_lengths(lengths: np.ndarray) -> Iterator[np.ndarray]:
    """Ids of documents that may stand side by side, shortest first, the longest of each group last."""
    order = np.argsort(lengths, kind="stable")
    first = 0
    for place in range(1, len(order) + 1):
        if place == len(order) or lengths[order[first]] < (1 - MOST_PADDING) * lengths[order[place]]:
            yield order[first:place]
            first = place


def attend_varlen(query: Tensor, key: Tensor, value: Tensor, documents: Documents) -> Tensor:
    """FlashAttention over all documents at once; (T, N, D), (T, K, D), (T, K, D) -> (T, N, D)."""
    ends, longest = documents.boundaries, documents.longest
    grouped = query.shape[1] != key.shape[1]
    causal = (-1, 0)  # any key to the left, none to the right; varlen_attn's default is full attention
    return varlen_attn(
        query, key, value, ends, ends, longest, longest, window_size=causal, enable_gqa=grouped
    )


@torch.compiler.disable  # the shapes differ in every batch: compiled, each would be a new graph
def attend_per_document(query: Tensor, key: Tensor, value: Tensor, documents: Documents) -> Tensor:
    """SDPA on documents of like length together; (T, N, D), (T, K, D), (T, K, D) -> (T, N, D).

    Padding stands on the right, where causal attention never looks.
    """
    grid = documents.grid
    pieces = (grid.rectangles(tensor) for tensor in (query, key, value))
    return grid.flat([attend(*heads) for heads in zip(*pieces, strict=True)])


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """SDPA, causal without a mask: (B, N, W, D), (B, K, keys, D), (B, K, keys, D) -> (B, N, W, D)."""
    grouped = query.shape[1] != key.shape[1]
    return F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, enable_gqa=grouped
    )


def rectangle(starts: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Documents side by side: places in the batch, and which are real, both (documents, longest)."""
    cells = np.arange(lengths.max())
    real = cells < lengths[:, None]  # padding repeats a document's last token
    return starts[:, None] + np.minimum(cells, lengths[:, None] - 1), real
