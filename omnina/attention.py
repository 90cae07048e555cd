"""Attention in which no document of a flat batch sees another.

Two ways for causal attention within each document: ``attend_varlen``, one call of a CUDA kernel that reads
the boundaries itself; and ``attend_per_document``, SDPA on any device, where documents of like length are
laid side by side and computed in one call (a call for each costs more than its arithmetic if they are short).

Letters in shapes:
    T tokens of a batch, all documents together      S those of them whose attention is wanted
    N attention heads      K key/value heads         D size of a head
    B documents side by side      W their padded width      Q most wanted tokens of one of them
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention.varlen import varlen_attn

from omnina.errors import UserError

MOST_PADDING = 0.2  # share of the longest document by which one beside it may be shorter
SHORT = 512  # keys below which a CPU attends faster in float32 than in bf16, casts included
FEW = 0.5  # share of the tokens up to which it pays to compute the attention of the wanted ones alone


def chosen_attention(wanted: str, *, cuda: bool, half: bool) -> str:
    """``varlen`` or ``per_document``: what the setting stands for on a device.

    Args:
        wanted: ``auto`` or one of the two.
        cuda: the device is a GPU.
        half: matrices are multiplied in bf16 or fp16.

    Raises UserError for ``varlen`` where its kernel cannot run.
    """
    possible = cuda and half
    if wanted == "auto":
        return "varlen" if possible else "per_document"
    if wanted == "varlen" and not possible:
        raise UserError("attention: varlen needs a CUDA device and bf16: true; use auto or per_document.")
    return wanted


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
    few: "FewQueries | None" = None  # the only tokens that ask, if not all do

    def asked(self, wanted: Tensor | None) -> "Documents":
        """The same where only the wanted tokens ask, (S,) in ascending order, if they are few enough."""
        if wanted is None or self.grid is None:
            return self
        if not 0 < len(wanted) <= FEW * len(self.grid.restore):
            return self
        return replace(self, few=FewQueries.of(wanted, self.grid))


# (T, N, D) or, where few tokens ask, (S, N, D); (T, K, D); (T, K, D) -> as the first
Attend = Callable[[Tensor, Tensor, Tensor, Documents], Tensor]


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
        restore = np.empty(int(gather[real].max(initial=-1)) + 1, dtype=np.int64)
        restore[gather[real]] = real.nonzero()[0]  # any cell of a token that stands in several
        shapes = [places.shape for places, _ in rectangles]
        return cls(torch.from_numpy(gather).to(device), torch.from_numpy(restore).to(device), shapes)

    @classmethod
    def of_documents(cls, lengths: np.ndarray, device: torch.device, shared: int = 0) -> "Grid":
        """Documents end to end, (documents,) tokens of each; empty ones have no cell.

        All but the first go on from its first ``shared`` tokens: these stand in every document's cells.
        """
        starts, lengths = whole_documents(lengths, shared)
        groups = [group for group in like_lengths(lengths) if lengths[group[-1]]]
        return cls.of([rectangle(starts[group], lengths[group], shared) for group in groups], device)

    def rectangles(self, x: Tensor) -> Iterator[Tensor]:
        """(T, heads, D) -> (B, heads, W, D) of each rectangle."""
        return laid_out(x, self.gather, self.shapes)

    def flat(self, rectangles: Sequence[Tensor]) -> Tensor:
        """The way back: (B, heads, W, D) of each rectangle -> (T, heads, D)."""
        cells = torch.cat([rectangle.transpose(1, 2).flatten(0, 1) for rectangle in rectangles])
        return cells.index_select(0, self.restore)


@dataclass(frozen=True)
class Reading:
    """What is asked of a batch beside its loss: probabilities of tokens that may come, or all logits there.

    Attributes:
        places: (E,) int64 in the batch; one may stand several times.
        tokens: (E,) int64 whose probability after each place is wanted; None: the logits of the vocabulary.
        attend, grid: who sees whom, if not causally within each document, and the documents' layout.
    """

    places: Tensor
    tokens: Tensor | None = None
    attend: Attend | None = None
    grid: Grid | None = None


@dataclass(frozen=True)
class FewQueries:
    """The wanted tokens of a grid's documents, as rectangles (B, Q) that ask the grid's (B, W).

    Attributes:
        tokens: (S,) their places in the batch.
        grid: lays out the S wanted tokens alone.
        masks: (B, 1, Q, W) bool for each rectangle: what each of them sees.
    """

    tokens: Tensor
    grid: Grid
    masks: list[Tensor]

    @classmethod
    def of(cls, wanted: Tensor, documents: Grid) -> "FewQueries":
        """From the places of the wanted tokens in the batch, (S,) in ascending order."""
        cells = documents.restore[wanted].cpu().numpy()
        rectangles, masks, first = [], [], 0
        for shape in documents.shapes:
            end = first + shape[0] * shape[1]
            asking = np.flatnonzero((first <= cells) & (cells < end))
            places, real, mask = _asked_in(asking, cells[asking] - first, shape)
            rectangles.append((places, real))
            masks.append(torch.from_numpy(mask).to(wanted.device))
            first = end
        return cls(wanted, Grid.of(rectangles, wanted.device), masks)


def _asked_in(
    asking: np.ndarray, cells: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The wanted tokens of one rectangle (B, W): their places (B, Q), which are real, what they see.

    A cell without one asks what the document's first token would, and is not brought back.
    """
    order = np.argsort(cells)
    rows, columns = np.divmod(cells[order], shape[1])
    counts = np.bincount(rows, minlength=shape[0])
    place_in_row = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    places = np.zeros((shape[0], max(counts.max(), 1)), dtype=np.int64)
    real, last_seen = np.zeros(places.shape, dtype=bool), np.zeros_like(places)
    places[rows, place_in_row], real[rows, place_in_row] = asking[order], True
    last_seen[rows, place_in_row] = columns
    return places, real, (np.arange(shape[1]) <= last_seen[..., None])[:, None]


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

    Padding stands on the right, where causal attention never looks. Where few tokens ask, ``query`` and
    what is returned are theirs, (S, N, D).
    """
    seen = [documents.grid.rectangles(tensor) for tensor in (key, value)]
    if documents.few is None:
        asking, masks = documents.grid, [None] * len(documents.grid.shapes)
    else:
        asking, masks = documents.few.grid, documents.few.masks
    return asking.flat([attend(*heads) for heads in zip(asking.rectangles(query), *seen, masks, strict=True)])


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """SDPA, causal without a mask: (B, N, W, D), (B, K, keys, D), (B, K, keys, D) -> (B, N, W, D)."""
    grouped = query.shape[1] != key.shape[1]
    sdpa = partial(F.scaled_dot_product_attention, attn_mask=mask, is_causal=mask is None, enable_gqa=grouped)
    if query.device.type == "cpu" and key.shape[2] < SHORT:
        with torch.autocast("cpu", enabled=False):  # it would cast them down again
            return sdpa(query.float(), key.float(), value.float())
    return sdpa(query, key, value)


def whole_documents(own_lengths: np.ndarray, shared: int) -> tuple[np.ndarray, np.ndarray]:
    """Where documents would begin if the shared tokens stood before each, and their whole lengths.

    ``own_lengths``: (documents,) tokens end to end in the batch; the first holds the shared ones.
    """
    starts = np.cumsum(own_lengths) - own_lengths
    before = np.full(len(own_lengths), shared)
    before[:1] = 0
    return starts - before, own_lengths + before


def rectangle(starts: np.ndarray, lengths: np.ndarray, shared: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Documents side by side: places in the batch, and which are real, both (documents, longest).

    The first ``shared`` tokens of the batch are every document's first.
    """
    cells = np.arange(lengths.max())
    real = cells < lengths[:, None]
    own = starts[:, None] + np.minimum(cells, lengths[:, None] - 1)  # padding repeats the last token
    return np.where(cells < shared, cells, own), real


def common_prefix(documents: Sequence[np.ndarray], most: int) -> int:
    """How many first tokens are the same in all documents; at most ``most``, which none is shorter than."""
    heads = np.stack([ids[:most] for ids in documents])  # (documents, most)
    differs = (heads != heads[0]).any(axis=0)
    return int(differs.argmax()) if differs.any() else most
