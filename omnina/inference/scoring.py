"""The probability of labels from the model's own likelihoods.

A label's probability is that of its token ids AND the end of the answer after the prompt, so a long label
and a short one, and labels that begin with one another, compete fairly: p(label) = product over its edges
of p(token | prompt, tokens before). There is no correction for length because there is no bias to
correct: these are probabilities of complete answers, which training fitted. Normalised over the set they
sum to 1. Where the question says so, the answers' shares in training are divided out first
(``omnina/label_prior.py``).

Prompts are read first, end to end, and what the layers saw of them is kept; that gives the probability of
every first token. Then the tree of labels is read behind its prompt. A label cannot be likelier than its
first token, so a caller who only wants the likeliest ones may leave out branches that together could not
matter: ``negligible`` bounds by how much the kept labels' probabilities can be off. Nothing is padded but
in attention, no prompt is computed twice, what all prompts begin with is computed once, and a row's
neighbours do not matter. A tree of more than NODES tokens is read in parts, so that memory does not grow with
the square of the labels' number.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from omnina.attention import Attend, Grid, Reading, common_prefix
from omnina.inference.branches import KeptPrompts, NodeAttention
from omnina.inference.label_tree import LabelTree, TreePart

NEGLIGIBLE = 1e-6  # of a probability: what float32 resolves after a few hundred sums
NODES = 1024  # of a tree in one forward pass: each sees its prompt and its way, a mask of (NODES, P + NODES)


@dataclass(frozen=True)
class ScoredRow:
    """A prompt and the labels that may answer it.

    Attributes:
        prompt: (P,) token ids, BOS first.
        tree: the labels.
        temperature: of the probabilities that will be made of the scores; decides what is negligible.
    """

    prompt: np.ndarray
    tree: LabelTree
    temperature: float = 1.0

    def __len__(self) -> int:
        return len(self.prompt) + min(len(self.tree), NODES)


@torch.no_grad()
def label_log_probabilities(
    model: torch.nn.Module, rows: Sequence[ScoredRow], device: torch.device, negligible: float = 0.0
) -> list[np.ndarray]:
    """Natural logarithms of the labels' probabilities, less the tree's prior and not normalised.

    Returns one (labels,) float64 array a row.

    Args:
        model: an OmniNAForCausalLM, or one that passes its arguments on (DDP, FSDP, PEFT).
        rows: one forward pass holds all prompts, another all labels (NODES tokens of them a row).
        device: the model's.
        negligible: labels may be left out, as -inf, if together they change no label's normalised
            probability by more than this.
    """
    scores = [_RowScores(row) for row in rows]
    reader = _Reader(model, scores, device)
    reader.read_prompts()
    reader.read_branches([known.likely(negligible) for known in scores])
    reader.read_branches([known.missing(negligible) for known in scores])  # rarely any
    return [known.labels() for known in scores]


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


class _RowScores:
    """What is known so far of one row's edges, and which branches of its tree were read."""

    def __init__(self, row: ScoredRow) -> None:
        self.row = row
        self.edges = np.full(len(row.tree.edge_tokens), -np.inf)  # (E,) nats
        self.read = np.zeros(len(row.tree.first_edges), dtype=bool)  # (branches,)

    def likely(self, negligible: float) -> np.ndarray:
        """(branches,) bool: those that should be enough, if the likeliest holds half of its bound."""
        bounds = self._bounds()
        order = np.argsort(bounds)
        rest = np.cumsum(bounds[order])  # of a branch and all less likely ones
        wanted = np.empty(len(bounds), dtype=bool)
        wanted[order] = rest >= negligible * bounds.max() / 2
        return wanted

    def missing(self, negligible: float) -> np.ndarray:
        """(branches,) bool: those not read, if they might matter; else none."""
        known = np.exp((self.labels() - self._highest()) / self.row.temperature).sum()
        return ~self.read & (self._bounds()[~self.read].sum() > negligible * known)

    def labels(self) -> np.ndarray:
        """(labels,) nats; -inf where a branch was not read."""
        return self.row.tree.label_scores(self.edges)

    def _highest(self) -> float:
        return self.edges[self.row.tree.first_edges].max()

    def _bounds(self) -> np.ndarray:
        """(branches,) a label is at most as likely as its first token; scaled alike for the whole row."""
        first = self.edges[self.row.tree.first_edges] - self._highest()
        return self.row.tree.branch_weights(self.row.temperature) * np.exp(first / self.row.temperature)


class _Reader:
    """Reads prompts, then parts of their trees, and notes the scores."""

    def __init__(self, model: torch.nn.Module, scores: list[_RowScores], device: torch.device) -> None:
        self.model, self.scores, self.device = model, scores, device
        prompts = [known.row.prompt for known in scores]
        shared = common_prefix(prompts, min(map(len, prompts)) - 1)
        self.from_positions = [0, *[shared] * (len(prompts) - 1)]  # what all begin with is read once
        own_lengths = np.array([len(prompt) for prompt in prompts]) - self.from_positions
        self.prompts = KeptPrompts(own_lengths, device, shared)

    def read_prompts(self) -> None:
        """Score every row's first edges."""
        trees = [known.row.tree for known in self.scores]
        rows = list(zip((known.row.prompt for known in self.scores), self.from_positions, strict=True))
        ids = [prompt[first:] for prompt, first in rows]
        nats = self._forward(
            ids=ids,
            positions=[np.arange(first, len(prompt)) for prompt, first in rows],
            attend=self.prompts,
            grid=self.prompts.grid,
            places=np.repeat(
                np.cumsum([len(own) for own in ids]) - 1, [len(tree.first_edges) for tree in trees]
            ),
            tokens=[tree.edge_tokens[tree.first_edges] for tree in trees],
        )
        for known, tree, of_row in zip(self.scores, trees, nats, strict=True):
            known.edges[tree.first_edges] = of_row

    def read_branches(self, wanted: list[np.ndarray]) -> None:
        """Score the edges behind the wanted branches' first ones; (branches,) bool for each row."""
        trees = [known.row.tree for known in self.scores]
        of_rows = [tree.parts(of_row, NODES) for tree, of_row in zip(trees, wanted, strict=True)]
        for parts in zip_longest(*of_rows):
            places = [place for place, part in enumerate(parts) if part is not None]
            nats = self._read_parts(places, [parts[place] for place in places])
            for place, of_row in zip(places, nats, strict=True):
                self.scores[place].edges[parts[place].edges] = of_row
        for known, of_row in zip(self.scores, wanted, strict=True):
            known.read |= of_row

    def _read_parts(self, places: list[int], parts: list[TreePart]) -> list[np.ndarray]:
        trees = [self.scores[place].row.tree for place in places]
        sizes = np.array([len(part.nodes) for part in parts])
        starts = np.cumsum(sizes) - sizes
        lengths = [self.prompts.lengths[place] for place in places]
        return self._forward(
            ids=[tree.tokens[part.nodes] for tree, part in zip(trees, parts, strict=True)],
            positions=[
                length + tree.depths[part.nodes]
                for length, tree, part in zip(lengths, trees, parts, strict=True)
            ],
            attend=NodeAttention(self.prompts, places, [part.sees for part in parts], self.device),
            places=np.concatenate(
                [start + part.edge_parents for start, part in zip(starts, parts, strict=True)]
            ),
            tokens=[tree.edge_tokens[part.edges] for tree, part in zip(trees, parts, strict=True)],
        )

    def _forward(
        self,
        ids: list[np.ndarray],
        positions: list[np.ndarray],
        attend: Attend,
        places: np.ndarray,
        tokens: list[np.ndarray],
        grid: Grid | None = None,
    ) -> list[np.ndarray]:
        """Log-probability of each of a row's tokens at their places in the batch; one array a row."""
        lengths = [len(of_row) for of_row in ids]
        boundaries = torch.from_numpy(np.cumsum([0, *lengths]).astype(np.int32)).to(self.device)
        nats = self.model(
            input_ids=_row(np.concatenate(ids), self.device),
            position_ids=_row(np.concatenate(positions), self.device),
            cu_seq_lens_q=boundaries,
            cu_seq_lens_k=boundaries,
            max_length_q=max(lengths),
            max_length_k=max(lengths),
            reading=Reading(
                torch.from_numpy(places).to(self.device),
                torch.from_numpy(np.concatenate(tokens)).to(self.device),
                attend,
                grid,
            ),
        ).loss
        ends = np.cumsum([len(of_row) for of_row in tokens])[:-1]
        return np.split(-nats.double().cpu().numpy(), ends)


def _row(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.int64))[None].to(device)  # (1, T)
